# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from push_fakes import FakeEngine, Sample

from ansible_collections.airgap.cognitive.plugins.module_utils._plan import plan_images

STORES = ["classic", "containerd"]
BASE, ONE, TWO = b"base" * 999, b"one" * 999, b"two" * 999
FIRST = Sample("test/one:1", BASE, ONE)
SECOND = Sample("test/one:2", BASE, TWO)


def pushed(sample: Sample, engine: FakeEngine) -> dict:
    key = "manifest" if engine.store == "containerd" else "config"
    return {sample.image[key]: [entry["digest"] for entry in sample.layers]}


def digests(*layers: dict) -> set:
    return {entry["digest"] for entry in layers}


@pytest.mark.parametrize("store", STORES)
def test_an_empty_engine_needs_every_layer(store):
    plan = plan_images(FakeEngine(store), [FIRST.image])
    assert set(plan.missing_blobs) == digests(*FIRST.layers)
    assert plan.images[0].reason == "the engine does not hold it" and plan.images[0].present == 0


@pytest.mark.parametrize("store", STORES)
def test_what_is_there_needs_nothing(store):
    engine = FakeEngine(store)
    engine.hold(FIRST.image)
    plan = plan_images(engine, [FIRST.image])
    assert plan.images[0].reason is None and plan.images[0].present == 2
    assert not plan.missing_blobs and plan.spool_bytes == plan.engine_bytes == 0


@pytest.mark.parametrize("store", STORES)
def test_the_next_version_needs_only_what_is_new(store):
    engine = FakeEngine(store)
    engine.hold(FIRST.image)
    plan = plan_images(engine, [SECOND.image], pushed(FIRST, engine))
    assert set(plan.missing_blobs) == digests(SECOND.layers[1])
    assert plan.images[0].present == 1


def test_the_containerd_store_counts_on_nothing_that_was_not_pushed():
    engine = FakeEngine("containerd")
    engine.hold(FIRST.image)
    assert set(plan_images(engine, [SECOND.image]).missing_blobs) == digests(*SECOND.layers)
    # The record of an image that is gone is worth nothing: its blobs may be collected.
    engine.remove_image("test/one:1")
    assert set(plan_images(engine, [SECOND.image], pushed(FIRST, engine)).missing_blobs) == digests(*SECOND.layers)


def test_the_classic_store_shares_a_chain_only_from_its_base():
    engine = FakeEngine("classic")
    engine.hold(Sample("test/other:1", TWO, BASE).image)
    # The same layer upon another one is another layer there.
    assert set(plan_images(engine, [FIRST.image]).missing_blobs) == digests(*FIRST.layers)
    engine.hold(Sample("test/other:2", BASE).image)
    assert set(plan_images(engine, [FIRST.image]).missing_blobs) == digests(FIRST.layers[1])
    # As much of it as there is.
    engine.hold(FIRST.image)
    longer = Sample("test/one:3", BASE, ONE, TWO)
    assert set(plan_images(engine, [longer.image]).missing_blobs) == digests(longer.layers[2])


def test_the_containerd_store_shares_a_blob_wherever_it_is():
    engine = FakeEngine("containerd")
    other = Sample("test/other:1", TWO, BASE)
    engine.hold(other.image)
    assert set(plan_images(engine, [FIRST.image], pushed(other, engine)).missing_blobs) == digests(FIRST.layers[1])


@pytest.mark.parametrize("store", STORES)
def test_a_layer_that_two_images_share_is_sent_for_the_first(store):
    plan = plan_images(FakeEngine(store), [FIRST.image, SECOND.image])
    assert [len(entry.missing) for entry in plan.images] == [2, 1]
    assert plan.spool_bytes == sum(entry["size"] for entry in [*FIRST.layers, SECOND.layers[1]])


@pytest.mark.parametrize("store", STORES)
def test_an_image_under_another_name_needs_only_its_name(store):
    engine = FakeEngine(store)
    engine.hold(FIRST.image, "test/renamed:1")
    plan = plan_images(engine, [FIRST.image])
    assert plan.images[0].tag_only and not plan.missing_blobs


@pytest.mark.parametrize("store", STORES)
def test_another_image_of_the_name_is_said(store):
    engine = FakeEngine(store)
    engine.hold(SECOND.image, "test/one:1")
    plan = plan_images(engine, [FIRST.image], pushed(SECOND, engine))
    assert plan.images[0].reason == "the engine holds another image of this name"
    assert set(plan.missing_blobs) == digests(FIRST.layers[1])


def test_room_at_the_peak():
    packed = [entry["size"] for entry in FIRST.layers]
    raw = len(BASE) + len(ONE)
    assert plan_images(FakeEngine("classic"), [FIRST.image]).engine_bytes == raw + sum(packed)
    both = plan_images(FakeEngine("classic"), [FIRST.image, SECOND.image])
    assert both.engine_bytes == raw + len(TWO) + sum(packed)
    kept = plan_images(FakeEngine("containerd"), [FIRST.image, SECOND.image])
    assert kept.engine_bytes == raw + len(TWO) + sum(packed) + SECOND.layers[1]["size"]
    # Where the bundle does not say how large a layer is unpacked, it is taken to grow.
    unknown = {**FIRST.image, "layers": [{**entry, "raw_size": None} for entry in FIRST.layers]}
    assert plan_images(FakeEngine("containerd"), [unknown]).engine_bytes == 4 * sum(packed)
