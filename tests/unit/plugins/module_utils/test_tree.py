# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import os
import shutil
import stat

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _tree
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool
from ansible_collections.airgap.cognitive.plugins.module_utils._tree import place_trees, reason_to_act, survey_trees

FILES = {"license.dat": b"opaque\x00", "deep/er/key": b"", "deep/same": b"opaque\x00", "ünïcode \n name": b"x"}


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture(name="tree")
def _tree_fixture(tmp_path):
    return {
        "dest": str(tmp_path / "root" / "one" / "license"),
        "owner": os.getuid(),
        "group": os.getgid(),
        "mode": "0440",
        "directory_mode": "0750",
        "directories": ["deep", "deep/er", "nothing"],
        "files": [{"path": path, "digest": digest(content), "size": len(content)} for path, content in FILES.items()],
    }


@pytest.fixture(name="spool")
def _spool(tmp_path):
    return Spool(str(tmp_path / "spool"))


def push(spool, *trees) -> set[bytes]:
    """What the controller does; the contents that it sent."""
    plan = survey_trees(spool, trees, os.getuid())
    contents = {digest(content): content for content in FILES.values()}
    for wanted in plan["lacking"]:
        with open(os.path.join(plan["incoming"], wanted[7:]), "wb") as stream:
            stream.write(contents[wanted])
    if any(plan["reasons"].values()):
        place_trees(spool, trees)
    return {contents[wanted] for wanted in plan["lacking"]}


def read(root: str) -> dict[str, bytes]:
    found = {}
    for directory, _directories, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as stream:
                found[os.path.relpath(path, root)] = stream.read()
    return found


def test_ladder(spool, tree):
    assert survey_trees(spool, [tree], None)["reasons"] == {tree["dest"]: "it is missing"}
    assert not os.path.exists(spool.root)
    assert push(spool, tree) == set(FILES.values())
    assert read(tree["dest"]) == FILES
    assert os.path.isdir(os.path.join(tree["dest"], "nothing"))
    assert stat.S_IMODE(os.stat(os.path.join(tree["dest"], "deep", "er")).st_mode) == 0o750
    assert stat.S_IMODE(os.stat(os.path.join(tree["dest"], "license.dat")).st_mode) == 0o440
    assert os.listdir(os.path.dirname(tree["dest"])) == ["license"]
    assert os.listdir(os.path.join(spool.root, "blobs")) == []
    assert reason_to_act(tree) is None
    before = os.stat(tree["dest"]).st_ino
    assert push(spool, tree) == set() and os.stat(tree["dest"]).st_ino == before


def alter(root):
    with open(os.path.join(root, "ünïcode \n name"), "wb") as stream:
        stream.write(b"y")


HARMS = {
    "altered": (alter, "it holds other files", {b"x"}),
    "foreign file": (lambda root: open(os.path.join(root, "deep", "foreign"), "w", encoding="utf-8").close(), "it holds other files", set()),
    "foreign directory": (lambda root: os.mkdir(os.path.join(root, "foreign")), "it holds other files", set()),
    "missing file": (lambda root: os.unlink(os.path.join(root, "ünïcode \n name")), "it holds other files", {b"x"}),
    "missing copy": (lambda root: os.unlink(os.path.join(root, "deep", "same")), "it holds other files", set()),
    "missing directory": (lambda root: os.rmdir(os.path.join(root, "nothing")), "it holds other files", set()),
    "link to the same": (lambda root: (os.unlink(os.path.join(root, "deep/same")), os.symlink("../license.dat", os.path.join(root, "deep/same"))), "it holds other files", set()),
    "fifo": (lambda root: os.mkfifo(os.path.join(root, "fifo")), "it holds other files", set()),
    "mode of a file": (lambda root: os.chmod(os.path.join(root, "license.dat"), 0o644), "its owner or modes differ", set()),
    "mode of a directory": (lambda root: os.chmod(root, 0o755), "its owner or modes differ", set()),
    "gone": (shutil.rmtree, "it is missing", set(FILES.values())),
}


@pytest.mark.parametrize("name", HARMS)
def test_what_is_not_as_in_the_bundle_is_replaced_whole(spool, tree, name):
    harm, reason, sent = HARMS[name]
    push(spool, tree)
    harm(tree["dest"])
    assert reason_to_act(tree) == reason
    assert push(spool, tree) == sent
    assert read(tree["dest"]) == FILES and reason_to_act(tree) is None
    assert os.listdir(os.path.dirname(tree["dest"])) == ["license"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_owner(spool, tree):
    push(spool, tree)
    assert push(spool, {**tree, "owner": 65532, "group": 65533}) == set()
    status = os.stat(os.path.join(tree["dest"], "deep", "same"))
    assert (status.st_uid, status.st_gid) == (65532, 65533)


def test_a_link_or_a_file_in_its_place_gives_way_and_what_it_led_to_stays(spool, tree, tmp_path):
    push(spool, tree)
    os.rename(tree["dest"], tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", tree["dest"])
    assert reason_to_act(tree) == "it is missing"
    push(spool, tree)
    assert not os.path.islink(tree["dest"]) and read(str(tmp_path / "elsewhere")) == FILES
    shutil.rmtree(tree["dest"])
    with open(tree["dest"], "w", encoding="utf-8") as stream:
        stream.write("a file")
    push(spool, tree)
    assert reason_to_act(tree) is None


def test_what_an_earlier_run_left_is_cleared_away(spool, tree):
    for leftover in (".new", ".old"):
        os.makedirs(tree["dest"] + leftover + "/half")
    push(spool, tree)
    assert os.listdir(os.path.dirname(tree["dest"])) == ["license"]


def test_one_that_breaks_off_leaves_what_was_there(spool, tree, monkeypatch):
    push(spool, tree)
    alter(tree["dest"])
    before = read(tree["dest"])
    monkeypatch.setattr(_tree.os, "chown", lambda *_arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr(Spool, "accept", lambda _self: None)
    plan = survey_trees(spool, [tree], None)
    for wanted in plan["lacking"]:
        with open(spool.path(wanted), "wb") as stream:
            stream.write(b"x")
    with pytest.raises(CognitiveError, match="license: No space left on device"):
        place_trees(spool, [tree])
    assert read(tree["dest"]) == before


def test_what_did_not_arrive_is_named(spool, tree):
    survey_trees(spool, [tree], os.getuid())
    with pytest.raises(CognitiveError, match="blob sha256:[0-9a-f]{64} did not arrive; run again"):
        place_trees(spool, [tree])
    assert not os.path.exists(tree["dest"])


def test_two_trees_that_share_files(spool, tree):
    other = {**tree, "dest": os.path.join(os.path.dirname(tree["dest"]), "models")}
    assert push(spool, tree, other) == set(FILES.values())
    assert read(tree["dest"]) == read(other["dest"]) == FILES


def test_too_little_room_is_said_before_anything_is_sent(spool, tree, monkeypatch):
    monkeypatch.setattr(_tree, "free_room", lambda path: 3)
    with pytest.raises(CognitiveError, match="the push needs 16 B and 3 B are free"):
        survey_trees(spool, [tree], None)
