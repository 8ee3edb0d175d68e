# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Cutting a bundle into volumes for media.

The cut depends on the bundle and the size alone, so that any volume can be made again by itself. Blobs come in the order in which images need
them, so that the first volumes are of use before the last ones arrive.
"""

from __future__ import annotations

import errno
import hashlib
import os
import typing as t
from dataclasses import replace

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _volume
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import SignedBundle, read_files
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Signer
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import check_room
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import LARGEST, MAX_COUNT, MAX_SIGNATURE, Range, Volume, stored
from ansible_collections.airgap.cognitive.plugins.module_utils._volume_reader import VolumeReader, read_everything

BLOCK = 1 << 20

_UNKNOWN = "0" * 64
# More than a range takes in volume.json.
_ENTRY = 300


class OwnSignature:
    """Takes signatures of C(signer) only."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def verify(self, document: bytes, signature: bytes, where: str) -> str:
        """Nothing, where C(signer) made C(signature); raises where it did not."""
        if not self._signer.has_signed(document, signature):
            raise CognitiveError(f"{where} is not signed with this key; sign the bundle with it first, or use the key that signed it.")
        return ""

    def verify_all(self, document: bytes, signatures: t.Sequence[bytes], where: str) -> list[str]:
        """Nothing, where one of C(signatures) is by C(signer); raises where none is."""
        if not any(self._signer.has_signed(document, signature) for signature in signatures):
            self.verify(document, b"", where)
        return []


class Cut:
    """How the bundle in the directory C(path) is cut into volumes of at most C(size) bytes; parts of blobs have no checksums yet."""

    def __init__(self, path: str, size: int, signer: Signer) -> None:
        if size > LARGEST:
            raise CognitiveError(
                f"A volume of {format_size(size)} does not fit on FAT32, which holds no file of more than {LARGEST} bytes (4 GiB less one); name 4095m or less."
            )
        self.path = path
        self.size = size
        documents = read_files(path)
        self._signed = SignedBundle(documents, path, OwnSignature(signer))
        self._blobs = {digest.partition(":")[2]: self._file_size(f"{_bundle.BLOBS}/{digest.partition(':')[2]}") for digest in self._signed.blobs}
        always, order = self._order()
        signatures = sorted((name for name in documents if _bundle.is_signature(name)), key=len)
        self._always = [self._document(name) for name in (_bundle.LIST, *signatures, _bundle.CATALOGUE, _bundle.LAYOUT, _bundle.INDEX)]
        self._always += [self._document(name) for name in sorted(self._signed.listed) if not name.startswith(_bundle.BLOBS + "/") and name not in documents]
        self._always += [self._blob(checksum) for checksum in always]
        self.volumes = self._cut([self._blob(checksum) for checksum in order])

    @property
    def bundle(self) -> str:
        """The id of the bundle."""
        return self._signed.id

    def _file_size(self, name: str) -> int:
        try:
            return os.stat(os.path.join(self.path, name)).st_size
        except OSError as error:
            raise CognitiveError(f"{os.path.join(self.path, name)} is missing ({error.strerror}); export the bundle again.") from error

    def _document(self, name: str) -> Range:
        size = self._file_size(name)
        checksum = self._signed.listed.get(name) or _bundle.checksum(self._signed.files[name])
        return Range(name, 0, size, size, checksum)

    def _blob(self, checksum: str) -> Range:
        size = self._blobs[checksum]
        return Range(f"{_bundle.BLOBS}/{checksum}", 0, size, size, checksum)

    def _order(self) -> tuple[list[str], list[str]]:
        """The blobs that every volume carries, because they describe the others, and the others in the order in which they are needed."""
        bundle = Bundle(self.path)
        images, trees = bundle.images(), bundle.trees()
        always = [digest for image in images for digest in (image["manifest"], image["config"])] + [tree["manifest"] for tree in trees]
        order: list[str] = []
        for image in images:
            order += [layer["digest"] for layer in image["layers"]]
            order += [digest for tree in trees if tree["image"] == image["name"] for digest in _bundle.blobs_of_tree(tree)]
        order += [digest for tree in trees for digest in _bundle.blobs_of_tree(tree)]
        first = {digest.partition(":")[2]: None for digest in always}
        rest = dict.fromkeys([*(digest.partition(":")[2] for digest in order), *sorted(self._blobs)])
        # What a difference leaves out is not in the list.
        return [checksum for checksum in first if checksum in self._blobs], [checksum for checksum in rest if checksum in self._blobs and checksum not in first]

    def _cut(self, blobs: t.Sequence[Range]) -> list[Volume]:
        # As long as it can get: then every volume has the same room, whatever its number is.
        longest = Volume(self.bundle, MAX_COUNT, MAX_COUNT, self.size, tuple(self._always), dict.fromkeys(self._blobs, (MAX_COUNT, MAX_COUNT)))
        document = len(longest.encode())
        fixed = stored(MAX_SIGNATURE) + sum(stored(entry.length) for entry in self._always) + len(_volume.END)
        least = fixed + stored(document + _ENTRY) + 2 * _volume.BLOCK
        if self.size < least:
            raise CognitiveError(f"A volume of {self.size} bytes is too small: each one carries the bundle's documents, and needs {least} at least; name a larger size.")
        filled: list[list[Range]] = [[]]
        used = 0
        for rest in blobs:
            while True:
                room = self.size - fixed - stored(document + _ENTRY * (len(filled[-1]) + 1)) - used - _volume.BLOCK
                if rest.length + _volume.padding(rest.length) <= room:
                    filled[-1].append(rest)
                    used += stored(rest.length)
                    break
                length = room // _volume.BLOCK * _volume.BLOCK
                if length > 0:
                    filled[-1].append(replace(rest, length=length, sha256=_UNKNOWN))
                    rest = replace(rest, offset=rest.offset + length, length=rest.length - length, sha256=_UNKNOWN)
                filled.append([])
                used = 0
                if len(filled) > MAX_COUNT:
                    raise CognitiveError(f"Cut into volumes of {format_size(self.size)} the bundle would have more than {MAX_COUNT}; name a larger size.")
        return self._number(filled)

    def _number(self, filled: t.Sequence[t.Sequence[Range]]) -> list[Volume]:
        places = {entry.checksum: (1, len(filled)) for entry in self._always if entry.checksum}
        for number, ranges in enumerate(filled, start=1):
            for entry in ranges:
                checksum = str(entry.checksum)
                places[checksum] = (places.get(checksum, (number, number))[0], number)
        return [Volume(self.bundle, number, len(filled), self.size, (*self._always, *ranges), places) for number, ranges in enumerate(filled, start=1)]


class Volumes:
    """The volumes C(numbers) (all, where it is empty) of a cut, in the directory C(target)."""

    def __init__(self, cut: Cut, target: str, numbers: t.Sequence[int], signer: Signer) -> None:
        self._cut = cut
        self._target = target
        self._signer = signer
        count = len(cut.volumes)
        unknown = [number for number in numbers if not 1 <= number <= count]
        if unknown:
            raise CognitiveError(f"There is no volume {unknown[0]}: cut into volumes of {format_size(cut.size)}, the bundle has {count}; correct numbers.")
        self.wanted = [volume for volume in cut.volumes if not numbers or volume.number in numbers]
        self.reasons = {volume.number: self._reason(volume) for volume in self.wanted}

    def path(self, volume: Volume) -> str:
        """Where a volume lies."""
        return os.path.join(self._target, volume.name)

    @property
    def others(self) -> list[str]:
        """Volumes in the same directory that are not of this cut."""
        known = {volume.name for volume in self._cut.volumes}
        names = sorted(os.listdir(self._target)) if os.path.isdir(self._target) else []
        return [name for name in names if name.endswith(_volume.SUFFIX) and name not in known]

    def _reason(self, volume: Volume) -> str | None:
        """Why a volume has to be made, or None."""
        path = self.path(volume)
        if not os.path.lexists(path):
            return f"volume {volume.number} is not there"
        try:
            with VolumeReader(path, OwnSignature(self._signer)) as reader:
                found = reader.volume
                known = tuple(entry if entry.whole else replace(entry, sha256=_UNKNOWN) for entry in found.ranges)
                if replace(found, ranges=known) != volume:
                    return f"volume {volume.number} is another one now"
                read_everything(reader)
        except CognitiveError as error:
            return str(error).rstrip(".")
        return None

    def run(self) -> int:
        """Make what has to be made; how many bytes that were."""
        try:
            os.makedirs(self._target, exist_ok=True)
            todo = [volume for volume in self.wanted if self.reasons[volume.number]]
            check_room([(self._target, sum(self._size(volume) for volume in todo))], "a set of volumes")
            return sum(self._write(volume) for volume in todo)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CognitiveError(f"No room is left in {self._target}; make room, or name another directory. Volumes that are finished stay.") from error
            raise CognitiveError(f"Volumes cannot be written into {self._target} ({error.strerror}: {error.filename}); see that this user may write there.") from error

    @staticmethod
    def _size(volume: Volume) -> int:
        return stored(len(volume.encode())) + stored(MAX_SIGNATURE) + sum(stored(entry.length) for entry in volume.ranges) + len(_volume.END)

    def _write(self, planned: Volume) -> int:
        """Write one volume beside, then give it its name."""
        volume = replace(planned, ranges=tuple(entry if entry.whole else replace(entry, sha256=self._checksum(entry)) for entry in planned.ranges))
        document = volume.encode()
        beside = os.path.join(self._target, f".{volume.name}")
        try:
            with open(beside, "wb", buffering=0) as target:
                for name, content in ((_volume.VOLUME, document), (_volume.SIGNATURE, self._signer.sign(document))):
                    _put(target, _volume.header(name, len(content)) + content + bytes(_volume.padding(len(content))))
                for entry in volume.ranges:
                    _put(target, _volume.header(entry.member, entry.length))
                    if self._checksum(entry, target) != entry.sha256:
                        path = os.path.join(self._cut.path, entry.path)
                        raise CognitiveError(f"{path} was altered: its checksum is not the one in the signed list; export the bundle again.")
                    _put(target, bytes(_volume.padding(entry.length)))
                _put(target, _volume.END)
                size = target.tell()
                os.fsync(target.fileno())
            os.replace(beside, self.path(volume))
        finally:
            if os.path.lexists(beside):
                os.unlink(beside)
        handle = os.open(self._target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return size

    def _checksum(self, entry: Range, target: t.BinaryIO | None = None) -> str:
        """Checksum of a range of the bundle, which goes to C(target) on the way."""
        hashed = hashlib.sha256()
        left = entry.length
        with open(os.path.join(self._cut.path, entry.path), "rb", buffering=0) as source:
            source.seek(entry.offset)
            while left:
                block = source.read(min(BLOCK, left))
                if not block:
                    raise CognitiveError(f"{os.path.join(self._cut.path, entry.path)} was cut short; export the bundle again.")
                left -= len(block)
                hashed.update(block)
                if target is not None:
                    _put(target, block)
        return hashed.hexdigest()


def _put(target: t.BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[target.write(view) :]
