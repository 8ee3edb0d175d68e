# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Output directories of a host over time: which one is still the same, and which began anew.

The records that a service reports lie in its output directory. An emptied or replaced directory begins at
zero, and then old and new count; a directory that was moved or copied goes on, and then only the new one
does. The inode with its time of birth, the raw files that are still there, and the counters tell which.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.plugin_utils._counters import Reading, Remark, went_down

Identity = tuple[t.Any, ...]


@dataclass
class Directory:
    """One output directory from its birth to its end, and all that was reported from it."""

    path: str
    readings: list[Reading] = field(default_factory=list)
    seen: str = ""
    lost_files: bool = False


class Directories:
    """The output directories of one host, as its gathers saw them, oldest first."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.all: list[Directory] = []
        self.remarks: list[Remark] = []
        self._by_identity: dict[Identity, Directory] = {}
        self._by_path: dict[str, Directory] = {}

    def take(self, record: t.Mapping[str, t.Any], readings: t.Mapping[str, t.Sequence[Reading]]) -> None:
        """Add the C(readings) of one gather, by the mount that they come from."""
        mounts = sorted(record["mounts"], key=lambda mount: str(mount["id"]))
        here = {identity_of(mount) for mount in mounts}
        taken = {id(found) for identity in here if (found := self._by_identity.get(identity)) is not None}
        for mount in mounts:
            identity, path, new = identity_of(mount), mount["path"], readings.get(mount["id"], ())
            before = record.get("since_last", {}).get(mount["id"]) or {}
            emptied = bool(before.get("gone")) and not before.get("kept")
            directory = self._by_identity.get(identity)
            if directory is not None:
                if emptied and went_down(directory.readings, new):
                    directory = self._begin(path, directory, "was emptied", record["time"], new)
                elif emptied:
                    self._lost_files(path, directory, record["time"], new)
            else:
                former = self._by_path.get(path)
                if former is None or id(former) in taken:
                    directory = self._make(path)
                    if emptied and former is None:
                        self._unknown_before(path, record["time"], new)
                elif emptied or went_down(former.readings, new):
                    directory = self._begin(path, former, "was replaced by another", record["time"], new)
                else:
                    directory = former
                    self._went_on(path, former, record["time"], new)
            self._by_identity[identity] = self._by_path[path] = directory
            directory.path, directory.seen = path, record["time"]
            directory.readings += new

    def take_without_mount(self, output_dir: str, time: str, readings: t.Sequence[Reading]) -> None:
        """Add the C(readings) of a service whose output directory the host's half could not see."""
        directory = self._by_path.get(output_dir) or self._make(output_dir)
        self._by_path[output_dir] = directory
        directory.seen = time
        directory.readings += readings

    def _make(self, path: str) -> Directory:
        directory = Directory(path)
        self.all.append(directory)
        return directory

    def _begin(self, path: str, former: Directory, how: str, time: str, readings: t.Sequence[Reading]) -> Directory:
        text = (
            f"{_names(former, readings)} on {self.host}: the output directory {path} {how} between {former.seen} and {time}. "
            f"What both held is counted; what was used after {former.seen} and not gathered before is lost."
        )
        self.remarks.append(Remark("anomaly", "directory-replaced", text, {"path": path, "before": former.seen, "after": time}))
        return self._make(path)

    def _went_on(self, path: str, former: Directory, time: str, readings: t.Sequence[Reading]) -> None:
        text = (
            f"{_names(former, readings)} on {self.host}: the output directory {path} is another one since {former.seen}, but its numbers went on, "
            "so it is counted as a copy of the one before. If it began empty, usage of the one before is missing."
        )
        self.remarks.append(Remark("anomaly", "directory-copied", text, {"path": path, "before": former.seen, "after": time}))

    def _unknown_before(self, path: str, time: str, readings: t.Sequence[Reading]) -> None:
        services = ", ".join(sorted({reading.service for reading in readings})) or "a service"
        text = (
            f"{services} on {self.host}: raw files of the output directory {path} were gathered before and are gone since, and no record in the ledger "
            "tells what it held; its usage before that is missing."
        )
        self.remarks.append(Remark("anomaly", "record-missing", text, {"path": path, "after": time}))

    def _lost_files(self, path: str, former: Directory, time: str, readings: t.Sequence[Reading]) -> None:
        """Once: a service may well give its files new names every day."""
        if former.lost_files:
            return
        former.lost_files = True
        text = (
            f"{_names(former, readings)} on {self.host}: no raw file of {former.seen} is left in the output directory {path}, but no number went down, "
            "so the counters are taken to have gone on. If the directory was emptied, usage before that is missing."
        )
        self.remarks.append(Remark("anomaly", "files-gone", text, {"path": path, "before": former.seen, "after": time}))


def identity_of(mount: t.Mapping[str, t.Any]) -> Identity:
    """What makes a directory that one: an inode's number is given again, but not with the same time of birth."""
    born = mount.get("born")
    if born:
        return mount.get("inode"), born
    return mount.get("inode"), None, mount["path"]


def _names(former: Directory, readings: t.Sequence[Reading]) -> str:
    services = sorted({reading.service for reading in readings} or {reading.service for reading in former.readings})
    return ", ".join(services) or "A service"
