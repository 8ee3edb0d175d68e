# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The host's half of a push of license and model trees: opaque directories, put in place whole."""

from __future__ import annotations

import os
import shutil
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, check_room, file_digest

Tree = t.Mapping[str, t.Any]

_DIRECTORY = "directory"
# A link, a device, a socket: never part of a tree.
_FOREIGN = "foreign"


@dataclass(frozen=True)
class Entry:
    """One thing in a directory: a digest or what else it is, and owner, group and mode."""

    content: str
    state: tuple[int, int, int]


Entries = dict[str, Entry]


def reason_to_act(tree: Tree, found: Entries | None) -> str | None:
    """Why the directory C(dest) of C(tree), in which C(found) was found, is not what the bundle holds, or None."""
    if found is None:
        return "it is missing"
    if {path: entry.content for path, entry in found.items()} != _expected(tree):
        return "it holds other files"
    wrong = any(entry.state != _state(tree, entry.content) for entry in found.values())
    return "its owner or modes differ" if wrong else None


def read_tree(root: str) -> Entries | None:
    """By relative path, what lies in the directory C(root); None where no directory is."""
    if not os.path.isdir(root) or os.path.islink(root):
        return None
    found = {".": _look(root)}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = _look(path)
    return found


def _look(path: str) -> Entry:
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        content = _DIRECTORY
    else:
        content = file_digest(path) if stat.S_ISREG(status.st_mode) else _FOREIGN
    return Entry(content, (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)))


def _expected(tree: Tree) -> dict[str, str]:
    expected = {".": _DIRECTORY}
    for path in [*tree["directories"], *(os.path.dirname(file["path"]) for file in tree["files"])]:
        while path:
            expected[path] = _DIRECTORY
            path = os.path.dirname(path)
    expected.update({file["path"]: file["digest"] for file in tree["files"]})
    return expected


def _state(tree: Tree, content: str) -> tuple[int, int, int]:
    key = "directory_mode" if content == _DIRECTORY else "mode"
    try:
        mode = int(str(tree[key]), 8)
    except ValueError as error:
        raise CognitiveError(f"{tree['dest']}: {key} {tree[key]!r} is not a mode in octal; write it as a text, for example '0440'.") from error
    return (int(tree["owner"]), int(tree["group"]), mode)


def survey_trees(spool: Spool, trees: t.Sequence[Tree]) -> dict[str, t.Any]:
    """What must be sent and put in place; nothing is made or changed on the host."""
    reasons: dict[str, str | None] = {}
    missing: dict[str, int] = {}
    needs = []
    for tree in trees:
        check_input(tree)
        found = read_tree(tree["dest"])
        reasons[tree["dest"]] = reason_to_act(tree, found)
        if reasons[tree["dest"]] is None:
            continue
        # A file that lies at the destination already is taken from there.
        there = {entry.content for entry in (found or {}).values()}
        missing.update({file["digest"]: file["size"] for file in tree["files"] if file["digest"] not in there})
        # The old tree goes only when the new one is whole beside it.
        needs.append((os.path.dirname(tree["dest"]), sum(file["size"] for file in tree["files"])))
    lacking = spool.lacking(missing)
    needs.append((spool.root, sum(lacking.values())))
    check_room([need for need in needs if need[1]], "the push")
    return {
        "reasons": reasons,
        "lacking": lacking,
        "begun": spool.begun(lacking),
        "leftovers": spool.leftovers(file["digest"] for tree in trees for file in tree["files"]),
    }


def check_input(tree: Tree) -> None:
    """Refuse what is no place for a tree, or no mode."""
    dest = str(tree["dest"])
    if not os.path.isabs(dest) or os.path.normpath(dest) in ("/", "//"):
        raise CognitiveError(f"{dest}: a tree cannot be put in the place of this; write an absolute path, for example /var/lib/cognitive/NAME/license.")
    for content in (_DIRECTORY, ""):
        _state(tree, content)


def place_trees(spool: Spool, trees: t.Sequence[Tree]) -> dict[str, t.Any]:
    """Put each tree in place that is not there as it should be; C(lacking) are files that must be sent again."""
    sizes = {file["digest"]: file["size"] for tree in trees for file in tree["files"]}
    placed: list[str] = []
    with spool.locked():
        spool.accept(sizes)
        for tree in trees:
            found = read_tree(tree["dest"])
            if reason_to_act(tree, found) is None:
                continue
            there = {entry.content: os.path.join(tree["dest"], path) for path, entry in (found or {}).items()}
            lacking = spool.lacking({file["digest"]: file["size"] for file in tree["files"] if file["digest"] not in there})
            if lacking:
                return {"placed": placed, "lacking": lacking, "begun": spool.begun(lacking)}
            _place(spool, tree, there)
            placed.append(tree["dest"])
        spool.drop(sizes)
    return {"placed": placed, "lacking": {}, "begun": {}}


def _place(spool: Spool, tree: Tree, there: t.Mapping[str, str]) -> None:
    """Build the tree beside its destination, then change places, so that no half of it is ever seen."""
    dest = tree["dest"]
    beside, old = (os.path.join(os.path.dirname(dest), f".{os.path.basename(dest)}.{kind}") for kind in ("new", "old"))
    expected = sorted(_expected(tree).items())
    try:
        for leftover in (beside, old):
            _remove(leftover)
        os.makedirs(os.path.dirname(dest), exist_ok=True)
        for path, content in expected:
            target = os.path.normpath(os.path.join(beside, path))
            if content == _DIRECTORY:
                os.mkdir(target, 0o700)
            else:
                _copy(there[content] if content in there else spool.path(content), target)
        # From the leaves up: a directory that may not be written to would refuse what belongs in it.
        for path, content in reversed(expected):
            target = os.path.normpath(os.path.join(beside, path))
            user, group, mode = _state(tree, content)
            os.chown(target, user, group)
            os.chmod(target, mode)
        if os.path.lexists(dest):
            os.rename(dest, old)
        os.rename(beside, dest)
    except OSError as error:
        raise CognitiveError(f"{dest}: {error.strerror}; see that root can write there.") from error
    _remove(old)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
