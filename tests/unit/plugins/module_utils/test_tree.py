# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat

import pytest
from push_fakes import FilledSpool, digest_of, left_in

from ansible_collections.airgap.cognitive.plugins.module_utils import _tree
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool
from ansible_collections.airgap.cognitive.plugins.module_utils._tree import place_trees, survey_trees

FILES = {"license.dat": b"opaque\x00", "deep/er/key": b"key", "deep/same": b"opaque\x00", "empty": b"", "ünïcode \n name": b"x"}
CONTENTS = sorted(set(FILES.values()))


@pytest.fixture
def filled(tmp_path):
    return FilledSpool(Spool(str(tmp_path / "spool")))


@pytest.fixture
def tree(tmp_path):
    return {
        "kind": "license",
        "family": "sentiment",
        "tag": "1",
        "dest": str(tmp_path / "one" / "license"),
        "owner": os.getuid(),
        "group": os.getgid(),
        "mode": "0440",
        "directory_mode": "0750",
        "directories": ["bare"],
        "files": [{"path": path, "digest": digest_of(content), "size": len(content)} for path, content in FILES.items()],
        "manifest": "sha256:0",
    }


def put(filled, tree, *contents):
    for content in contents or CONTENTS:
        filled.write(digest_of(content), content)
    return place_trees(filled.spool, [tree])


def reason(filled, tree):
    return survey_trees(filled.spool, [tree])["reasons"][tree["dest"]]


def found(dest):
    return {
        os.path.relpath(os.path.join(directory, name), dest): open(os.path.join(directory, name), "rb").read()
        for directory, _directories, names in os.walk(dest)
        for name in names
    }


def test_a_tree_is_put_in_place_whole(filled, tree):
    survey = survey_trees(filled.spool, [tree])
    assert survey["reasons"] == {tree["dest"]: "it is missing"}
    assert survey["lacking"] == {digest_of(content): len(content) for content in CONTENTS}
    assert not os.path.exists(tree["dest"])
    assert put(filled, tree) == {"placed": [tree["dest"]], "lacking": {}, "begun": {}}
    assert found(tree["dest"]) == FILES
    assert os.path.isdir(os.path.join(tree["dest"], "bare"))
    assert stat.S_IMODE(os.stat(os.path.join(tree["dest"], "deep/er/key")).st_mode) == 0o440
    assert stat.S_IMODE(os.stat(os.path.join(tree["dest"], "deep")).st_mode) == 0o750
    assert os.listdir(os.path.dirname(tree["dest"])) == ["license"]
    assert left_in(filled.spool) == []
    assert reason(filled, tree) is None
    assert place_trees(filled.spool, [tree])["placed"] == []


@pytest.mark.parametrize(
    "harm, expected, sent",
    [
        (lambda dest: open(os.path.join(dest, "foreign"), "w").close(), "it holds other files", []),
        (lambda dest: os.mkdir(os.path.join(dest, "foreign")), "it holds other files", []),
        (lambda dest: os.unlink(os.path.join(dest, "deep/er/key")), "it holds other files", [b"key"]),
        (lambda dest: os.unlink(os.path.join(dest, "deep/same")), "it holds other files", []),
        (lambda dest: os.replace(os.path.join(dest, "empty"), os.path.join(dest, "ünïcode \n name")), "it holds other files", [b"x"]),
        (lambda dest: os.rename(os.path.join(dest, "license.dat"), os.path.join(dest, "other")), "it holds other files", []),
        (lambda dest: os.rmdir(os.path.join(dest, "bare")), "it holds other files", []),
        (lambda dest: os.symlink("empty", os.path.join(dest, "link")), "it holds other files", []),
        (lambda dest: os.mkfifo(os.path.join(dest, "pipe")), "it holds other files", []),
        (lambda dest: os.chmod(os.path.join(dest, "empty"), 0o644), "its owner or modes differ", []),
        (lambda dest: os.chmod(dest, 0o755), "its owner or modes differ", []),
        (lambda dest: os.rename(dest, dest + "-away"), "it is missing", CONTENTS),
    ],
)
def test_a_tree_that_was_harmed_is_made_whole(filled, tree, harm, expected, sent):
    put(filled, tree)
    harm(tree["dest"])
    survey = survey_trees(filled.spool, [tree])
    assert survey["reasons"][tree["dest"]] == expected
    assert survey["lacking"] == {digest_of(content): len(content) for content in sent}
    put(filled, tree, *sent) if sent else place_trees(filled.spool, [tree])
    assert reason(filled, tree) is None


def test_a_link_at_the_destination_is_replaced_and_not_followed(filled, tree, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    os.makedirs(os.path.dirname(tree["dest"]))
    os.symlink(elsewhere, tree["dest"])
    put(filled, tree)
    assert not os.path.islink(tree["dest"])
    assert (elsewhere / "mine").read_text() == "mine"


def test_a_file_at_the_destination_is_replaced(filled, tree):
    os.makedirs(os.path.dirname(tree["dest"]))
    with open(tree["dest"], "w", encoding="utf-8") as stream:
        stream.write("a file")
    put(filled, tree)
    assert reason(filled, tree) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_owner(filled, tree):
    put(filled, tree)
    given = {**tree, "owner": 65532, "group": 65533}
    assert reason(filled, given) == "its owner or modes differ"
    place_trees(filled.spool, [given])
    status = os.stat(os.path.join(tree["dest"], "deep", "same"))
    assert (status.st_uid, status.st_gid) == (65532, 65533)


def test_one_that_breaks_off_leaves_what_was_there(filled, tree, monkeypatch):
    put(filled, tree)
    os.unlink(os.path.join(tree["dest"], "empty"))
    before = found(tree["dest"])
    monkeypatch.setattr(_tree.os, "chown", lambda *_arguments: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CognitiveError, match="license: No space left on device"):
        put(filled, tree, b"")
    assert found(tree["dest"]) == before


def test_too_little_room_is_said_before_anything_is_sent(filled, tree):
    tree["files"][0]["size"] = 1 << 45
    with pytest.raises(CognitiveError, match="the push needs 32 TiB and .* are free"):
        survey_trees(filled.spool, [tree])


def test_what_a_broken_run_left_beside_goes(filled, tree):
    beside = os.path.join(os.path.dirname(tree["dest"]), ".license.new")
    os.makedirs(os.path.join(beside, "half"))
    put(filled, tree)
    assert not os.path.exists(beside)


def test_the_old_tree_stays_when_a_file_did_not_arrive(filled, tree):
    put(filled, tree)
    newer = {**tree, "files": [*tree["files"], {"path": "new", "digest": digest_of(b"new"), "size": 3}]}
    filled.write(digest_of(b"new"), b"NEW")
    answer = place_trees(filled.spool, [newer])
    assert answer["placed"] == []
    assert list(answer["lacking"]) == [digest_of(b"new")]
    assert found(tree["dest"]) == FILES


def test_a_file_that_two_trees_share_is_sent_once(filled, tree):
    other = {**tree, "dest": tree["dest"].replace("one", "two")}
    survey = survey_trees(filled.spool, [tree, other])
    assert len(survey["lacking"]) == len(CONTENTS)
    for content in CONTENTS:
        filled.write(digest_of(content), content)
    assert len(place_trees(filled.spool, [tree, other])["placed"]) == 2


@pytest.mark.parametrize(
    "change, message",
    [
        ({"dest": "/"}, "/: a tree cannot be put"),
        ({"dest": "relative/license"}, "relative/license: a tree cannot be put"),
        ({"mode": "u=rw"}, "mode 'u=rw' is not a mode in octal"),
        ({"directory_mode": "0899"}, "directory_mode '0899' is not a mode in octal"),
    ],
)
def test_bad_input(filled, tree, change, message):
    with pytest.raises(CognitiveError, match=message):
        survey_trees(filled.spool, [{**tree, **change}])
