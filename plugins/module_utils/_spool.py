# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Where blobs wait on a host for the engine or for their directory.

C(incoming) takes what is sent, block by block, each at its place in the file. So the next push goes
on where one broke off, and two pushes of one blob at once write the same bytes to the same places.
A blob moves to C(blobs) when its digest is right.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

INCOMING = "incoming"

_BLOCK = 1 << 20
# A push that loads holds the lock for minutes at most.
_PATIENCE = 1800.0
# Blobs and parts of them that nobody came back for.
_FORGOTTEN = 7 * 86400.0


class Spool:
    """The spool in the directory C(root)."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._blobs = os.path.join(root, "blobs")
        self._incoming = os.path.join(root, INCOMING)
        self._record = os.path.join(root, "pushed.json")
        self._documents: dict[str, bytes] = {}

    @contextlib.contextmanager
    def locked(self, patience: float = _PATIENCE) -> t.Iterator[None]:
        """One push at a time uses the engine and the spool of a host; others wait for C(patience) seconds."""
        try:
            os.makedirs(self._blobs, mode=0o700, exist_ok=True)
            os.chmod(self.root, 0o700)
            lock = open(os.path.join(self.root, "lock"), "w", encoding="ascii")  # pylint: disable=consider-using-with # closed below
        except OSError as error:
            raise CognitiveError(f"{self.root}: {error.strerror}; the spool is made by root, use become.") from error
        with lock:
            until = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if time.monotonic() >= until:
                        raise CognitiveError(f"{self.root}: another push to this host is at work; wait until it is done, then run again.") from error
                    time.sleep(0.2)
            yield

    def accept(self, blobs: t.Mapping[str, int]) -> None:
        """Take those of C(blobs) (size by digest) that arrived whole; one that arrived altered is dropped, and will be asked for again."""
        for path, digest, state in self._arrivals():
            if state.st_size == blobs.get(digest):
                if file_digest(path) == digest:
                    os.replace(path, self.path(digest))
                else:
                    os.unlink(path)
            elif time.time() - state.st_mtime > _FORGOTTEN:
                os.unlink(path)
        self.drop(digest for digest in self._forgotten() if digest not in blobs)

    def lacking(self, blobs: t.Mapping[str, int]) -> dict[str, int]:
        """Those of C(blobs) (size by digest) that are not here whole."""
        return {digest: size for digest, size in blobs.items() if self._size(digest) != size}

    def begun(self, blobs: t.Mapping[str, int]) -> dict[str, int]:
        """How many bytes an earlier push left of those of C(blobs) that it did not send whole."""
        found = {}
        for _path, digest, state in self._arrivals():
            if 0 < state.st_size <= blobs.get(digest, 0):
                found[digest] = state.st_size
        return found

    def verify(self, digests: t.Iterable[str]) -> set[str]:
        """Read blobs again that should be right; those that are not are dropped and returned."""
        altered = {digest for digest in digests if self._size(digest) is not None and file_digest(self.path(digest)) != digest}
        self.drop(altered)
        return altered

    def path(self, digest: str) -> str:
        """Where the blob C(digest) lies."""
        return os.path.join(self._blobs, digest.partition(":")[2])

    def learn(self, documents: t.Mapping[str, str]) -> None:
        """Small blobs that came with the call, base64 by digest."""
        for digest, text in documents.items():
            content = base64.b64decode(text)
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
                raise CognitiveError(f"Blob {digest} of the bundle was altered; verify the bundle, and get it again from where it was made.")
            self._documents[digest] = content

    def document(self, digest: str) -> bytes:
        """The content of a small blob."""
        if digest not in self._documents:
            raise CognitiveError("The images of the engine changed while they were pushed; run again.")
        return self._documents[digest]

    def pushed(self) -> dict[str, list[str]]:
        """By image ID, the blobs that were pushed for it."""
        try:
            with open(self._record, encoding="utf-8") as stream:
                found = json.load(stream)
        except (OSError, ValueError):
            found = None
        # Without the record more is sent than must be, and nothing goes wrong.
        return {image: blobs for image, blobs in found.items() if isinstance(blobs, list)} if isinstance(found, dict) else {}

    def remember(self, record: t.Mapping[str, t.Sequence[str]]) -> None:
        """Keep the record of what was pushed; C(pushed) reads it."""
        write_beside(self._record, json.dumps(record, sort_keys=True).encode())

    def leftovers(self, digests: t.Iterable[str]) -> bool:
        """Whether a push that was broken off left any of these blobs."""
        wanted = set(digests)
        return any(self._size(digest) is not None for digest in wanted) or any(digest in wanted for _path, digest, _state in self._arrivals())

    def drop(self, digests: t.Iterable[str]) -> None:
        """Take blobs away that are where they belong now, and what is left of them."""
        gone = set(digests)
        for digest in gone:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(digest))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._incoming, digest.partition(":")[2]))

    def _forgotten(self) -> list[str]:
        """Blobs that wait for a push that failed and was not tried again."""
        kept = ["sha256:" + name for name in _listed(self._blobs)]
        return [digest for digest in kept if time.time() - os.lstat(self.path(digest)).st_mtime > _FORGOTTEN]

    def _size(self, digest: str) -> int | None:
        try:
            return os.lstat(self.path(digest)).st_size
        except OSError:
            return None

    def _arrivals(self) -> list[tuple[str, str, os.stat_result]]:
        found = []
        for name in sorted(_listed(self._incoming)):
            path = os.path.join(self._incoming, name)
            with contextlib.suppress(FileNotFoundError):
                found.append((path, "sha256:" + name, os.lstat(path)))
        return found


def check_room(needs: t.Iterable[tuple[str, int]], what: str) -> list[dict[str, t.Any]]:
    """Refuse when a file system has less room than C(needs) (directory and bytes) take of it together; what was compared."""
    room = survey_room(needs)
    for entry in room:
        if entry["need"] > entry["free"]:
            need, free = format_size(entry["need"]), format_size(entry["free"])
            raise CognitiveError(f"{' and '.join(entry['paths'])}: {what} needs {need} and {free} are free; make room, then run again.")
    return room


def is_short(needs: t.Iterable[tuple[str, int]]) -> bool:
    """Whether a file system has less room than C(needs) take of it together."""
    return any(entry["need"] > entry["free"] for entry in survey_room(needs))


def survey_room(needs: t.Iterable[tuple[str, int]]) -> list[dict[str, t.Any]]:
    """For each file system: the C(paths) on it, the bytes that they C(need) together, and how many are C(free)."""
    systems: dict[int, dict[str, t.Any]] = {}
    for path, need in needs:
        existing = _existing(path)
        entry = systems.setdefault(os.stat(existing).st_dev, {"paths": [], "need": 0, "free": shutil.disk_usage(existing).free})
        entry["need"] += need
        if path not in entry["paths"]:
            entry["paths"].append(path)
    return list(systems.values())


def free_room(path: str) -> int:
    """Bytes free for this user on the file system of C(path), or of the first directory above it that exists."""
    return shutil.disk_usage(_existing(path)).free


def file_digest(path: str) -> str:
    """C(sha256:…) of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def write_beside(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path + ".new"
    with open(beside, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


def _existing(path: str) -> str:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return path


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
