# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from push_fakes import FakeEngine, FilledSpool, left_in, make_image

from ansible_collections.airgap.cognitive.plugins.module_utils import _push
from ansible_collections.airgap.cognitive.plugins.module_utils._ladder import is_rung_of, make_rung, rung_counts
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import RUNG, plan_images
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images, survey
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

BASE = make_image("r/base:1", [b"base"])
IMAGE = make_image("r/image:1", [b"base", b"one", b"two", b"three"])
OTHER = make_image("r/other:1", [b"other", b"more"])
CONFIG = json.loads(IMAGE.blobs[IMAGE.entry["config"]])
STORES = pytest.mark.parametrize("store", ["classic", "containerd"])


@pytest.fixture
def filled(tmp_path):
    return FilledSpool(Spool(str(tmp_path / "spool")))


def climb(engine, filled, count):
    """Send and load what one rung lacks; how many layers that were."""
    rung, small = make_rung(IMAGE.entry, CONFIG, count)
    lacking = survey(engine, filled.spool, [rung])["lacking"]
    filled.receive(IMAGE, only=lacking)
    filled.spool.learn(small)
    assert load_images(engine, filled.spool, [rung], ())["lacking"] == {}
    return len(lacking)


@STORES
def test_each_rung_brings_one_layer_and_none_is_left_when_the_image_is_there(store, filled):
    engine = FakeEngine(store)
    counts = rung_counts(plan_images(engine, [IMAGE.entry]).images[0])
    assert counts == [1, 2, 3]
    assert [climb(engine, filled, count) for count in counts] == [1, 1, 1]
    lacking = survey(engine, filled.spool, [IMAGE.entry])["lacking"]
    assert list(lacking) == [IMAGE.entry["layers"][3]["digest"]]
    filled.receive(IMAGE, only=lacking)
    assert load_images(engine, filled.spool, [IMAGE.entry], ())["loaded"] == ["r/image:1"]
    assert list(engine.names) == ["r/image:1"]
    assert left_in(filled.spool) == []


def test_a_ladder_that_broke_off_goes_on_from_its_last_rung(filled):
    engine = FakeEngine()
    climb(engine, filled, 1)
    climb(engine, filled, 2)
    assert rung_counts(plan_images(engine, [IMAGE.entry]).images[0]) == [3]


def test_layers_that_the_engine_holds_need_no_rung():
    engine = FakeEngine()
    engine.hold(BASE.entry)
    assert rung_counts(plan_images(engine, [IMAGE.entry]).images[0]) == [2, 3]


def test_the_push_of_another_image_takes_forgotten_rungs_away(filled):
    engine = FakeEngine()
    climb(engine, filled, 1)
    filled.receive(OTHER)
    load_images(engine, filled.spool, [OTHER.entry], ())
    assert list(engine.names) == ["r/other:1"]


def test_rungs_are_known_by_their_image():
    rung, _small = make_rung(IMAGE.entry, CONFIG, 2)
    above, _small = make_rung(IMAGE.entry, CONFIG, 3)
    assert rung["name"].startswith(RUNG)
    assert is_rung_of(rung["name"], IMAGE.entry)
    assert is_rung_of(rung["name"], above)
    assert not is_rung_of(rung["name"], OTHER.entry)


@pytest.mark.parametrize("ladder, free, expected", [("auto", 10**9, []), ("auto", 40, [1, 2, 3]), ("always", 10**9, [1, 2, 3])])
def test_the_way_is_chosen_by_the_room(monkeypatch, filled, ladder, free, expected):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free}))
    found = survey(FakeEngine(), filled.spool, [IMAGE.entry], ladder)
    assert found["ladder"].get("r/image:1", []) == expected


@pytest.mark.parametrize("ladder, free", [("never", 40), ("auto", 20)])
def test_too_little_room_even_so_is_an_error(monkeypatch, filled, ladder, free):
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": free}))
    with pytest.raises(_push.CognitiveError, match="make room"):
        survey(FakeEngine(), filled.spool, [IMAGE.entry], ladder)
