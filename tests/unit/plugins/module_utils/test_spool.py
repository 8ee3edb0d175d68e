# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import hashlib
import os
import stat

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, free_room

CONTENT = b"a blob\n"
NAME = hashlib.sha256(CONTENT).hexdigest()
WANTED = {f"sha256:{NAME}": len(CONTENT)}


@pytest.fixture(name="spool")
def _spool(tmp_path):
    spool = Spool(str(tmp_path / "spool"))
    spool.prepare(os.getuid())
    return spool


def incoming(spool, name, content=CONTENT):
    path = os.path.join(spool.prepare(os.getuid()), name)
    with open(path, "wb") as stream:
        stream.write(content)
    return path


def test_only_the_login_user_reaches_its_directory(spool):
    modes = {name: stat.S_IMODE(os.stat(os.path.join(spool.root, name)).st_mode) for name in (".", "blobs", "incoming")}
    assert modes == {".": 0o711, "blobs": 0o700, "incoming": 0o700}


def test_what_arrived_whole_is_kept_and_not_asked_for_again(spool):
    incoming(spool, NAME)
    assert spool.lacking(WANTED) == WANTED
    spool.accept()
    assert spool.lacking(WANTED) == {}
    with open(spool.path(f"sha256:{NAME}"), "rb") as stream:
        assert stream.read() == CONTENT
    spool.accept()
    assert spool.lacking(WANTED) == {}
    spool.drop(WANTED)
    spool.drop(WANTED)
    assert spool.lacking(WANTED) == WANTED


@pytest.mark.parametrize("content", [CONTENT[:-1], b"A blob\n", b""])
def test_what_arrived_otherwise_is_dropped(spool, content):
    path = incoming(spool, NAME, content)
    spool.accept()
    assert spool.lacking(WANTED) == WANTED and not os.path.lexists(path)


def test_a_kept_blob_that_shrank_is_asked_for_again(spool):
    incoming(spool, NAME)
    spool.accept()
    os.truncate(spool.path(f"sha256:{NAME}"), 3)
    assert spool.lacking(WANTED) == WANTED


def test_links_and_foreign_names_are_not_taken(spool, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    link = os.path.join(spool.prepare(os.getuid()), NAME)
    os.symlink(secret, link)
    foreign = incoming(spool, "notes.txt")
    spool.accept()
    assert spool.lacking(WANTED) == WANTED
    assert not os.path.lexists(link) and not os.path.exists(foreign)
    assert secret.read_bytes() == CONTENT


def test_a_second_push_is_refused_until_the_first_is_done(spool):
    with spool.locked(), pytest.raises(CognitiveError, match="another push to this host is at work"), Spool(spool.root).locked():
        pass
    with Spool(spool.root).locked():
        pass


def test_documents_are_checked(spool):
    text = base64.b64encode(CONTENT).decode()
    spool.learn({f"sha256:{NAME}": text})
    assert spool.document(f"sha256:{NAME}") == CONTENT
    with pytest.raises(CognitiveError, match="arrived altered"):
        spool.learn({"sha256:" + "0" * 64: text})


def test_the_record_forgets_images_that_are_gone(spool):
    assert spool.pushed() == {}
    spool.remember("sha256:one", ["a"], {"sha256:one"})
    spool.remember("sha256:two", ["b"], {"sha256:one", "sha256:two"})
    assert spool.pushed() == {"sha256:one": ["a"], "sha256:two": ["b"]}
    spool.remember("sha256:three", ["c"], {"sha256:two", "sha256:three"})
    assert set(spool.pushed()) == {"sha256:two", "sha256:three"}


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "null", '{"a": 7}'])
def test_a_record_that_cannot_be_read_is_as_none(spool, content):
    with open(os.path.join(spool.root, "pushed.json"), "w", encoding="utf-8") as stream:
        stream.write(content)
    assert spool.pushed() == {}


def test_room_is_asked_where_the_directory_will_be(tmp_path):
    assert free_room(str(tmp_path / "not" / "there")) > 0


def test_who_may_not_write_is_told_to_become(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CognitiveError, match="use become"):
        Spool(str(tmp_path / "file" / "spool")).prepare(os.getuid())
