# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Reading a volume as what it may be: hostile.

Nothing is read that is not signed, and nothing is unpacked: each header must be, byte for byte, the one that C(volume.json) lets expect.
Memory is bounded by one block and the documents.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _volume
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import SignedBundle, is_proof
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Verifier
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import Range, Volume

BLOCK = 1 << 20


class VolumeReader:
    """The volume in the file C(path), its signature checked and its documents proved; a context manager."""

    def __init__(self, path: str, verifier: Verifier) -> None:
        self.path = path
        self._seen: list[str] = []
        self._again = "copy it again from where it was made, or have it made again"
        try:
            self._file: t.BinaryIO = open(path, "rb", buffering=0, opener=_open_plain)  # pylint: disable=consider-using-with # closed in __exit__
        except OSError as error:
            raise CognitiveError(f"{path} cannot be read ({error.strerror}); name a file that this user may read.") from error
        try:
            self._open(verifier)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> VolumeReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def _open(self, verifier: Verifier) -> None:
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise CognitiveError(f"{self.path} is not a plain file; name a volume.")
        self.document = self._document(_volume.VOLUME, _bundle.MAX_DOCUMENT)
        self.signature = self._document(_volume.SIGNATURE, _volume.MAX_SIGNATURE)
        self.signer = verifier.verify(self.document, self.signature, f"{self.path}/{_volume.VOLUME}")
        self.volume: Volume = _volume.read_volume(self.document, f"{self.path}/{_volume.VOLUME}")
        self._again = f"copy it again from where it was made, or make volume {self.volume.number} again"
        files = {}
        self.blobs = [found for found in self.volume.ranges if found.checksum is not None]
        for found in self.volume.ranges[: len(self.volume.ranges) - len(self.blobs)]:
            if found.length > _bundle.MAX_DOCUMENT:
                raise CognitiveError(f"{self.path} has {found.path} of {found.length} bytes, and no document of a bundle is larger than 64 MiB; do not use it.")
            self._expect(found)
            content = b"".join(self._content(found))
            self._padding(found.member, found.length)
            if is_proof(found.path) or found.path == _bundle.LAYOUT:
                files[found.path] = content
        self.bundle = SignedBundle(files, self.path, verifier)
        if self.bundle.id != self.volume.bundle:
            raise CognitiveError(f"{self.path} says that it is of bundle {self.volume.bundle}, and holds the documents of bundle {self.bundle.id}; do not use it.")
        for found in self.volume.ranges:
            if found.checksum is not None and found.path not in self.bundle.listed:
                raise CognitiveError(f"{self.path} holds {found.path}, which is not in the signed list of its bundle; do not use it.")

    @property
    def note(self) -> str:
        """What is odd about it and does no harm."""
        name = os.path.basename(self.path)
        others = [_volume.volume_name(self.volume.bundle, number, self.volume.count) for number in range(1, self.volume.count + 1) if number != self.volume.number]
        return f"{self.path} has the name of another one and is {self.volume.title}; it counts as what it is." if name in others else ""

    def ranges(self) -> t.Iterator[Range]:
        """Each blob or part of one, in order; read it with C(content), or it is skipped. At the end nothing else may follow."""
        for found in self.blobs:
            self._expect(found)
            start = self._file.tell()
            yield found
            self._file.seek(start + found.length)
            self._padding(found.member, found.length)
        if self._read(len(_volume.END) + 1) != _volume.END:
            self._file.seek(-1, os.SEEK_END)
            raise CognitiveError(f"{self.path} does not end after what {_volume.VOLUME} names; {self._again}.")

    def content(self, found: Range) -> t.Iterator[bytes]:
        """The bytes of the range that C(ranges) gave last; raises at their end where they are not what was signed."""
        return self._content(found)

    def _content(self, found: Range) -> t.Iterator[bytes]:
        hashed = hashlib.sha256()
        left = found.length
        while left:
            block = self._read(min(BLOCK, left))
            if not block:
                raise CognitiveError(f"{self.path} was cut short within {found.member}; {self._again}.")
            hashed.update(block)
            left -= len(block)
            yield block
        if hashed.hexdigest() != found.sha256:
            raise CognitiveError(f"{self.path}: {found.member} was altered; {self._again}.")

    def _document(self, name: str, limit: int) -> bytes:
        """A member whose size nothing foretells."""
        head = self._read(_volume.BLOCK)
        none = f"{self.path} is not a volume: it does not begin with {_volume.VOLUME} and its signature; name a file that bundle_volumes made."
        try:
            size = tarfile.TarInfo.frombuf(head, tarfile.ENCODING, "surrogateescape").size
        except tarfile.HeaderError as error:
            raise CognitiveError(none) from error
        if not 0 <= size <= limit or head != _volume.header(name, size):
            raise CognitiveError(none)
        self._seen.append(name)
        data = b""
        while len(data) < size:
            block = self._read(size - len(data))
            if not block:
                raise CognitiveError(f"{self.path} was cut short within {name}; {self._again}.")
            data += block
        self._padding(name, size)
        return data

    def _expect(self, found: Range) -> None:
        """The header of C(found) must come next."""
        head = self._read(_volume.BLOCK)
        if head != _volume.header(found.member, found.length):
            raise CognitiveError(f"{self.path} {self._strangeness(head, found)}.")
        self._seen.append(found.member)

    def _strangeness(self, head: bytes, found: Range) -> str:
        """What a header is that is not that of C(found)."""
        if len(head) < _volume.BLOCK:
            return f"was cut short before {found.member}; {self._again}"
        if head == bytes(_volume.BLOCK):
            return f"ends before {found.member}; {self._again}"
        try:
            member = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            return f"is damaged at {found.member}; {self._again}"
        name = repr(member.name[:100])
        if member.issym() or member.islnk():
            return f"has a link {name}; a volume holds plain files only, do not use it"
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            return f"has a member {name} that is a directory, a device or of another kind; a volume holds plain files only, do not use it"
        if any(part in ("", ".", "..") for part in member.name.split("/")):
            return f"has a member {name}, which leads out of its directory; do not use it"
        if member.name in self._seen:
            return f"has {name} twice; do not use it"
        if member.name not in {entry.member for entry in self.volume.ranges}:
            return f"has a member {name} that {_volume.VOLUME} does not name; do not use it"
        if member.name == found.member and member.size != found.length:
            return f"says that {name} has {member.size} bytes, and {_volume.VOLUME} says {found.length}; do not use it"
        return f"has {name} with another header or in another place than it was written; {self._again}"

    def _padding(self, name: str, length: int) -> None:
        """What follows a member up to the next block."""
        size = _volume.padding(length)
        if self._read(size) != bytes(size):
            raise CognitiveError(f"{self.path} was altered or cut short after {name}; {self._again}.")

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size) if size else b""
        except OSError as error:
            raise CognitiveError(f"{self.path} cannot be read ({error.strerror}); copy it again, or use another medium.") from error


def _open_plain(path: str, flags: int) -> int:
    # A pipe in the place of a file would wait for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def read_everything(reader: VolumeReader) -> None:
    """Compare every byte of a volume with what was signed."""
    for found in reader.ranges():
        for _block in reader.content(found):
            pass


def find_volumes(path: str) -> list[str]:
    """The volume C(path), or those in that directory."""
    if not os.path.isdir(path):
        return [path] if os.path.lexists(path) else []
    return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(_volume.SUFFIX) and not name.startswith(".")]


def check_volumes(path: str, verifier: Verifier) -> dict[str, list[t.Any]]:
    """C(volumes), C(faults) and C(notes) of the volume C(path), or of those in that directory, each checked alone."""
    paths = find_volumes(path)
    if not paths:
        raise CognitiveError(f"There is no volume at {path}; name a volume or a directory of volumes.")
    found: dict[str, list[t.Any]] = {"volumes": [], "faults": [], "notes": []}
    for name in paths:
        try:
            with VolumeReader(name, verifier) as reader:
                volume = reader.volume
                read_everything(reader)
        except CognitiveError as error:
            found["faults"].append(str(error))
            continue
        found["volumes"].append({"path": name, "number": volume.number, "count": volume.count, "bundle": volume.bundle, "reason": ""})
        found["notes"] += [reader.note] if reader.note else []
    return found
