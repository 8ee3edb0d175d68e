# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The directory of a bundle: one writer at a time, and changed only when all that is new lies ready beside it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Signer


class BundleDirectory:
    """The bundle that is, or is to be, in the directory C(path)."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/") or path
        self._stage = self.path + ".part"
        if os.path.exists(self._file(_bundle.CATALOGUE)):
            self.bundle: _bundle.Bundle | None = _bundle.Bundle(self.path)
        elif os.path.lexists(self.path) and (not os.path.isdir(self.path) or os.listdir(self.path)):
            if not os.path.isdir(self._file(_bundle.BLOBS)):
                raise CognitiveError(f"{self.path} is not a bundle and not empty; name an empty directory, or one that is not there.")
            # A first export that was killed while it moved its files in.
            self.bundle = None
        else:
            self.bundle = None

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Refuse a second writer; the lock lies beside the bundle, because a file in it that no list names is an error."""
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        with open(self.path + ".lock", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CognitiveError(f"Another export writes the bundle {self.path}; wait until it is done, then run again.") from error
            try:
                yield
            finally:
                shutil.rmtree(self._stage, ignore_errors=True)
                os.unlink(self.path + ".lock")

    def size_of(self, digest: str) -> int | None:
        """Size of a blob of the bundle, None where it is not there."""
        try:
            return os.path.getsize(self._file(os.path.join(_bundle.BLOBS, digest.partition(":")[2])))
        except FileNotFoundError:
            return None

    def stage(self) -> str:
        """An empty directory beside the bundle, for what is new."""
        shutil.rmtree(self._stage, ignore_errors=True)
        os.makedirs(self._stage)
        return self._stage

    def faults(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes], signer: Signer) -> list[str]:
        """What of the directory is not as a bundle of C(blobs) and C(documents) must be."""
        found = [f"blob {digest} is missing or of another size" for digest, size in blobs.items() if self.size_of(digest) != size]
        listed = self._list(blobs, documents)
        for name, content in {**documents, _bundle.LIST: listed}.items():
            if self._read(name) != content:
                found.append(f"{name} is another one")
        signature = self._read(_bundle.SIGNATURE)
        if signature is None or not signer.has_signed(listed, signature):
            found.append("it is not signed with this key")
        found += [f"{name} does not belong to it" for name in self._strangers(blobs, documents)]
        return found

    def _list(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes]) -> bytes:
        files = {name: hashlib.sha256(content).hexdigest() for name, content in documents.items()}
        files.update({f"{_bundle.BLOBS}/{digest.partition(':')[2]}": digest.partition(":")[2] for digest in blobs})
        return _bundle.write_list(files)

    def _read(self, name: str) -> bytes | None:
        try:
            return _bundle.read_document(self._file(name))
        except FileNotFoundError:
            return None

    def _strangers(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes]) -> list[str]:
        expected = {*documents, _bundle.LIST, _bundle.SIGNATURE, *(f"{_bundle.BLOBS}/{digest.partition(':')[2]}" for digest in blobs)}
        there = [os.path.relpath(os.path.join(directory, name), self.path) for directory, _directories, names in os.walk(self.path) for name in names]
        return sorted(set(there) - expected)

    def replace(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes], signer: Signer, writer: BlobWriter) -> int:
        """Move in what lies ready, take away what nobody names any more; how many bytes were written."""
        for digest, size in blobs.items():
            if writer.written.get(digest, self.size_of(digest)) != size:
                raise CognitiveError(f"Blob {digest} did not come out of the engine whole; run the export again. The earlier bundle is as it was.")
        listed = self._list(blobs, documents)
        signature = signer.sign(listed)
        os.makedirs(self._file(_bundle.BLOBS), exist_ok=True)
        written = 0
        for digest, size in writer.written.items():
            if digest in blobs:
                os.replace(writer.path(digest), self._file(os.path.join(_bundle.BLOBS, digest.partition(":")[2])))
                written += size
        # The list comes last: until then the one that is there belongs to the earlier bundle.
        for name, content in {**documents, _bundle.SIGNATURE: signature, _bundle.LIST: listed}.items():
            if self._read(name) != content:
                self._write(name, content)
                written += len(content)
        for name in self._strangers(blobs, documents):
            os.unlink(self._file(name))
        self.bundle = _bundle.Bundle(self.path)
        return written

    def _write(self, name: str, content: bytes) -> None:
        beside = os.path.join(self._stage, name)
        with open(beside, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, self._file(name))
