# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _usage_tree
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._logs import LogStore, batches


class Mount:
    """An output directory, and the store that its files go to."""

    def __init__(self, tmp_path):
        self.root = tmp_path / "out"
        self.root.mkdir()
        self.host = str(tmp_path / "ledger" / "edge1")
        self.archive = str(tmp_path / "logs.tar.gz")

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def gather(self, spoil=None):
        store = LogStore(self.host, "noop")
        files = _usage_tree.list_tree(str(self.root), "noop").files
        wanted = [path for path, _size in store.wanted(files)]
        if wanted:
            packed = _usage_tree.pack(str(self.root), wanted, self.archive)["packed"]
            if spoil:
                spoil(packed)
            try:
                store.take(self.archive, packed)
            finally:
                os.unlink(self.archive)
        return wanted, store

    def kept(self):
        base = os.path.join(self.host, "logs", "noop")
        found = {}
        for directory, _below, names in os.walk(base):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as handle:
                    found[os.path.relpath(path, base)] = handle.read()
        found.pop("index.json", None)
        return found


@pytest.fixture
def mount(tmp_path):
    return Mount(tmp_path)


def test_only_what_is_new_or_grown_crosses(mount):
    mount.write("noop/1/log", b"one")
    mount.write("noop/2/log", b"two")
    assert mount.gather()[0] == ["noop/1/log", "noop/2/log"]
    assert mount.gather()[0] == []
    mount.write("noop/2/log", b"two and more")
    assert mount.gather()[0] == ["noop/2/log"]
    assert mount.kept() == {"files/noop/1/log": b"one", "files/noop/2/log": b"two and more"}


def test_what_became_something_else_is_kept_beside(mount):
    mount.write("log", b"first content")
    mount.gather()
    mount.write("log", b"another")
    mount.gather()
    kept = mount.kept()
    assert kept.pop("files/log") == b"another"
    ((name, content),) = kept.items()
    assert name.startswith("earlier/log.") and content == b"first content"


def test_a_file_becomes_a_directory_and_a_file_again(mount):
    mount.write("x", b"file")
    mount.gather()
    (mount.root / "x").unlink()
    mount.write("x/y", b"below")
    mount.gather()
    (mount.root / "x/y").unlink()
    (mount.root / "x").rmdir()
    mount.write("x", b"file again")
    mount.gather()
    kept = mount.kept()
    assert kept["files/x"] == b"file again"
    assert sorted(content for name, content in kept.items() if name.startswith("earlier/")) == [b"below", b"file"]


def test_what_was_lost_here_crosses_again(mount):
    mount.write("log", b"one")
    _wanted, store = mount.gather()
    os.unlink(store.file("log"))
    assert mount.gather()[0] == ["log"]
    with open(os.path.join(store.path, "index.json"), "w", encoding="ascii") as handle:
        handle.write("{cut")
    assert mount.gather()[0] == ["log"]
    assert mount.kept() == {"files/log": b"one"}


def test_what_is_gone_over_there_stays_here_and_is_counted_as_gone_once(mount):
    mount.write("a", b"one")
    mount.write("b", b"two")
    _wanted, store = mount.gather()
    whole = store.digest()
    (mount.root / "a").unlink()
    files = _usage_tree.list_tree(str(mount.root), "noop").files
    assert store.compare(files) == (1, 1)
    assert store.mark_gone(files)
    store.save()
    again = LogStore(mount.host, "noop")
    assert again.compare(files) == (1, 0)
    assert again.digest() != whole
    assert mount.kept() == {"files/a": b"one", "files/b": b"two"}


def test_very_long_and_hostile_names_find_a_place(mount):
    long = os.fsencode(mount.root) + b"/" + b"\xff" * 255
    with open(long, "wb") as handle:
        handle.write(b"long")
    mount.write("..%2f..%2fetc", b"dots")
    mount.gather()
    assert mount.gather()[0] == []
    assert sorted(mount.kept().values()) == [b"dots", b"long"]
    assert all(len(name) <= 255 for path in mount.kept() for name in path.split("/"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda packed: packed[0].update(sha256="0" * 64), "did not arrive as it was sent"),
        (lambda packed: packed.append(packed[0]), "came broken"),
        (lambda packed: packed[0].update(path="../../../escape"), "is not the path of a usage log"),
    ],
)
def test_what_arrives_broken_is_refused_and_the_former_file_stays(mount, spoil, message):
    mount.write("log", b"one")
    mount.gather()
    mount.write("log", b"one more")
    with pytest.raises(CognitiveError, match=message):
        mount.gather(spoil)
    assert set(mount.kept()) == {"files/log"}
    assert mount.gather()[0] in (["log"], [])
    assert mount.kept() == {"files/log": b"one more"}


def test_a_host_that_lists_paths_outside_is_refused(mount):
    with pytest.raises(CognitiveError, match="is not the path of a usage log"):
        LogStore(mount.host, "noop").wanted([["../../index.json", 1, 1]])


def test_portions():
    assert list(batches([("a", 5), ("b", 5), ("c", 1), ("d", 20), ("e", 1)], 10)) == [["a", "b"], ["c"], ["d"], ["e"]]
    assert list(batches([])) == []
