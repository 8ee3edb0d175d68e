# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The raw usage logs of a host on the controller.

    <ledger>/<host>/logs/<service>/index.json   path, size, time and checksum of each file as last gathered
    <ledger>/<host>/logs/<service>/files/…      the files
    <ledger>/<host>/logs/<service>/earlier/…    what a file held before it became something else than a longer one

The format of the files is not known, and so none is ever merged, cut or thrown away.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tarfile
import tempfile
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import (
    CognitiveError,
)
from ansible_collections.airgap.cognitive.plugins.module_utils._usage_tree import (
    unescape,
)
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import (
    canonical,
    directory_name,
    make_directory,
    write_whole,
)

BLOCK = 1 << 20
# Uncompressed bytes that cross in one archive: what a host needs in its temporary directory, and what a break costs.
BATCH = 256 << 20
# Most filesystems end at 255 bytes; escaped names may be three times as long as they were.
_MOST_NAME = 200
# Some formats are a file for each record.
_MOST_IN_BATCH = 10_000

Index = dict[str, dict[str, t.Any]]


class LogStore:
    """The logs of one output mount of one host."""

    def __init__(self, host_path: str, store: str) -> None:
        self.path = os.path.join(host_path, "logs", directory_name(store))
        self.index: Index = self._read_index()

    def _read_index(self) -> Index:
        try:
            with open(os.path.join(self.path, "index.json"), encoding="ascii") as handle:
                index = json.load(handle)
            for path, entry in index.items():
                unescape(path)
                int(entry["size"]), int(entry["modified"]), str(entry["sha256"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, KeyError, TypeError, CognitiveError):
            # Then everything crosses again, and nothing that is there is lost.
            return {}
        return index

    def file(self, path: str) -> str:
        """Where the file C(path) (escaped) is kept."""
        return os.path.join(self.path, "files", *[_shorten(part) for part in path.split("/")])

    def wanted(self, files: t.Sequence[t.Sequence[t.Any]]) -> list[tuple[str, int]]:
        """Of a host's C(files), those that are new, have grown or changed, or were lost here; with their sizes."""
        for entry in files:
            unescape(entry[0])
        return [(path, size) for path, size, modified in files if self._reason_to_fetch(path, size, modified)]

    def _reason_to_fetch(self, path: str, size: int, modified: int) -> str | None:
        known = self.index.get(path)
        if known is None:
            return "new"
        if known["size"] != size or known["modified"] != modified:
            return "changed"
        try:
            return None if os.path.getsize(self.file(path)) == size else "damaged here"
        except OSError:
            return "lost here"

    def compare(self, files: t.Sequence[t.Sequence[t.Any]]) -> tuple[int, int]:
        """How many of the files that were there at the last gather are still there, and how many are gone."""
        there = {entry[0] for entry in files}
        kept = sum(1 for path, entry in self.index.items() if path in there)
        return kept, sum(1 for path, entry in self.index.items() if path not in there and not entry.get("gone"))

    def take(self, archive: str, packed: t.Sequence[t.Mapping[str, t.Any]]) -> None:
        """Put the files of an archive that the host packed in place, each checked; then remember them."""
        make_directory(self.path)
        try:
            with tarfile.open(archive, mode="r|gz") as tar:
                for number, entry in enumerate(packed):
                    member = tar.next()
                    if member is None or member.name != str(number) or not member.isreg():
                        raise CognitiveError(f"The archive of usage logs for {self.path} came broken; run the gather again.")
                    content = t.cast(t.IO[bytes], tar.extractfile(member))
                    self._place(content, entry)
                    self.index[entry["path"]] = {key: entry[key] for key in ("size", "modified", "sha256")}
        except (tarfile.TarError, EOFError) as error:
            raise CognitiveError(f"The archive of usage logs for {self.path} came broken ({error}); run the gather again.") from error
        except OSError as error:
            raise CognitiveError(f"The usage logs cannot be kept in {self.path}: {error.strerror or error}.") from error
        self.save()

    def mark_gone(self, files: t.Sequence[t.Sequence[t.Any]]) -> bool:
        """Remember which files the host no longer has (they stay here); whether that is news."""
        there = {entry[0] for entry in files}
        news = False
        for path, entry in self.index.items():
            if (path not in there) != bool(entry.get("gone")):
                news = True
                if path in there:
                    del entry["gone"]
                else:
                    entry["gone"] = True
        return news

    def save(self) -> None:
        """Write the index."""
        write_whole(os.path.join(self.path, "index.json"), canonical(self.index))

    def digest(self) -> str:
        """One checksum for all that the host held at the last gather."""
        held = sorted((path, entry["size"], entry["sha256"]) for path, entry in self.index.items() if not entry.get("gone"))
        return hashlib.sha256(canonical(held)).hexdigest()

    def _place(self, content: t.IO[bytes], entry: t.Mapping[str, t.Any]) -> None:
        """Write one file beside its place, check it, keep the earlier one where this is not a longer one, rename."""
        unescape(entry["path"])
        target = self.file(entry["path"])
        self._clear_way(target, entry["path"])
        known = self.index.get(entry["path"])
        former = known["size"] if known and os.path.isfile(target) else 0
        whole, beginning = hashlib.sha256(), hashlib.sha256()
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o644)
                done = 0
                while done < entry["size"]:
                    block = content.read(min(BLOCK, entry["size"] - done))
                    if not block:
                        break
                    beginning.update(block[: max(former - done, 0)])
                    whole.update(block)
                    file.write(block)
                    done += len(block)
                file.flush()
                os.fsync(handle)
            if done != entry["size"] or whole.hexdigest() != entry["sha256"]:
                raise CognitiveError(f"The usage log {entry['path']} did not arrive as it was sent; run the gather again.")
            if known and former and (done < former or beginning.hexdigest() != known["sha256"]):
                self._keep_earlier(target, entry["path"], known["sha256"])
            os.rename(temporary, target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _clear_way(self, target: str, path: str) -> None:
        """Make the directory of C(target); a file that became a directory over there, or the reverse, goes to C(earlier)."""
        parts = path.split("/")
        for end in range(1, len(parts)):
            above = "/".join(parts[:end])
            if os.path.isfile(self.file(above)):
                self._keep_earlier(self.file(above), above, self.index.get(above, {}).get("sha256", "unknown"))
        if os.path.isdir(target):
            inside = sorted((name, entry["sha256"]) for name, entry in self.index.items() if name.startswith(path + "/"))
            self._keep_earlier(target, path, hashlib.sha256(canonical(inside)).hexdigest())
        make_directory(os.path.dirname(target))

    def _keep_earlier(self, target: str, path: str, digest: str) -> None:
        # Flat: what is a file in one name may be a directory in another.
        earlier = os.path.join(self.path, "earlier", f"{_shorten(path.replace('/', '%2F'))}.{digest[:16]}")
        make_directory(os.path.dirname(earlier))
        os.rename(target, earlier)


def _shorten(name: str) -> str:
    """A part of an escaped path as a file name, which has an end."""
    if len(name) <= _MOST_NAME:
        return name
    return name[: _MOST_NAME - 17] + "~" + hashlib.sha256(name.encode("ascii")).hexdigest()[:16]


def batches(files: t.Sequence[tuple[str, int]], limit: int = BATCH) -> t.Iterator[list[str]]:
    """C(files) in portions of at most C(limit) bytes and a number of names that an argument has room for; one that is larger goes alone."""
    batch: list[str] = []
    size = 0
    for path, length in files:
        if batch and (size + length > limit or len(batch) >= _MOST_IN_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch
