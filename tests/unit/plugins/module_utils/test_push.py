# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from push_fakes import FakeEngine, Sample

from ansible_collections.airgap.cognitive.plugins.module_utils import _push
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images, survey
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

BASE = b"base" * 999
FIRST = Sample("test/one:1", BASE, b"one" * 99)
SECOND = Sample("test/one:2", BASE, b"two" * 99)


@pytest.fixture(name="spool")
def _spool(tmp_path):
    return Spool(str(tmp_path / "spool"))


@pytest.fixture(name="engine", params=["classic", "containerd"])
def _engine(request):
    return FakeEngine(request.param)


def send(spool, sample, lacking) -> None:
    incoming = spool.prepare(os.getuid())
    for digest in lacking:
        with open(os.path.join(incoming, digest[7:]), "wb") as stream:
            stream.write(sample.blobs[digest])


def push(engine, spool, sample) -> dict:
    """What the controller does; the digests that it sent."""
    answer = survey(engine, spool, [sample.image], os.getuid())
    spool.learn(sample.as_call())
    sent = dict(answer["lacking"])
    send(spool, sample, sent)
    result = load_images(engine, spool, [sample.image])
    if result["lacking"]:
        sent.update(result["lacking"])
        send(spool, sample, result["lacking"])
        result = load_images(engine, spool, [sample.image])
    assert not result["lacking"]
    return sent


def blobs_of(spool) -> list[str]:
    return os.listdir(os.path.join(spool.root, "blobs"))


def test_a_check_makes_nothing_on_the_host(engine, spool):
    answer = survey(engine, spool, [FIRST.image], None)
    assert answer["images"][0]["to_load"] == 2 and len(answer["lacking"]) == 2 and answer["incoming"] is None
    assert not os.path.exists(spool.root)


def test_ladder(engine, spool):
    assert len(push(engine, spool, FIRST)) == 2
    assert engine.image("test/one:1").diff_ids == tuple(entry["diff_id"] for entry in FIRST.layers)
    assert blobs_of(spool) == []
    assert push(engine, spool, FIRST) == {}
    assert len(engine.members) == 1
    assert set(push(engine, spool, SECOND)) == {SECOND.layers[1]["digest"]}


def test_an_engine_that_does_not_know_zstd_gets_plain_layers(engine, spool):
    engine.major = 20
    push(engine, spool, FIRST)
    assert engine.image("test/one:1") is not None


def test_what_is_here_after_a_break_is_not_sent_again(engine, spool):
    survey(engine, spool, [FIRST.image], os.getuid())
    send(spool, FIRST, [FIRST.layers[0]["digest"]])
    assert set(push(engine, spool, FIRST)) == {FIRST.layers[1]["digest"]}


def test_a_difference_that_does_not_take_is_followed_by_all_layers(engine, spool):
    push(engine, spool, FIRST)
    engine.trouble = ["lstat: no such file or directory"]
    assert set(push(engine, spool, SECOND)) == set(SECOND.blobs)
    assert engine.image("test/one:2") is not None


def test_blobs_that_were_collected_are_sent_after_all(spool):
    engine = FakeEngine("containerd")
    push(engine, spool, FIRST)
    engine.blobs.clear()
    assert set(push(engine, spool, SECOND)) == set(SECOND.blobs)


def test_a_push_that_fails_leaves_the_earlier_image_of_the_name(engine, spool):
    before = Sample("test/one:1", b"before")
    push(engine, spool, before)
    engine.trouble = ["no space left on device"]
    with pytest.raises(CognitiveError, match="Image test/one:1: no space left on device"):
        push(engine, spool, FIRST)
    assert engine.image("test/one:1").diff_ids == (before.layers[0]["diff_id"],)
    push(engine, spool, FIRST)
    assert len(engine.image("test/one:1").diff_ids) == 2


def test_an_image_that_came_out_otherwise_is_taken_away(engine, spool, monkeypatch):
    monkeypatch.setattr(engine, "load", lambda archive: (list(archive), engine.hold(SECOND.image, "test/one:1")))
    with pytest.raises(CognitiveError, match="the engine holds other layers under this name"):
        push(engine, spool, FIRST)
    assert engine.image("test/one:1") is None


def test_an_engine_that_loaded_nothing_is_found_out(engine, spool, monkeypatch):
    monkeypatch.setattr(engine, "load", list)
    with pytest.raises(CognitiveError, match="does not hold it although it said that it loaded it"):
        push(engine, spool, FIRST)


def test_only_the_name_lacks(engine, spool):
    push(engine, spool, FIRST)
    engine.tag(engine.names["test/one:1"], "test/kept:1")
    engine.remove_image("test/one:1")
    assert push(engine, spool, FIRST) == {}
    assert engine.image("test/one:1") is not None and len(engine.members) == 1


def test_too_little_room_is_said_before_anything_is_sent(engine, spool, monkeypatch):
    monkeypatch.setattr(_push, "free_room", lambda path: 10)
    with pytest.raises(CognitiveError, match=r"^/: the push needs .* and 10 B are free; make room"):
        survey(engine, spool, [FIRST.image], os.getuid())
    assert not os.path.exists(spool.root)


def test_several_images_at_once(engine, spool):
    images = [FIRST.image, SECOND.image]
    answer = survey(engine, spool, images, os.getuid())
    for sample in (FIRST, SECOND):
        spool.learn(sample.as_call())
        send(spool, sample, [digest for digest in answer["lacking"] if digest in sample.blobs])
    result = load_images(engine, spool, images)
    assert [entry["to_load"] for entry in result["loaded"]] == [2, 1]
    assert blobs_of(spool) == []
