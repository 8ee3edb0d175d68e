# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from push_fakes import FakeEngine, make_image

from ansible_collections.airgap.cognitive.plugins.module_utils._plan import ARRIVING, plan_images

A = make_image("r/a:1", [b"base", b"one"]).entry
B = make_image("r/b:1", [b"base", b"one", b"two"]).entry
# The same layers in another order: in the classic store these are other layers.
D = make_image("r/d:1", [b"two", b"one"]).entry


def digests(plan):
    return list(plan.missing_blobs)


def layer(image, number):
    return image["layers"][number]["digest"]


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_an_empty_engine_lacks_everything_once(store):
    plan = plan_images(FakeEngine(store), [A, B])
    assert digests(plan) == [layer(B, 0), layer(B, 1), layer(B, 2)]
    assert [entry.reason for entry in plan.images] == ["the engine does not hold it"] * 2
    assert [len(entry.missing) for entry in plan.images] == [2, 1]


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_what_the_engine_holds_is_not_planned(store):
    engine = FakeEngine(store)
    engine.hold(A)
    plan = plan_images(engine, [A])
    assert plan.images[0].reason is None
    assert plan.missing_blobs == {}
    assert plan.images[0].present == 2


def test_the_classic_store_shares_chains():
    engine = FakeEngine("classic")
    engine.hold(A)
    assert digests(plan_images(engine, [B])) == [layer(B, 2)]


def test_the_classic_store_does_not_share_a_layer_on_another_parent():
    engine = FakeEngine("classic")
    engine.hold(B)
    assert digests(plan_images(engine, [D])) == [layer(D, 0), layer(D, 1)]


def test_the_containerd_store_shares_blobs_that_were_pushed():
    engine = FakeEngine("containerd")
    engine.hold(A)
    pushed = {A["manifest"]: [layer(A, 0), layer(A, 1)]}
    assert digests(plan_images(engine, [B], pushed)) == [layer(B, 2)]
    # On any parent, because a blob is a blob there.
    assert digests(plan_images(engine, [D], pushed)) == [layer(D, 0)]


def test_the_containerd_store_shares_nothing_without_a_record():
    engine = FakeEngine("containerd")
    engine.hold(A)
    assert len(digests(plan_images(engine, [B]))) == 3


def test_a_record_of_an_image_that_is_gone_proves_nothing():
    assert len(digests(plan_images(FakeEngine("containerd"), [B], {A["manifest"]: [layer(A, 0)]}))) == 3


def test_another_image_of_the_same_name_is_replaced():
    engine = FakeEngine()
    engine.hold(A, name=B["name"])
    plan = plan_images(engine, [B])
    assert plan.images[0].reason == "the engine holds another image of this name"
    assert plan.images[0].before == A["config"]
    assert digests(plan) == [layer(B, 2)]


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_an_image_under_another_name_needs_only_its_own(store):
    engine = FakeEngine(store)
    engine.hold(A, name="other:name")
    plan = plan_images(engine, [A])
    assert plan.images[0].tag_only
    assert plan.missing_blobs == {}


def test_an_image_of_passage_in_the_containerd_store_may_be_broken():
    engine = FakeEngine("containerd")
    engine.hold(A, name=f"{ARRIVING}:x")
    assert not plan_images(engine, [A]).images[0].tag_only


def test_an_image_that_the_engine_calls_incomplete_is_loaded_again():
    engine = FakeEngine("containerd")
    engine.hold(A, complete=False)
    plan = plan_images(engine, [A])
    assert plan.images[0].reason == "the engine holds only a part of it"
    assert not plan.images[0].tag_only
    assert len(plan.missing_blobs) == 2


def test_nothing_is_left_out_of_a_whole_image():
    engine = FakeEngine()
    engine.hold(A)
    assert len(digests(plan_images(engine, [B], whole=[B["name"]]))) == 3


def sized(name, size, raw_size, media_type="tar"):
    image = make_image(name, [name.encode()]).entry
    image["layers"][0].update(size=size, raw_size=raw_size, media_type=media_type)
    return image


@pytest.mark.parametrize(
    "store, major, media_type, expected",
    [
        # First 10 + 100 at once, 100 kept; then 20 + 50 more.
        ("classic", 26, "tar+gzip", 170),
        # The blobs are kept too.
        ("containerd", 26, "tar+gzip", 180),
        # The archive has the layers unpacked: 200 at once, then 100 + 2 * 50.
        ("classic", 20, "tar+zstd", 200),
        ("classic", 20, "tar+gzip", 170),
        # A development build is a new one.
        ("classic", 0, "tar+zstd", 170),
    ],
)
def test_room_at_the_peak(store, major, media_type, expected):
    images = [sized("r/a:1", 10, 100, media_type), sized("r/b:1", 20, 50, media_type)]
    plan = plan_images(FakeEngine(store, major), images)
    assert plan.engine_bytes == expected


@pytest.mark.parametrize("store, expected", [("classic", 100 + 20 + 50), ("containerd", 100 + 10 + 20 + 50)])
def test_room_at_the_peak_of_a_ladder_is_one_layer_beyond_what_is_kept(store, expected):
    image = make_image("r/a:1", [b"one", b"two"]).entry
    image["layers"] = [{**layer, "size": size, "raw_size": raw} for layer, size, raw in zip(image["layers"], (10, 20), (100, 50))]
    plan = plan_images(FakeEngine(store), [image])
    assert plan.ladder_engine_bytes == expected
    assert plan.engine_bytes == 10 + 20 + 100 + 50


def test_a_layer_of_unknown_size_is_reckoned_with():
    assert plan_images(FakeEngine(), [sized("r/a:1", 10, None, "tar+gzip")]).engine_bytes == 40


@pytest.mark.parametrize("major, media_type, expected", [(20, "tar+zstd", True), (20, "tar+gzip", False), (23, "tar+zstd", False), (0, "tar+zstd", False)])
def test_old_engines_need_the_zstd_program(major, media_type, expected):
    assert plan_images(FakeEngine("classic", major), [sized("r/a:1", 1, 1, media_type)]).needs_zstd is expected
