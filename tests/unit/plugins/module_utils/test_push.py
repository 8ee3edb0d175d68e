# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from push_fakes import FakeEngine, FilledSpool, left_in, make_image, needs_zstd, passage_names

from ansible_collections.airgap.cognitive.plugins.module_utils import _push
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import LoadRefused
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import ARRIVING
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images, survey
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

A = make_image("r/a:1", [b"base", b"one"])
B = make_image("r/b:1", [b"base", b"one", b"two"])
STORES = pytest.mark.parametrize("store", ["classic", "containerd"])


@pytest.fixture
def filled(tmp_path):
    return FilledSpool(Spool(str(tmp_path / "spool")))


def load(engine, filled, *images, whole=()):
    return load_images(engine, filled.spool, [image.entry for image in images], whole)


@STORES
def test_images_are_loaded_each_layer_once_and_the_spool_is_empty(store, filled):
    engine = FakeEngine(store)
    filled.receive(A, B)
    answer = load(engine, filled, A, B)
    assert answer == {"loaded": ["r/a:1", "r/b:1"], "lacking": {}, "begun": {}, "whole": []}
    assert set(engine.names) == {"r/a:1", "r/b:1"}
    # Five documents and the layers; the second image leaves out what it shares with the first.
    assert [len(members) for members in engine.loads] == [5 + 2, 5 + 1]
    assert left_in(filled.spool) == []
    again = survey(engine, filled.spool, [A.entry, B.entry])
    assert [image["reason"] for image in again["images"]] == [None, None]
    assert not again["leftovers"]
    assert again["room"] == []


@STORES
def test_what_lacks_is_asked_for(store, filled):
    engine = FakeEngine(store)
    filled.receive(A)
    answer = load(engine, filled, A, B)
    assert answer["loaded"] == ["r/a:1"]
    assert list(answer["lacking"]) == [B.entry["layers"][2]["digest"]]
    assert answer["whole"] == []
    filled.receive(B, only=answer["lacking"])
    assert load(engine, filled, A, B)["loaded"] == ["r/b:1"]
    assert left_in(filled.spool) == []


def forge_record(engine, filled):
    """Let the record say more than the engine holds."""
    engine.hold(A.entry)
    engine.blobs.clear()
    filled.spool._documents.clear()
    with filled.spool.locked():
        filled.spool.remember({A.entry["manifest"]: [layer["digest"] for layer in B.entry["layers"]]})


@pytest.mark.parametrize("answer_broken", [False, True])
def test_a_difference_that_did_not_take_is_followed_by_the_whole_image(filled, answer_broken):
    engine = FakeEngine("containerd")
    engine.answer_broken = answer_broken
    forge_record(engine, filled)
    filled.receive(B, only=())
    answer = load(engine, filled, B)
    assert len(answer["lacking"]) == 3
    assert answer["whole"] == ["r/b:1"]
    assert list(engine.names) == ["r/a:1"]
    filled.receive(B)
    assert load(engine, filled, B, whole=answer["whole"])["loaded"] == ["r/b:1"]
    # The difference was tried once, then all at once.
    assert [len(members) for members in engine.loads] == [5, 5 + 3]
    assert passage_names(engine) == []


@STORES
def test_a_load_that_fails_takes_no_name_from_the_image_that_has_it(store, filled):
    engine = FakeEngine(store)
    engine.hold(A.entry, name="r/b:1")
    before = engine.names["r/b:1"]
    engine.fail_with = [LoadRefused("first"), LoadRefused("second")]
    filled.receive(B)
    with pytest.raises(CognitiveError, match=r"^Image r/b:1: "):
        load(engine, filled, B)
    assert engine.names == {"r/b:1": before}
    # What came is kept for the next run.
    assert len(left_in(filled.spool)) == 3


def test_an_engine_that_breaks_off_is_not_given_the_whole_image(filled):
    engine = FakeEngine()
    engine.hold(A.entry)
    engine.fail_with = [CognitiveError("Docker Engine broke off")]
    filled.receive(B)
    with pytest.raises(CognitiveError, match=r"^Docker Engine broke off"):
        load(engine, filled, B)
    assert engine.loads == []


def test_another_image_of_the_name_is_replaced_only_when_the_new_one_is_right(filled):
    engine = FakeEngine()
    engine.hold(A.entry, name="r/b:1")
    filled.receive(B)
    assert load(engine, filled, B)["loaded"] == ["r/b:1"]
    assert engine.names["r/b:1"].id == B.entry["config"]


@STORES
def test_only_the_name_is_given_where_only_that_lacks(store, filled):
    engine = FakeEngine(store)
    engine.hold(A.entry, name="other:1")
    assert load(engine, filled, A)["loaded"] == ["r/a:1"]
    assert engine.loads == []


def test_what_a_broken_push_left_in_the_engine_goes(filled):
    engine = FakeEngine("containerd")
    engine.hold(A.entry, name=f"{ARRIVING}:0")
    filled.receive(B)
    load(engine, filled, B)
    assert passage_names(engine) == []


def test_a_blob_that_was_altered_on_its_way_is_asked_for_again(filled):
    filled.receive(A)
    first = A.entry["layers"][0]["digest"]
    filled.write(first, b"BASE")
    answer = load(FakeEngine(), filled, A)
    assert list(answer["lacking"]) == [first]
    assert answer["begun"] == {}


def test_a_blob_that_went_bad_in_the_spool_is_asked_for_again(filled):
    engine = FakeEngine()
    engine.fail_with = [LoadRefused("invalid diffID")]
    filled.receive(A)
    sizes = {layer["digest"]: layer["size"] for layer in A.entry["layers"]}
    with filled.spool.locked():
        filled.spool.accept(sizes)
    first = A.entry["layers"][0]["digest"]
    with open(filled.spool.path(first), "wb") as stream:
        stream.write(b"BASE")
    assert list(load(engine, filled, A)["lacking"]) == [first]


@needs_zstd
def test_a_blob_that_zstd_cannot_unpack_for_an_old_engine_is_asked_for_again(filled):
    image = make_image("r/n:1", [b"base" * 1000], "zstd")
    filled.receive(image)
    (layer,) = image.entry["layers"]
    with filled.spool.locked():
        filled.spool.accept({layer["digest"]: layer["size"]})
    with open(filled.spool.path(layer["digest"]), "r+b") as stream:
        stream.seek(layer["size"] - 6)
        stream.write(b"wrong")
    assert list(load(FakeEngine(major=20), filled, image)["lacking"]) == [layer["digest"]]


def test_an_image_of_other_content_than_the_bundle_says_is_refused(filled):
    engine = FakeEngine()
    filled.receive(A)
    filled.spool._documents[A.entry["config"]] = b'{"rootfs":{"diff_ids":["sha256:0","sha256:1"]}}'
    with pytest.raises(CognitiveError, match="the engine made other layers of it than the bundle says"):
        load(engine, filled, A)
    assert engine.names == {}


def test_the_record_forgets_images_that_are_gone(filled):
    with filled.spool.locked():
        filled.spool.remember({"sha256:gone": ["sha256:x"]})
    filled.receive(A)
    load(FakeEngine("containerd"), filled, A)
    assert list(filled.spool.pushed()) == [A.entry["manifest"]]


def test_the_survey_changes_nothing(tmp_path):
    spool = Spool(str(tmp_path / "spool"))
    answer = survey(FakeEngine(), spool, [A.entry, B.entry])
    assert sum(answer["lacking"].values()) == len(b"base") + len(b"one") + len(b"two")
    assert [image["to_load"] for image in answer["images"]] == [2, 1]
    assert not (tmp_path / "spool").exists()


def test_the_survey_counts_what_a_broken_push_left(filled):
    first, second = (layer["digest"] for layer in A.entry["layers"])
    filled.write(first, b"ba")
    filled.write(second, b"one")
    answer = survey(FakeEngine(), filled.spool, [A.entry])
    assert answer["begun"] == {first: 2, second: 3}
    assert answer["leftovers"]


def test_too_little_room_is_said_before_anything_is_sent(tmp_path):
    huge = make_image("r/h:1", [b"x"])
    huge.entry["layers"][0].update(size=1 << 45, raw_size=1 << 45)
    with pytest.raises(CognitiveError, match=r"spool and /: the push needs 96 TiB and .* are free; make room") as caught:
        survey(FakeEngine(), Spool(str(tmp_path / "spool")), [huge.entry])
    assert "\n" not in str(caught.value)


def test_a_missing_zstd_program_is_said_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(_push.shutil, "which", lambda name: None)
    image = make_image("r/a:1", [b"x"])
    image.entry["layers"][0]["media_type"] += "+zstd"
    with pytest.raises(CognitiveError, match="install the package zstd"):
        survey(FakeEngine(major=20), Spool(str(tmp_path / "spool")), [image.entry])


def test_documents_that_changed_on_the_way_are_refused(tmp_path):
    with pytest.raises(CognitiveError, match="was altered"):
        Spool(str(tmp_path)).learn({"sha256:" + "0" * 64: "aGVsbG8="})
