# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Taking bundles into a depot: proved first, then each blob hashed while it is copied, moved in only when it is what its name says.

What was moved in stays, so that a merge that was broken off goes on where it was. A file that is bad is named, and nothing of it enters; all else does.
"""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import os
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_signed import PROOF, SignedBundle, age, read_files
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot, KeptBundle, choose, outline
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_volume import VolumeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import RememberingVerifier, Verifier
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import check_room, file_digest
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size
from ansible_collections.airgap.cognitive.plugins.module_utils._volume_reader import VolumeReader, find_volumes

BLOCK = 1 << 20
THREADS = 4

_AGAIN = "get it again from where the bundle was made"


class Source(t.Protocol):
    """Something that a bundle, or a part of one, comes in."""

    bundle: SignedBundle

    def needed(self) -> dict[str, int]:
        """What the depot lacks of it: bytes by a name that is the same wherever the same bytes come from."""

    def take(self, faults: list[str]) -> int:
        """Take in what is needed; how many bytes that were. What is bad is named in C(faults)."""


class Merge:
    """One merge of all that C(source) is or holds; C(faults) has a sentence for each file that is bad."""

    def __init__(self, depot: Depot, source: str, verifier: Verifier, link: bool) -> None:
        self._depot = depot
        self._source = source
        self._verifier = RememberingVerifier(verifier)
        self._link = link
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.signers: dict[str, list[str]] = {}
        self._incoming: dict[str, KeptBundle] = {}
        self.needed_bytes = 0
        self._pruned: dict[str, list[str]] = {}

    def reasons(self) -> list[str]:
        """Why this merge would write; empty where the depot has all that comes."""
        new: list[str] = []
        needed: dict[str, dict[str, int]] = {}
        self._pruned = dict(self._depot.pruned)
        for source in self._sources(self.faults):
            bundle = source.bundle
            self.signers[bundle.id] = bundle.signers
            self._incoming[bundle.id] = KeptBundle(bundle.id, bundle.where, bundle.catalogue)
            if not self._depot.has(bundle):
                new.append(f"bundle {bundle.id} is not in the depot")
            elif self._pruned.pop(bundle.id, None):
                new.append(f"a part of bundle {bundle.id} was taken out of the depot")
            needed.setdefault(bundle.id, {}).update(source.needed())
        self.needed_bytes = sum(size for blobs in needed.values() for size in blobs.values())
        reasons = list(dict.fromkeys(new))
        for name, blobs in needed.items():
            if blobs:
                count = len(blobs)
                reasons.append(f"{count} {'file' if count == 1 else 'files'} of bundle {name} ({format_size(sum(blobs.values()))}) {'is' if count == 1 else 'are'} new")
        if os.path.lexists(self._depot.work):
            reasons.append("a merge that broke off left files")
        if not reasons and self.signers:
            reasons = [f"{name} is not up to date" for name in self._depot.outdated(self._depot.documents(self._depot.contents(self._pruned), self._pruned))]
        return reasons

    def difference(self) -> dict[str, dict[str, str]]:
        """Before and after, for diff mode; C(reasons) was called before."""
        before = {bundle.id: bundle for bundle in self._depot.bundles()}
        new = {name: bundle for name, bundle in self._incoming.items() if name not in before or age(before[name].catalogue) < age(bundle.catalogue)}
        after = sorted({**before, **new}.values(), key=lambda bundle: age(bundle.catalogue), reverse=True)
        return {"before": outline(choose(self._depot.bundles(), self._depot.pruned)), "after": outline(choose(after, self._pruned))}

    def run(self) -> int:
        """Take in what C(reasons) found; how many bytes that were."""
        taken = 0
        try:
            self._depot.stage()
            if not self._link or os.stat(self._source).st_dev != os.stat(self._depot.path).st_dev:
                check_room([(self._depot.path, self.needed_bytes)], "the merge")
            self.faults.clear()
            for source in self._sources(self.faults):
                try:
                    taken += source.take(self.faults)
                except CognitiveError as error:
                    self.faults.append(str(error))
            self._depot.tidy()
            self._depot.write_documents(self._pruned)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CognitiveError(f"No room is left where depot {self._depot.path} lies; make room and merge again, what came in whole is kept.") from error
            raise CognitiveError(f"Depot {self._depot.path} cannot be written ({error.strerror}: {error.filename}); see that this user may write there.") from error
        return taken

    def _sources(self, faults: list[str]) -> t.Iterator[Source]:
        """What is there to merge, one after the other; what is bad is named in C(faults) instead."""
        if os.path.isdir(self._source) and any(os.path.lexists(os.path.join(self._source, name)) for name in (*PROOF, _bundle.LAYOUT)):
            try:
                yield DirectorySource(self._source, self._depot, self._verifier, self._link, faults)
            except CognitiveError as error:
                faults.append(str(error))
            return
        volumes = find_volumes(self._source)
        if not volumes:
            what = "holds neither a bundle nor volumes" if os.path.isdir(self._source) else "is not there"
            raise CognitiveError(f"{self._source} {what}; name the directory of a bundle, a volume, or a directory of volumes.")
        self.notes.clear()
        seen: set[str] = set()
        for path in volumes:
            try:
                with VolumeReader(path, self._verifier) as reader:
                    again = f"{path} is {reader.volume.title} once more, nothing of it was needed." if reader.volume.name in seen else ""
                    self.notes += [note for note in (reader.note, again) if note]
                    seen.add(reader.volume.name)
                    yield VolumeSource(reader, self._depot)
            except CognitiveError as error:
                faults.append(str(error))


class DirectorySource:
    """The bundle in the directory C(path)."""

    def __init__(self, path: str, depot: Depot, verifier: Verifier, link: bool, faults: list[str]) -> None:
        self._path = path
        self._depot = depot
        self._link = link
        self.bundle = SignedBundle(read_files(path), path, verifier)
        self._blobs = self.bundle.blobs
        self._check_files(faults)

    def _check_files(self, faults: list[str]) -> None:
        """Name what does not belong here, and what is listed beside the blobs and is not as it should be."""
        names = {*self.bundle.listed, *self.bundle.files}
        for parent, directories, leaves in os.walk(self._path, onerror=_refuse):
            for name in [*leaves, *(name for name in directories if os.path.islink(os.path.join(parent, name)))]:
                full = os.path.join(parent, name)
                if not stat.S_ISREG(os.lstat(full).st_mode):
                    faults.append(f"{full} is a link or a device; a bundle holds plain files only, do not use this one.")
                elif os.path.relpath(full, self._path) not in names:
                    faults.append(f"{full} is not in the signed list; it does not belong to the bundle, take it away.")
        for name, checksum in self.bundle.listed.items():
            full = os.path.join(self._path, name)
            if not name.startswith(_bundle.BLOBS + "/"):
                if not os.path.isfile(full):
                    faults.append(f"{full} is missing; {_AGAIN}.")
                elif file_digest(full) != "sha256:" + checksum:
                    faults.append(f"{full} was altered: its checksum is not the one in the signed list; {_AGAIN}.")
        for digest in self._blobs:
            if not os.path.lexists(self._file(digest)) and self._depot.size_of(digest) is None:
                faults.append(f"{self._file(digest)} is missing; {_AGAIN}.")

    def _file(self, digest: str) -> str:
        return os.path.join(self._path, _bundle.BLOBS, digest.partition(":")[2])

    def needed(self) -> dict[str, int]:
        """Size of every blob that is here and that the depot lacks."""
        sizes = {digest: _bundle.plain_size(self._file(digest)) for digest in self._blobs}
        return {digest: size for digest, size in sizes.items() if size is not None and self._depot.size_of(digest) != size}

    def take(self, faults: list[str]) -> int:
        """Copy the blobs, each one a file of its own that enters or does not."""
        self._depot.keep(self.bundle)
        needed = self.needed()
        taken = 0
        with concurrent.futures.ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
            for digest, fault in zip(needed, pool.map(self._copy, needed)):
                if fault is None:
                    taken += needed[digest]
                else:
                    faults.append(fault)
        self._depot.sync_blobs()
        return taken

    def _copy(self, digest: str) -> str | None:
        """Take in one blob; what is wrong with it."""
        source, beside = self._file(digest), os.path.join(self._depot.work, digest.partition(":")[2])
        try:
            stream = open(source, "rb", buffering=0)
        except OSError as error:
            return f"{source} cannot be read ({error.strerror}); copy it again, or use another medium."
        with stream:
            linked = self._link and _link(source, beside)
            with open(os.devnull if linked else beside, "wb", buffering=0) as target:
                try:
                    found = copy_hashed(read_blocks(stream, source), target)
                except CognitiveError as error:
                    return str(error)
                if not linked:
                    os.fsync(target.fileno())
        if found != digest:
            os.unlink(beside)
            return f"{source} was altered: its checksum is not the one in the signed list; {_AGAIN}."
        self._depot.move_in(beside, digest)
        return None


def copy_hashed(blocks: t.Iterable[bytes], target: t.BinaryIO) -> str:
    """Write C(blocks), each whole; C(sha256:…) of all of them."""
    hashed = hashlib.sha256()
    for block in blocks:
        hashed.update(block)
        view = memoryview(block)
        while view:
            view = view[target.write(view) :]
    return "sha256:" + hashed.hexdigest()


def read_blocks(stream: t.BinaryIO, path: str) -> t.Iterator[bytes]:
    """What is in a file, which may lie on a medium that is failing."""
    while True:
        try:
            block = stream.read(BLOCK)
        except OSError as error:
            raise CognitiveError(f"{path} cannot be read ({error.strerror}); copy it again, or use another medium.") from error
        if not block:
            return
        yield block


def _link(source: str, target: str) -> bool:
    """Whether C(target) is now another name of C(source); it cannot be where they are on two file systems."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _refuse(error: OSError) -> None:
    raise CognitiveError(f"{error.filename} cannot be read ({error.strerror}); see that this user may read the bundle.") from error

