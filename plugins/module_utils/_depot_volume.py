# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Taking a volume into a depot: all of it is proved before any of it enters.

Of a blob that is cut, the ranges wait in one file below C(incoming), with a note beside it of which are there, so that nothing is copied
twice when the last one has come.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import BUNDLES, INCOMING, Depot
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import Range
from ansible_collections.airgap.cognitive.plugins.module_utils._volume_reader import VolumeReader

Span = tuple[int, int]


class VolumeSource:
    """The volume that C(reader) reads."""

    def __init__(self, reader: VolumeReader, depot: Depot) -> None:
        self._reader = reader
        self._depot = depot
        self.bundle = reader.bundle

    def needed(self) -> dict[str, int]:
        """Length of every blob and every part of one that is here and that the depot lacks."""
        return {f"{found.path} {found.offset}": found.length for found in self._reader.blobs if not self._has(found)}

    def _has(self, found: Range) -> bool:
        return self._depot.size_of(str(found.checksum)) == found.of or not found.whole and Parts(self._depot, found).covers(found)

    def take(self, _faults: list[str]) -> int:
        """Take in what is needed; raises where anything is bad, and then nothing enters."""
        if not self.needed():
            self._depot.keep(self.bundle)
            return 0
        staged: list[str] = []
        parts: list[tuple[Parts, Range]] = []
        try:
            for found in self._reader.ranges():
                if self._has(found):
                    continue
                if found.whole:
                    staged.append(str(found.checksum))
                    self._write(str(found.checksum), self._reader.content(found))
                else:
                    parts.append((Parts(self._depot, found), found))
                    parts[-1][0].write(found, self._reader.content(found))
        except CognitiveError:
            for checksum in staged:
                os.unlink(os.path.join(self._depot.work, checksum))
            raise
        self._depot.keep(self.bundle)
        for checksum in staged:
            self._depot.move_in(os.path.join(self._depot.work, checksum), checksum)
        for part, found in parts:
            part.enter(found)
        self._depot.sync_blobs()
        self._keep_volume()
        return sum(os.path.getsize(self._depot.blob_path(checksum)) for checksum in staged) + sum(found.length for _part, found in parts)

    def _write(self, checksum: str, blocks: t.Iterable[bytes]) -> None:
        with open(os.path.join(self._depot.work, checksum), "wb") as target:
            for block in blocks:
                target.write(block)
            target.flush()
            os.fsync(target.fileno())

    def _keep_volume(self) -> None:
        """Remember which volumes came, so that those that did not can be named."""
        volume = self._reader.volume
        name = os.path.join(BUNDLES, volume.bundle, f"volume-{volume.number}-of-{volume.count}.json")
        self._depot.put(name + ".sig", self._reader.signature)
        self._depot.put(name, self._reader.document)


class Parts:
    """The blob that C(found) is a part of, as far as it came."""

    def __init__(self, depot: Depot, found: Range) -> None:
        self._depot = depot
        self._checksum = str(found.checksum)
        self._size = found.of
        self._file = os.path.join(depot.path, INCOMING, self._checksum)
        self._note = self._file + ".json"
        self._spans = self._read()

    def _read(self) -> list[Span]:
        """From where to where the blob is there; nothing, where that cannot be said."""
        try:
            note = json.loads(_bundle.read_document(self._note))
            spans = [(int(start), int(end)) for start, end in note["spans"]]
            return spans if note["size"] == self._size and os.path.isfile(self._file) else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def covers(self, found: Range) -> bool:
        """Whether C(found) is there."""
        return not self._gaps(found.offset, found.offset + found.length)

    def _gaps(self, start: int, end: int) -> list[Span]:
        """What of C(start) to C(end) is not there."""
        gaps = []
        for known_start, known_end in self._spans:
            if known_end <= start:
                continue
            if known_start >= end:
                break
            if start < known_start:
                gaps.append((start, known_start))
            start = known_end
        if start < end:
            gaps.append((start, end))
        return gaps

    def write(self, found: Range, blocks: t.Iterable[bytes]) -> None:
        """Write C(blocks) where they belong; they count only after C(enter), and what counts already is left alone."""
        handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            place = found.offset
            for block in blocks:
                for start, end in self._gaps(place, place + len(block)):
                    view = memoryview(block)[start - place : end - place]
                    while view:
                        written = os.pwrite(handle, view, end - len(view))
                        view = view[written:]
                place += len(block)
            os.fsync(handle)
        finally:
            os.close(handle)

    def enter(self, found: Range) -> None:
        """Let C(found) count, and let the blob enter where it is whole now."""
        spans: list[Span] = []
        # Another part of it may have entered meanwhile.
        for start, end in sorted([*self._read(), (found.offset, found.offset + found.length)]):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        self._spans = spans
        if spans != [(0, self._size)]:
            self._depot.put(os.path.join(INCOMING, self._checksum + ".json"), json.dumps({"size": self._size, "spans": spans}).encode())
            return
        if file_digest(self._file) != "sha256:" + self._checksum:
            for path in (self._note, self._file):
                if os.path.lexists(path):
                    os.unlink(path)
            raise CognitiveError(f"The parts of blob {self._checksum} do not make it up, although each is as it was signed; make the volumes again, all with one size.")
        self._depot.move_in(self._file, self._checksum)
        if os.path.lexists(self._note):
            os.unlink(self._note)
