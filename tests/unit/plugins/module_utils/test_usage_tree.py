# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import stat
import tarfile

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _usage_tree
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

HOSTILE = [b"new\nline", b"\xff\xfe", b"--help", b"%41", b"a b", b"\x1b[2J", b"con:aux?", "\u202etxt.exe".encode(), b"." * 3, b"x" * 255]


def names(listing):
    return [entry[0] for entry in listing.files]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_carried_in_plain_characters(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "wb") as handle:
        handle.write(b"one")
    (escaped,) = names(_usage_tree.list_tree(str(tmp_path), "s"))
    assert escaped.isascii() and escaped.isprintable() and not set(escaped) & set('"*:<>?\\|')
    assert _usage_tree.unescape(escaped) == name


@pytest.mark.parametrize("path", ["", "../x", "a/../b", "/etc/passwd", "a//b", "%2E%2E/x", "a%00b", "a/./b", "caf\u00e9", "a\nb", "%61"])
def test_what_is_no_path_below_a_mount_is_refused(path):
    with pytest.raises(CognitiveError, match="is not the path of a usage log"):
        _usage_tree.unescape(path)


def test_links_and_devices_are_named_and_not_followed(tmp_path):
    root = tmp_path / "out"
    (root / "noop" / "host").mkdir(parents=True)
    (root / "noop" / "host" / "log").write_text("hello")
    os.symlink("/etc/passwd", root / "secret")
    os.symlink("/etc", root / "etc")
    os.mkfifo(root / "pipe")
    listing = _usage_tree.list_tree(str(root), "noop")
    assert names(listing) == ["noop/host/log"]
    assert listing.skipped == [
        {"path": "etc", "reason": "a link"},
        {"path": "pipe", "reason": "not a regular file"},
        {"path": "secret", "reason": "a link"},
    ]


def test_a_tree_without_a_floor_has_one_here(tmp_path, monkeypatch):
    monkeypatch.setattr(_usage_tree, "MOST_DEPTH", 3)
    (tmp_path / "1/2/3/4").mkdir(parents=True)
    (tmp_path / "1/2/3/log").write_text("x")
    (tmp_path / "1/2/3/4/log").write_text("x")
    listing = _usage_tree.list_tree(str(tmp_path), "s")
    assert names(listing) == ["1/2/3/log"]
    assert listing.skipped == [{"path": "1/2/3/4", "reason": "deeper than 3 directories"}]


def test_a_mount_that_is_not_there_is_said(tmp_path):
    assert _usage_tree.list_tree(str(tmp_path / "no"), "s").skipped == [{"path": ".", "reason": "No such file or directory"}]


def unpack(archive):
    with tarfile.open(archive) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def test_files_are_packed_under_numbers_with_their_checksums(tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    (root / "a").write_bytes(b"alpha")
    (root / "new\nline").write_bytes(b"beta")
    archive = tmp_path / "x.tar.gz"
    packed = _usage_tree.pack(str(root), ["a", "new%0Aline", "gone"], str(archive))
    assert unpack(archive) == {"0": b"alpha", "1": b"beta"}
    assert [(entry["path"], entry["size"], entry["sha256"]) for entry in packed["packed"]] == [
        ("a", 5, hashlib.sha256(b"alpha").hexdigest()),
        ("new%0Aline", 4, hashlib.sha256(b"beta").hexdigest()),
    ]
    assert packed["skipped"] == []
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600


def test_a_link_that_appears_between_listing_and_packing_is_not_followed(tmp_path):
    root = tmp_path / "out"
    root.mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "log").write_text("secret")
    os.symlink(tmp_path / "secret", root / "directory")
    os.symlink(tmp_path / "secret" / "log", root / "log")
    os.mkfifo(root / "pipe")
    archive = tmp_path / "x.tar.gz"
    assert _usage_tree.pack(str(root), ["directory/log", "log", "pipe"], str(archive)) == {"packed": [], "skipped": []}
    assert unpack(archive) == {}


def test_a_log_that_grows_or_shrinks_while_it_is_read_is_cut_at_what_was_there(tmp_path, monkeypatch):
    root = tmp_path / "out"
    root.mkdir()
    (root / "grows").write_bytes(b"a" * 10)
    (root / "shrinks").write_bytes(b"b" * 10)
    real = os.fstat

    def fstat(handle):
        seen = real(handle)
        name = os.path.basename(os.readlink(f"/proc/self/fd/{handle}"))
        if name == "grows" and seen.st_size == 10:
            with open(root / "grows", "ab") as file:
                file.write(b"more")
        if name == "shrinks" and seen.st_size == 10:
            os.truncate(root / "shrinks", 4)
        return seen

    monkeypatch.setattr(_usage_tree.os, "fstat", fstat)
    archive = tmp_path / "x.tar.gz"
    grown, shrunk = _usage_tree.pack(str(root), ["grows", "shrinks"], str(archive))["packed"]
    assert (grown["size"], grown["sha256"]) == (10, hashlib.sha256(b"a" * 10).hexdigest())
    assert (shrunk["size"], shrunk["sha256"]) == (4, hashlib.sha256(b"bbbb").hexdigest())
    assert unpack(archive)["1"] == b"bbbb" + b"\0" * 6


def test_an_archive_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(CognitiveError, match="cannot be packed into /nowhere/x.tar.gz: No such file or directory"):
        _usage_tree.pack(str(tmp_path), [], "/nowhere/x.tar.gz")
