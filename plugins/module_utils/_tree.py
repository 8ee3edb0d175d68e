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

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, file_digest, free_room
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

Tree = t.Mapping[str, t.Any]


def reason_to_act(tree: Tree) -> str | None:
    """Why the directory C(dest) of C(tree) is not what the bundle holds, or None."""
    found = read_tree(tree["dest"])
    if found is None:
        return "it is missing"
    if {path: entry["digest"] for path, entry in found.items()} != _expected(tree):
        return "it holds other files"
    wrong = [path for path, entry in found.items() if entry["state"] != _state(tree, entry["digest"] is None)]
    return "its owner or modes differ" if wrong else None


def read_tree(root: str) -> dict[str, dict[str, t.Any]] | None:
    """By relative path, C(digest) (None for a directory, a link's is never right) and C(state) of all in C(root)."""
    if not os.path.isdir(root) or os.path.islink(root):
        return None
    found = {".": _look(root)}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = _look(path)
    return found


def _look(path: str) -> dict[str, t.Any]:
    status = os.lstat(path)
    kind = "link" if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)) else None
    digest = kind or (None if stat.S_ISDIR(status.st_mode) else file_digest(path))
    return {"digest": digest, "state": (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))}


def _expected(tree: Tree) -> dict[str, str | None]:
    expected: dict[str, str | None] = {".": None}
    for path in [*tree["directories"], *(os.path.dirname(file["path"]) for file in tree["files"])]:
        while path:
            expected[path] = None
            path = os.path.dirname(path)
    expected.update({file["path"]: file["digest"] for file in tree["files"]})
    return expected


def _state(tree: Tree, directory: bool) -> tuple[int, int, int]:
    return (int(tree["owner"]), int(tree["group"]), int(str(tree["directory_mode" if directory else "mode"]), 8))


def survey_trees(spool: Spool, trees: t.Sequence[Tree], login_user: int | None) -> dict[str, t.Any]:
    """What must be sent; without C(login_user) (check mode) nothing is made on the host."""
    reasons = {tree["dest"]: reason_to_act(tree) for tree in trees}
    todo = [tree for tree in trees if reasons[tree["dest"]]]
    wanted = {file["digest"]: file["size"] for tree in todo for file in tree["files"]}
    # A file that lies at the destination already is taken from there.
    there = {entry["digest"] for tree in todo for entry in (read_tree(tree["dest"]) or {}).values()}
    missing = {digest: size for digest, size in wanted.items() if digest not in there}
    incoming = None
    if todo and login_user is not None:
        incoming = spool.prepare(login_user)
        with spool.locked():
            spool.accept()
    lacking = spool.lacking(missing)
    need, free = 2 * sum(lacking.values()), free_room(spool.root)
    if need > free:
        raise CognitiveError(f"{spool.root}: the push needs {format_size(need)} and {format_size(free)} are free; make room, then run again.")
    return {"reasons": reasons, "lacking": lacking, "incoming": incoming}


def place_trees(spool: Spool, trees: t.Sequence[Tree]) -> None:
    """Put each tree in place that is not there as it should be."""
    placed: set[str] = set()
    with spool.locked():
        spool.accept()
        for tree in trees:
            if reason_to_act(tree):
                _place(spool, tree)
                placed.update(file["digest"] for file in tree["files"])
        spool.drop(placed)


def _place(spool: Spool, tree: Tree) -> None:
    """Build the tree beside its destination, then change places, so that no half of it is ever seen."""
    dest = tree["dest"]
    beside, old = dest + ".new", dest + ".old"
    there = {entry["digest"]: os.path.join(dest, path) for path, entry in (read_tree(dest) or {}).items() if entry["digest"] not in (None, "link")}
    try:
        for leftover in (beside, old):
            shutil.rmtree(leftover, ignore_errors=True)
        os.makedirs(os.path.dirname(dest), exist_ok=True)
        for path, digest in sorted(_expected(tree).items()):
            target = os.path.normpath(os.path.join(beside, path))
            if digest is None:
                os.mkdir(target)
            else:
                _copy(spool.path(digest) if os.path.isfile(spool.path(digest)) else there[digest], target)
        for path, digest in sorted(_expected(tree).items(), reverse=True):
            target = os.path.normpath(os.path.join(beside, path))
            user, group, mode = _state(tree, digest is None)
            os.chown(target, user, group)
            os.chmod(target, mode)
        if os.path.lexists(dest):
            os.replace(dest, old)
        os.replace(beside, dest)
    except KeyError as error:
        raise CognitiveError(f"{dest}: blob {error.args[0]} did not arrive; run again, what is here already is kept.") from error
    except OSError as error:
        raise CognitiveError(f"{dest}: {error.strerror}; see that root can write there.") from error
    if os.path.islink(old) or os.path.isfile(old):
        os.unlink(old)
    shutil.rmtree(old, ignore_errors=True)


def _copy(source: str, target: str) -> None:
    with open(source, "rb") as reader, open(target, "xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
