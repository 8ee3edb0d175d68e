# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The format of a volume: a plain tar that carries a part of a bundle on a medium, and says itself, signed, what it carries.

First C(volume.json) and its signature, then the bundle's documents, then blobs or ranges of blobs. Headers are always the same bytes for the
same member, so that a reader knows each of them beforehand, and takes nothing else.
"""

from __future__ import annotations

import re
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import check_id
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

SCHEMA = 1
VOLUME = "volume.json"
SIGNATURE = "volume.json.sig"
PARTS = "parts"
SUFFIX = ".tar"

BLOCK = tarfile.BLOCKSIZE
# Two empty blocks end a tar.
END = bytes(2 * BLOCK)
MAX_COUNT = 999
# What FAT32, the file system of most media, can hold in one file.
LARGEST = (4 << 30) - 1
# More than any signature of ssh-keygen.
MAX_SIGNATURE = 16 << 10

_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_BLOB = re.compile(re.escape(_bundle.BLOBS) + r"/([0-9a-f]{64})")
_AGAIN = "have it made again"


@dataclass(frozen=True)
class Range:
    """C(length) bytes at C(offset) of the file C(path) of the bundle, which has C(of) bytes; C(sha256) is that of the range."""

    path: str
    offset: int
    length: int
    of: int
    sha256: str

    @property
    def whole(self) -> bool:
        """Whether it is all of the file."""
        return self.length == self.of

    @property
    def checksum(self) -> str | None:
        """The checksum that names the blob that it belongs to; None where it belongs to another file."""
        match = _BLOB.fullmatch(self.path)
        return match.group(1) if match else None

    @property
    def member(self) -> str:
        """Its name in the tar: unpacked, whole files are in place, and the parts of a file are in order."""
        return self.path if self.whole else f"{PARTS}/{self.checksum}-{self.offset:015d}"


@dataclass(frozen=True)
class Volume:
    """Volume C(number) of C(count); C(blobs) says of every blob in which volumes, from the first to the last, it is."""

    bundle: str
    number: int
    count: int
    size: int
    ranges: tuple[Range, ...]
    blobs: t.Mapping[str, tuple[int, int]]

    @property
    def name(self) -> str:
        """The name of its file."""
        return volume_name(self.bundle, self.number, self.count)

    @property
    def title(self) -> str:
        """How it is called in messages."""
        return f"volume {self.number} of {self.count} of bundle {self.bundle}"

    def encode(self) -> bytes:
        """C(volume.json)."""
        return _oci.encode({**vars(self), "schema": SCHEMA, "ranges": [vars(found) for found in self.ranges], "blobs": dict(self.blobs)})


def volume_name(bundle: str, number: int, count: int) -> str:
    """The name of a volume's file; sorted by name they are in order."""
    width = max(2, len(str(count)))
    return f"{bundle}-{number:0{width}}-of-{count:0{width}}{SUFFIX}"


def header(name: str, size: int) -> bytes:
    """The header of a member: of nobody, of no time."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> int:
    """How many bytes follow a member of C(size) bytes."""
    return -size % BLOCK


def stored(size: int) -> int:
    """How many bytes a member of C(size) bytes takes, with its header."""
    return BLOCK + size + padding(size)


def read_volume(data: bytes, where: str) -> Volume:
    """What C(Volume.encode) wrote; raises on all that no cut gives."""
    document = _oci.decode(data, where)
    if document.get("schema") != SCHEMA:
        raise CognitiveError(f"{where} is of schema {document.get('schema')!r}, and this version of airgap.cognitive reads {SCHEMA}; use the version that made it.")
    number, count, size = (_number(document.get(name), name, where) for name in ("number", "count", "size"))
    if not 1 <= number <= count <= MAX_COUNT:
        raise CognitiveError(f"{where} is of volume {number} of {count}, and there is no such volume; {_AGAIN}.")
    ranges = document.get("ranges")
    if not isinstance(ranges, list):
        raise CognitiveError(f"{where} lists no ranges; {_AGAIN}.")
    found = tuple(_range(entry, where) for entry in ranges)
    seen = {VOLUME, SIGNATURE}
    documents_end = False
    for entry in found:
        if entry.member in seen:
            raise CognitiveError(f"{where} names {entry.member} a second time; {_AGAIN}.")
        seen.add(entry.member)
        documents_end = documents_end or entry.checksum is not None
        if documents_end and entry.checksum is None:
            raise CognitiveError(f"{where} names {entry.path} after the first blob, and documents come first; {_AGAIN}.")
    return Volume(check_id(document.get("bundle"), where), number, count, size, found, _places(document.get("blobs"), count, where))


def _range(entry: object, where: str) -> Range:
    found = entry if isinstance(entry, dict) else {}
    path = _oci.check_relative(found.get("path"), where)
    offset, length, of = (_number(found.get(name), name, where) for name in ("offset", "length", "of"))
    checksum = found.get("sha256")
    if not isinstance(checksum, str) or not _CHECKSUM.fullmatch(checksum):
        raise CognitiveError(f"{where} has no checksum for {path}; {_AGAIN}.")
    result = Range(path, offset, length, of, checksum)
    if length > LARGEST or offset + length > of or not length and of or result.whole and offset:
        raise CognitiveError(f"{where} names bytes {offset} to {offset + length} of {path}, which has {of}; {_AGAIN}.")
    if not result.whole and result.checksum is None:
        raise CognitiveError(f"{where} names a part of {path}, and only blobs are cut; {_AGAIN}.")
    if result.whole and result.checksum not in (None, checksum):
        raise CognitiveError(f"{where} names blob {path} with another checksum; {_AGAIN}.")
    return result


def _places(value: object, count: int, where: str) -> dict[str, tuple[int, int]]:
    found = value if isinstance(value, dict) else {None: None}
    for checksum, place in found.items():
        good = isinstance(place, list) and len(place) == 2 and all(isinstance(number, int) for number in place) and 1 <= place[0] <= place[1] <= count
        if not good or not _CHECKSUM.fullmatch(str(checksum)):
            raise CognitiveError(f"{where} does not say in which volumes the blobs are; {_AGAIN}.")
    return {checksum: (place[0], place[1]) for checksum, place in found.items()}


def _number(value: object, name: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CognitiveError(f"{where} has {str(value)[:80]!r} for {name}, which is no number; {_AGAIN}.")
    return value
