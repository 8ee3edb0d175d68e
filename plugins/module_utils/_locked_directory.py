# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A directory that one process at a time writes into."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError


class LockedDirectory:
    """The directory C(path), held by this process alone between C(_enter) and C(_release); C(write) makes it where it is not there.

    C(work) is what is done there, for messages.
    """

    def __init__(self, path: str, write: bool, work: str) -> None:
        self.path = os.path.realpath(path)
        self._write = write
        self._work = work
        self._made: list[str] = []
        self._lock: int | None = None

    def _enter(self, refuse_foreign: t.Callable[[], None], title: str) -> None:
        try:
            if self._write:
                self._make()
            if os.path.lexists(self.path):
                self._take_lock()
                refuse_foreign()
        except OSError as error:
            self._release()
            raise CognitiveError(f"{title} directory {self.path} cannot be used ({error.strerror}); name a directory that this user may write.") from error
        except CognitiveError:
            self._release()
            raise

    def _make(self) -> None:
        missing, parent = [], self.path
        while not os.path.lexists(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        for directory in reversed(missing):
            os.mkdir(directory)
            self._made.insert(0, directory)

    def _take_lock(self) -> None:
        if not os.path.isdir(self.path):
            raise CognitiveError(f"{self.path} is not a directory; name a directory.")
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CognitiveError(f"Another {self._work} is writing into {self.path}; wait until it has ended, then run this one again.") from error
        if not os.path.isdir(self.path) or not os.path.samestat(os.fstat(self._lock), os.stat(self.path)):
            raise CognitiveError(f"Another {self._work} took {self.path} away just now; run this one again.")

    def _release(self) -> None:
        # A run that failed leaves no directory that it made; one that holds something stays.
        with contextlib.suppress(OSError):
            for directory in self._made:
                os.rmdir(directory)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _sync(self, directory: str) -> None:
        handle = os.open(os.path.join(self.path, directory), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
