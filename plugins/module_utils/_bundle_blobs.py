# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Writing blobs: each one beside, named by its digest once it is whole, never twice, never in memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
import tempfile
import threading
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._archive import StoredLayer
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest

BLOCK = 1 << 20

# F_SETPIPE_SZ of Linux; Python knows its name from 3.10 on.
_SET_PIPE_SIZE = 1031
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class BlobWriter:
    """Blobs that a bundle lacks, in a directory beside it; C(held) says whether the bundle has a blob of that digest and size, or does without it."""

    def __init__(self, directory: str, held: t.Callable[[str, int], bool]) -> None:
        self.directory = directory
        self._held = held
        self.written: dict[str, int] = {}
        self._begun = 0

    def begin(self) -> str:
        """A name that no blob has."""
        self._begun += 1
        return os.path.join(self.directory, f".{self._begun}")

    def path(self, digest: str) -> str:
        """Where a blob that was written lies."""
        return os.path.join(self.directory, digest.partition(":")[2])

    def put(self, data: bytes) -> str:
        """Write a blob of a few bytes; its digest."""
        digest = _oci.digest_of(data)
        if not self._has(digest, len(data)):
            with _Beside(self) as target:
                target.write(data)
                target.keep(digest)
        return digest

    def copy(self, stream: t.BinaryIO, head: bytes = b"") -> tuple[str, int]:
        """Write what C(head) and then C(stream) give, unchanged; digest and size."""
        hashed = hashlib.sha256()
        with _Beside(self) as target:
            block = head or stream.read(BLOCK)
            while block:
                hashed.update(block)
                target.write(block)
                block = stream.read(BLOCK)
            return target.keep("sha256:" + hashed.hexdigest())

    def link(self, path: str, digest: str, size: int) -> None:
        """Take in a blob that lies in the file C(path): as a second name of that file where both are on one file system."""
        if self._has(digest, size):
            return
        target = self.begin()
        try:
            os.link(path, target)
        except FileNotFoundError:
            raise
        except OSError:
            with open(path, "rb") as stream:
                found, _size = self.copy(stream)
        else:
            found = file_digest(target)
            os.rename(target, self.path(found))
            self.written[found] = os.path.getsize(self.path(found))
        if found != digest:
            raise CognitiveError(f"{path} was altered: its content is {found}; fetch the image again with image_fetch.")

    def take(self, stream: t.BinaryIO, size: int) -> StoredLayer:
        """Write a layer: as it is where it comes compressed, compressed with zstd where it comes plain.

        A layer that comes compressed is proved by its blob digest. It is not unpacked here: the engine did
        that when it took the image in, and each engine checks the diff ID again when it loads it.
        """
        head = stream.read(BLOCK)
        if head.startswith((_GZIP, _ZSTD)):
            digest, written = self.copy(stream, head)
            if written != size:
                raise CognitiveError("The engine's archive was cut short; run the export again.")
            return StoredLayer(digest, written, _oci.LAYER_GZIP if head.startswith(_GZIP) else _oci.LAYER_ZSTD)
        hashed = hashlib.sha256()
        taken = 0
        with _Beside(self) as target, _Zstd(target, size) as packer:
            while head:
                hashed.update(head)
                taken += len(head)
                packer.write(head)
                head = stream.read(BLOCK)
            if taken != size:
                raise CognitiveError("The engine's archive was cut short; run the export again.")
            digest, written = target.keep(packer.finish())
        return StoredLayer(digest, written, _oci.LAYER_ZSTD, "sha256:" + hashed.hexdigest(), size)

    def _has(self, digest: str, size: int) -> bool:
        return digest in self.written or self._held(digest, size)


class _Beside:
    """A file under a temporary name, which goes unless it is kept."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer
        self.size = 0

    def __enter__(self) -> _Beside:
        self._name = self._writer.begin()
        self._file = open(self._name, "xb", buffering=0)  # pylint: disable=consider-using-with # closed in __exit__
        return self

    def write(self, data: bytes) -> None:
        """Append C(data), all of it."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self.size += len(data)

    def keep(self, digest: str) -> tuple[str, int]:
        """Give the file its name, unless the bundle has that blob already; digest and size."""
        if not self._writer._has(digest, self.size):  # pylint: disable=protected-access
            os.fsync(self._file.fileno())
            os.rename(self._name, self._writer.path(digest))
            self._writer.written[digest] = self.size
        return digest, self.size

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        if os.path.exists(self._name):
            os.unlink(self._name)


class _Zstd:
    """The program zstd between the one who writes and a file: all cores, flat memory, the same bytes for the same input."""

    def __init__(self, target: _Beside, size: int) -> None:
        self._target = target
        self._size = size
        self._hash = hashlib.sha256()
        self._problem: Exception | None = None

    def __enter__(self) -> _Zstd:
        self._errors = tempfile.TemporaryFile()  # pylint: disable=consider-using-with # closed in __exit__
        try:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with # ended in __exit__
                # The size goes into the frame, and zstd itself refuses input of another length.
                ["zstd", "-q", "-3", "-T0", f"--stream-size={self._size}", "-c"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
            )
        except FileNotFoundError as error:
            raise CognitiveError("The program zstd is missing here; install the distribution's package zstd.") from error
        for pipe in (self._process.stdin, self._process.stdout):
            # Fewer turns between the two; where it is not allowed, it is only slower.
            with contextlib.suppress(OSError):
                fcntl.fcntl(t.cast(t.IO[bytes], pipe), _SET_PIPE_SIZE, BLOCK)
        self._drain = threading.Thread(target=self._collect, daemon=True)
        self._drain.start()
        return self

    def _collect(self) -> None:
        output = t.cast(t.IO[bytes], self._process.stdout)
        try:
            while True:
                block = output.read(BLOCK)
                if not block:
                    return
                self._hash.update(block)
                self._target.write(block)
        except Exception as error:  # pylint: disable=broad-exception-caught # raised again where finish() is called
            self._problem = error
            self._process.kill()

    def write(self, data: bytes) -> None:
        """Give C(data) to zstd."""
        view = memoryview(data)
        try:
            while view:
                view = view[t.cast(t.IO[bytes], self._process.stdin).write(view) :]
        except BrokenPipeError:
            self.finish()

    def finish(self) -> str:
        """Digest of the whole output."""
        t.cast(t.IO[bytes], self._process.stdin).close()
        self._drain.join()
        code = self._process.wait()
        if self._problem is not None:
            raise self._problem
        if code:
            self._errors.seek(0)
            reason = self._errors.read(2000).decode(errors="replace").strip() or f"it ended with {code}"
            raise CognitiveError(f"The program zstd could not compress a layer ({reason}); run the export again.")
        return "sha256:" + self._hash.hexdigest()

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._drain.join()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            t.cast(t.IO[bytes], stream).close()
