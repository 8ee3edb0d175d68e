# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The directory of a bundle that is being written: one writer at a time, all beside first, then moved in."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._locked_directory import LockedDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import Signer

# The list goes last: until it is there, the earlier list, which does not match any more, says that something is amiss.
DOCUMENTS = (_bundle.LAYOUT, _bundle.INDEX, _bundle.CATALOGUE)


class BundleDirectory(LockedDirectory):
    """The directory C(path), held by this process alone while in a C(with) block; C(write) makes it where it is not there."""

    def __init__(self, path: str, write: bool) -> None:
        super().__init__(path, write, "export")
        self.bundle: Bundle | None = None
        parent, name = os.path.split(self.path)
        beside, within = os.path.join(parent, f".{name}.export"), os.path.join(self.path, ".export")
        # Moving in must be a rename: where the bundle is a file system of its own, such as a stick, the place beside it is another one.
        self._workspace = within if os.path.ismount(self.path) or not os.access(parent, os.W_OK) and os.path.isdir(self.path) else beside

    def __enter__(self) -> BundleDirectory:
        self._enter(self._refuse_foreign, "Bundle")
        if os.path.isfile(os.path.join(self.path, _bundle.CATALOGUE)):
            self.bundle = Bundle(self.path)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._write:
            shutil.rmtree(self._workspace, ignore_errors=True)
        self._release()

    def _refuse_foreign(self) -> None:
        """Refuse a directory that holds what no export put there: the next step takes away all that no bundle names."""
        is_bundle = os.path.isfile(os.path.join(self.path, _bundle.CATALOGUE))
        for relative in self._files():
            path = os.path.join(self.path, relative)
            ours = is_bundle and (relative in (*DOCUMENTS, _bundle.LIST) or _bundle.is_signature(relative) or os.path.dirname(relative) == _bundle.BLOBS)
            if not ours and not path.startswith(self._workspace + os.sep):
                raise CognitiveError(f"{path} is not part of a bundle; move it away, or name an empty or new directory for the bundle.")

    def _files(self) -> list[str]:
        return sorted(os.path.relpath(os.path.join(parent, name), self.path) for parent, _names, leaves in os.walk(self.path) for name in leaves)

    def size_of(self, digest: str) -> int | None:
        """Size of a blob that is there as a plain file."""
        return _bundle.plain_size(os.path.join(self.path, _bundle.BLOBS, digest.partition(":")[2]))

    def _leftovers(self, blobs: t.Mapping[str, int]) -> list[str]:
        directory = os.path.join(self.path, _bundle.BLOBS)
        names = os.listdir(directory) if os.path.isdir(directory) else []
        return sorted(name for name in names if "sha256:" + name not in blobs)

    def faults(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes], signers: t.Sequence[Signer]) -> list[str]:
        """In what way the directory is not C(blobs), C(documents), their list and its signature, and nothing else."""
        found = [f"{name} is not up to date" for name, content in self._listed(blobs, documents).items() if self._read(name) != content]
        signatures = [self._read(_bundle.signature_name(number)) for number in range(1, len(signers) + 1)]
        if None in signatures:
            found.append("the bundle is not signed" if signatures[0] is None else "the bundle is not signed with every key")
        elif not found and not all(signer.has_signed(self._read(_bundle.LIST) or b"", signature or b"") for signer, signature in zip(signers, signatures)):
            found.append("the bundle is not signed with this key" if len(signers) == 1 else "the bundle is not signed with these keys")
        if self._further_signatures(len(signers)):
            found.append("the bundle is signed by more than is asked for")
        if self._leftovers(blobs) or os.path.lexists(self._workspace):
            found.append("an export that broke off left files")
        return found

    def _further_signatures(self, count: int) -> list[str]:
        """Signatures beyond the first C(count); they are of an earlier list."""
        expected = {_bundle.signature_name(number) for number in range(1, count + 1)}
        return [name for name in sorted(os.listdir(self.path)) if _bundle.is_signature(name) and name not in expected]

    def _read(self, name: str) -> bytes | None:
        path = os.path.join(self.path, name)
        return _bundle.read_document(path) if os.path.isfile(path) else None

    @staticmethod
    def _listed(blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes]) -> dict[str, bytes]:
        """C(documents) and the list of everything."""
        files = {f"{_bundle.BLOBS}/{digest.partition(':')[2]}": digest.partition(":")[2] for digest in blobs}
        files.update({name: _bundle.checksum(content) for name, content in documents.items()})
        return {**documents, _bundle.LIST: _bundle.write_list(files)}

    def stage(self) -> str:
        """An empty directory for what is to be moved in."""
        shutil.rmtree(self._workspace, ignore_errors=True)
        os.mkdir(self._workspace, 0o700)
        return self._workspace

    def replace(self, blobs: t.Mapping[str, int], documents: t.Mapping[str, bytes], signers: t.Sequence[Signer], writer: BlobWriter) -> int:
        """Make the directory what C(faults) compares with; how many bytes were written."""
        for digest, size in blobs.items():
            if writer.written.get(digest, self.size_of(digest)) != size:
                raise CognitiveError(f"Blob {digest} was named but not written; run the export again.")
        ready = self._listed(blobs, documents)
        signatures = {_bundle.signature_name(number): signer.sign(ready[_bundle.LIST]) for number, signer in enumerate(signers, start=1)}
        ready.update(signatures)
        for name, content in ready.items():
            with open(os.path.join(self._workspace, name), "wb") as target:
                target.write(content)
                target.flush()
                os.fsync(target.fileno())
        # From its first file on, the directory can be told from one that is not ours.
        if self.bundle is None:
            self._move(_bundle.CATALOGUE, "")
        os.makedirs(os.path.join(self.path, _bundle.BLOBS), exist_ok=True)
        moved = [digest for digest in writer.written if digest in blobs]
        for digest in moved:
            self._move(digest.partition(":")[2], _bundle.BLOBS)
        self._sync(_bundle.BLOBS)
        for name in (*DOCUMENTS, *signatures, _bundle.LIST):
            if name != _bundle.CATALOGUE or self.bundle is not None:
                self._move(name, "")
        for name in self._further_signatures(len(signers)):
            os.unlink(os.path.join(self.path, name))
        self._sync("")
        for name in self._leftovers(blobs):
            os.unlink(os.path.join(self.path, _bundle.BLOBS, name))
        self.bundle = Bundle(self.path)
        return sum(writer.written[digest] for digest in moved) + sum(len(content) for content in ready.values())

    def _move(self, name: str, directory: str) -> None:
        os.rename(os.path.join(self._workspace, name), os.path.join(self.path, directory, name))
