# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time

import pytest
from push_fakes import FilledSpool, digest_of, left_in

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, check_room, survey_room

CONTENT = b"content of a blob"
DIGEST = digest_of(CONTENT)


@pytest.fixture
def filled(tmp_path):
    return FilledSpool(Spool(str(tmp_path / "spool")))


def accept(filled):
    with filled.spool.locked():
        filled.spool.accept({DIGEST: len(CONTENT)})


def test_a_blob_that_is_whole_and_right_is_taken(filled):
    filled.write(DIGEST, CONTENT)
    accept(filled)
    assert filled.spool.lacking({DIGEST: len(CONTENT)}) == {}
    assert os.listdir(filled.incoming) == []


def test_a_part_stays_for_the_next_push(filled):
    filled.write(DIGEST, CONTENT[:5])
    accept(filled)
    assert filled.spool.begun({DIGEST: len(CONTENT)}) == {DIGEST: 5}
    assert filled.spool.lacking({DIGEST: len(CONTENT)}) == {DIGEST: len(CONTENT)}


def test_a_part_that_nobody_came_back_for_goes(filled):
    filled.write(DIGEST, CONTENT[:5])
    path = os.path.join(filled.incoming, DIGEST[7:])
    os.utime(path, (time.time() - 8 * 86400,) * 2)
    accept(filled)
    assert left_in(filled.spool) == []


def test_a_whole_blob_that_nobody_came_back_for_goes(filled):
    filled.write(DIGEST, CONTENT)
    accept(filled)
    filled.spool.accept({})
    assert left_in(filled.spool) == [DIGEST[7:]]
    os.utime(filled.spool.path(DIGEST), (time.time() - 8 * 86400,) * 2)
    accept(filled)
    assert left_in(filled.spool) == [DIGEST[7:]]
    filled.spool.accept({})
    assert left_in(filled.spool) == []


def test_content_that_is_not_what_its_name_says_goes(filled):
    filled.write(DIGEST, CONTENT.upper())
    accept(filled)
    assert left_in(filled.spool) == []


def test_what_is_longer_than_the_blob_is_not_a_part_of_it(filled):
    filled.write(DIGEST, CONTENT + b"x")
    assert filled.spool.begun({DIGEST: len(CONTENT)}) == {}


def test_a_link_in_the_way_is_not_followed(filled, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    os.symlink(secret, os.path.join(filled.incoming, DIGEST[7:]))
    accept(filled)
    assert secret.read_bytes() == CONTENT
    assert filled.spool.lacking({DIGEST: len(CONTENT)})


def test_only_one_push_at_a_time(filled):
    with filled.spool.locked(), pytest.raises(CognitiveError, match="another push to this host is at work"), Spool(filled.spool.root).locked(patience=0):
        pass
    with Spool(filled.spool.root).locked(patience=0):
        pass


def test_only_who_pushes_looks_into_the_spool(filled):
    with filled.spool.locked():
        assert os.stat(filled.spool.root).st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "null", '{"a": 7}'])
def test_a_record_that_cannot_be_read_costs_bytes_only(filled, content):
    with filled.spool.locked(), open(os.path.join(filled.spool.root, "pushed.json"), "w", encoding="utf-8") as stream:
        stream.write(content)
    assert filled.spool.pushed() == {}


def test_who_may_not_write_is_told_to_become(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CognitiveError, match="use become"), Spool(str(tmp_path / "file" / "spool")).locked():
        pass


def test_a_kept_blob_that_shrank_is_asked_for_again(filled):
    filled.write(DIGEST, CONTENT)
    accept(filled)
    os.truncate(filled.spool.path(DIGEST), 3)
    assert filled.spool.lacking({DIGEST: len(CONTENT)})


def test_needs_on_one_file_system_add_up(tmp_path):
    room = survey_room([(str(tmp_path), 1), (str(tmp_path / "not" / "there"), 2)])
    assert [(entry["paths"], entry["need"]) for entry in room] == [([str(tmp_path), str(tmp_path / "not" / "there")], 3)]
    free = room[0]["free"]
    with pytest.raises(CognitiveError, match="make room"):
        check_room([(str(tmp_path), free), (str(tmp_path), 1 << 40)], "the push")
