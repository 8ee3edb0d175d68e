# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The raw files below an output mount: listed, and packed for the way to the controller. Never changed.

Containers write here, so every name and every entry is hostile until proved otherwise. No link is
followed, below the mount or in the middle of a path, even where one is put in place while we look.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import tarfile
import typing as t
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import (
    CognitiveError,
)

MOST_DEPTH = 64
MOST_FILES = 100_000
MOST_SKIPPED = 100
BLOCK = 1 << 20
# The file is no more, or something else is in its place or on the way to it.
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Everything else in a name is written as %XX: what is left is a file name on any system, and in any terminal.
_PLAIN = "/ !#$&'()+,-.;=@[]^_`{}~"

# Relative path (escaped), size, modification time in nanoseconds.
Entry = list[t.Any]


@dataclass
class Listing:
    """Files below one mount, and what was left out and why. C(store) names the place of its logs on the controller."""

    store: str
    files: list[Entry] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, path: bytes, reason: str) -> None:
        """Remember that C(path) was left out; of very many only the first."""
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append({"path": escape(path), "reason": reason})


def escape(path: bytes) -> str:
    """C(path) in printable ASCII; L(unescape) takes it back."""
    return quote_from_bytes(path, safe=_PLAIN)


def unescape(text: str) -> bytes:
    """The bytes that L(escape) was given; refuses what cannot be a path below a mount."""
    path = unquote_to_bytes(text)
    if escape(path) != text or not path or b"\0" in path or any(part in (b"", b".", b"..") for part in path.split(b"/")):
        raise CognitiveError(f"{text!r} is not the path of a usage log.")
    return path


def list_tree(root: str, store: str) -> Listing:
    """Every regular file below C(root), sorted by path."""
    listing = Listing(store)
    try:
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        listing.skip(b".", str(error.strerror))
        return listing
    try:
        waiting: list[tuple[bytes, int]] = [(b"", 0)]
        while waiting:
            path, depth = waiting.pop()
            if len(listing.files) >= MOST_FILES:
                listing.skip(path, f"more than {MOST_FILES} files")
                break
            waiting += [(below, depth + 1) for below in _list_directory(top, path, depth, listing)]
    finally:
        os.close(top)
    listing.files.sort()
    listing.skipped.sort(key=lambda entry: (entry["path"], entry["reason"]))
    return listing


def _list_directory(top: int, path: bytes, depth: int, listing: Listing) -> list[bytes]:
    """Add the files of one directory to C(listing); the directories in it."""
    below = []
    try:
        with _opened(top, path, os.O_DIRECTORY) as directory, os.scandir(directory) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                child = path + b"/" + name if path else name
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode):
                    listing.files.append([escape(child), seen.st_size, seen.st_mtime_ns])
                elif not stat.S_ISDIR(seen.st_mode):
                    listing.skip(child, "a link" if stat.S_ISLNK(seen.st_mode) else "not a regular file")
                elif depth + 1 > MOST_DEPTH:
                    listing.skip(child, f"deeper than {MOST_DEPTH} directories")
                else:
                    below.append(child)
    except OSError as error:
        listing.skip(path or b".", str(error.strerror))
    return below


@contextlib.contextmanager
def _opened(top: int, path: bytes, flags: int = 0) -> t.Iterator[int]:
    """C(path) below the directory C(top), opened for reading, with no link anywhere on the way."""
    # O_NONBLOCK: to open a pipe that somebody put there would wait for a writer.
    secure = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.dup(top)
    try:
        parts = path.split(b"/") if path else [b"."]
        for at, part in enumerate(parts):
            last = at == len(parts) - 1
            following = os.open(part, secure | (flags if last else os.O_DIRECTORY), dir_fd=handle)
            os.close(handle)
            handle = following
        yield handle
    finally:
        os.close(handle)


class _Measured(io.RawIOBase):
    """The first C(size) bytes of a file while it is read: their checksum, and zeros where it became shorter."""

    def __init__(self, handle: int, size: int) -> None:
        super().__init__()
        self.handle, self.left, self.size = handle, size, 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """At most C(size) bytes; tarfile asks for no more than the header promised."""
        wanted = self.left if size < 0 else min(size, self.left)
        block = b""
        while len(block) < wanted:
            piece = os.read(self.handle, min(wanted - len(block), BLOCK))
            if not piece:
                break
            block += piece
        self.digest.update(block)
        self.size += len(block)
        self.left -= wanted
        return block + b"\0" * (wanted - len(block))


def pack(root: str, paths: t.Sequence[str], archive: str) -> dict[str, list[dict[str, t.Any]]]:
    """Write the files C(paths) (escaped, below C(root)) into the compressed C(archive), for the owner of its directory.

    Returns C(packed), in the order of the archive, and C(skipped), which could not be read. Members are
    numbered, not named: the controller knows which is which from what this returns, and no name of the
    far side is ever given to an unpacker. A file that went away meanwhile is in neither.
    """
    packed: list[dict[str, t.Any]] = []
    skipped: list[dict[str, str]] = []
    try:
        owner = os.stat(os.path.dirname(archive))
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
                for path in paths:
                    with contextlib.ExitStack() as opened:
                        try:
                            content = opened.enter_context(_opened(top, unescape(path)))
                        except OSError as error:
                            if error.errno not in _GONE:
                                skipped.append({"path": path, "reason": str(error.strerror)})
                            continue
                        _pack_one(tar, content, path, packed)
                # With become we are root here, and the connection's own user fetches.
                if owner.st_uid != os.geteuid():
                    os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(top)
    except PermissionError as error:
        raise CognitiveError(
            f"The usage logs below {root} cannot be packed into {archive} ({error.strerror}); become root for this, or log in as a user who may read them."
        ) from error
    except OSError as error:
        raise CognitiveError(f"The usage logs below {root} cannot be packed into {archive}: {error.strerror}.") from error
    return {"packed": packed, "skipped": skipped}


def _pack_one(tar: tarfile.TarFile, handle: int, path: str, packed: list[dict[str, t.Any]]) -> None:
    seen = os.fstat(handle)
    if not stat.S_ISREG(seen.st_mode):
        return
    member = tarfile.TarInfo(str(len(packed)))
    member.size = seen.st_size
    # It may grow while it is read: what belongs to the next gather is not read in this one.
    content = _Measured(handle, seen.st_size)
    tar.addfile(member, t.cast(t.IO[bytes], content))
    packed.append({"path": path, "size": content.size, "modified": seen.st_mtime_ns, "sha256": content.digest.hexdigest()})
