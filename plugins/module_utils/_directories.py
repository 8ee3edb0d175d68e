# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The directories that services need on a host: owner, group and mode, made where they lack."""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError


@dataclass(frozen=True)
class Directory:
    """One directory as it should be; C(owner) is a user and a group ID."""

    path: str
    owner: int
    mode: int


def wanted_directories(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[Directory]:
    """The directories of C(services) (resolved), each once, parents first."""
    wanted = {}
    for service in services:
        # Only root may look for a service's directory in the one above; what lies in it is the container's.
        wanted[service["root"]] = Directory(service["root"], 0, 0o755)
        for key in ("output_dir", "shared_dir"):
            if service.get(key):
                wanted[service[key]] = Directory(service[key], int(service["owner"]), 0o750)
    return [wanted[path] for path in sorted(wanted)]


def apply_directories(wanted: t.Iterable[Directory], check_mode: bool) -> dict[str, t.Any]:
    """Make C(wanted) so; the result of the module. Nothing below a directory is touched."""
    acted = []
    before, after = {}, {}
    for directory in wanted:
        reason = reason_to_act(directory)
        if reason is None:
            continue
        acted.append({"path": directory.path, "reason": reason})
        before[directory.path] = _state(directory.path)
        after[directory.path] = _describe(directory.owner, directory.owner, directory.mode)
        if not check_mode:
            _make(directory)
    return {"changed": bool(acted), "directories": acted, "diff": {"before": before, "after": after}}


def reason_to_act(directory: Directory) -> str | None:
    """What is not as it should be, or None."""
    state = _state(directory.path)
    if state is None:
        return "it is missing"
    expected = _describe(directory.owner, directory.owner, directory.mode)
    return None if state == expected else f"it is {state} and should be {expected}"


def _state(path: str) -> str | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CognitiveError(f"{path}: {error.strerror}; see that it can be made here.") from error
    if not stat.S_ISDIR(found.st_mode):
        raise CognitiveError(f"{path}: a file is where a directory should be; move it away.")
    return _describe(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def _describe(user: int, group: int, mode: int) -> str:
    return f"{user}:{group} {mode:04o}"


def _make(directory: Directory) -> None:
    try:
        os.makedirs(directory.path, exist_ok=True)
        os.chown(directory.path, directory.owner, directory.owner)
        os.chmod(directory.path, directory.mode)
    except OSError as error:
        raise CognitiveError(f"{directory.path}: {error.strerror}; the directories of services are made by root, use become.") from error
