# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Where blobs wait on a host for the engine or for their directory.

C(incoming) belongs to the user that the connection logs in as, and takes what is sent; a blob moves
to C(blobs) when its digest is right. What is whole stays there after a break, and is not sent again.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

_BLOCK = 1 << 20


class Spool:
    """The spool in the directory C(root)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._blobs = os.path.join(root, "blobs")
        self._incoming = os.path.join(root, "incoming")
        self._record = os.path.join(root, "pushed.json")
        self._documents: dict[str, bytes] = {}

    def prepare(self, login_user: int) -> str:
        """Make the spool; the directory that the user with the ID C(login_user) may write to."""
        try:
            os.makedirs(self._blobs, mode=0o700, exist_ok=True)
            os.makedirs(self._incoming, mode=0o700, exist_ok=True)
            # The login user only passes through to its own directory.
            os.chmod(self.root, 0o711)
            os.chown(self._incoming, login_user, -1)
        except OSError as error:
            raise CognitiveError(f"{self.root}: {error.strerror}; the spool is made by root, use become.") from error
        return self._incoming

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Only one push at a time uses the engine and the spool of a host."""
        os.makedirs(self.root, exist_ok=True)
        with open(os.path.join(self.root, "lock"), "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CognitiveError(f"{self.root}: another push to this host is at work; wait until it is done, then run again.") from error
            yield

    def accept(self) -> None:
        """Take what arrived whole; a broken one is dropped, and will be asked for again."""
        for name in sorted(_listed(self._incoming)):
            path = os.path.join(self._incoming, name)
            if name.isalnum() and not os.path.islink(path) and file_digest(path) == f"sha256:{name}":
                kept = os.path.join(self._blobs, name)
                os.replace(path, kept)
                os.chown(kept, os.geteuid(), os.getegid())
            elif os.path.isfile(path) or os.path.islink(path):
                os.unlink(path)

    def lacking(self, blobs: t.Mapping[str, int]) -> dict[str, int]:
        """Those of C(blobs) (size by digest) that are not here."""
        return {digest: size for digest, size in blobs.items() if not os.path.isfile(self.path(digest)) or os.path.getsize(self.path(digest)) != size}

    def path(self, digest: str) -> str:
        """Where the blob C(digest) lies."""
        return os.path.join(self._blobs, digest.partition(":")[2])

    def learn(self, documents: t.Mapping[str, str]) -> None:
        """Small blobs that came with the call, base64 by digest."""
        for digest, text in documents.items():
            content = base64.b64decode(text)
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
                raise CognitiveError(f"Blob {digest} arrived altered; push again, and if it stays so verify the bundle.")
            self._documents[digest] = content

    def document(self, digest: str) -> bytes:
        """The content of a small blob."""
        return self._documents[digest]

    def pushed(self) -> dict[str, list[str]]:
        """By image ID, the blobs that were pushed for it."""
        try:
            with open(self._record, encoding="utf-8") as stream:
                found = json.load(stream)
        except (FileNotFoundError, ValueError):
            found = None
        # Without the record more is sent than must be, and nothing goes wrong.
        return {image: blobs for image, blobs in found.items() if isinstance(blobs, list)} if isinstance(found, dict) else {}

    def remember(self, image_id: str, blobs: t.Sequence[str], held: t.Collection[str]) -> None:
        """Note what was pushed for an image, and forget images that the engine no longer holds."""
        record = {known: digests for known, digests in self.pushed().items() if known in held}
        record[image_id] = list(blobs)
        beside = self._record + ".new"
        with open(beside, "w", encoding="utf-8") as stream:
            json.dump(record, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, self._record)

    def drop(self, digests: t.Iterable[str]) -> None:
        """Blobs that are where they belong now."""
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(digest))


def free_room(path: str) -> int:
    """Bytes free for this user on the file system of C(path), or of the first directory above it that exists."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return shutil.disk_usage(path).free


def file_digest(path: str) -> str:
    """C(sha256:…) of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
