# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The directory of the connected side that keeps images as their registries serve them: an OCI image layout.

C(index.json) names an image only once all its blobs are there and were read. So a fetch that is
killed leaves the blobs that came whole, and no image that is not.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import os
import shutil
import stat
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, file_digest, write_beside

# By which digest the registry served the tag: that of a list where it has the image for several platforms.
SERVED = "airgap.cognitive.served"
# Where a download is put together, relative to the directory.
SCRATCH = ".fetch"

_PUSHED = "pushed.json"


class Staging:
    """The images in the directory C(path), which need not be there yet."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self._whole: set[str] = set()

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[int]:
        """Make the directory, and hold it alone; gives what a child process must inherit to go on holding it."""
        try:
            os.makedirs(os.path.join(self.path, _bundle.BLOBS), exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise CognitiveError(f"Directory {self.path} cannot be used ({error.strerror}); name a directory that this user may write.") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield handle
        except BlockingIOError as error:
            raise CognitiveError(f"Another fetch into {self.path} is at work, or the download of one that was killed; wait until it has ended, then run this again.") from error
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def speaking(self) -> t.Iterator[None]:
        """Turn what the file system refuses into one sentence."""
        try:
            yield
        except OSError as error:
            raise CognitiveError(f"{error.filename or self.path}: {error.strerror}; see that this user may use it, and that there is room.") from error

    def refuse_foreign(self) -> None:
        """Refuse a directory that something else made: a fetch takes away the blobs that no image of its own names."""
        ours = {_bundle.LAYOUT, _bundle.INDEX, "blobs", SCRATCH, _PUSHED, _PUSHED + ".new", _bundle.LAYOUT + ".new", _bundle.INDEX + ".new"}
        names = set(os.listdir(self.path)) if os.path.isdir(self.path) else set()
        if os.path.lexists(self.path) and not os.path.isdir(self.path) or names - ours or not all(SERVED in _annotations(entry) for entry in self._named()):
            raise CognitiveError(f"{self.path} holds what image_fetch did not put there; name an empty or new directory for the images.")

    def blob_path(self, digest: str) -> str:
        """Where the blob C(digest) lies."""
        return os.path.join(self.path, _bundle.BLOBS, digest.partition(":")[2])

    def document(self, digest: str) -> bytes:
        """The content of a small blob."""
        return _bundle.read_document(self.blob_path(digest))

    def image(self, name: str) -> _oci.Image | None:
        """The image C(name); None where it is not here, or where its manifest or config is not whole."""
        for entry in self._named():
            annotations = _annotations(entry)
            if annotations.get(_oci.REF_NAME) == name and SERVED in annotations:
                platform = entry.get("platform") or {}
                described = {
                    "name": name,
                    "family": "",
                    "tag": "",
                    "manifest": entry.get("digest"),
                    "platform": f"{platform.get('os')}/{platform.get('architecture')}",
                    "source": "registry",
                    "source_id": annotations[SERVED],
                }
                with contextlib.suppress(CognitiveError):
                    return Bundle(self.path).read_image(described)
        return None

    def _index(self) -> list[dict[str, t.Any]]:
        path = os.path.join(self.path, _bundle.INDEX)
        if not os.path.isfile(path):
            return []
        try:
            entries = _oci.decode(_bundle.read_document(path), path).get("manifests")
        except CognitiveError as error:
            raise CognitiveError(f"{path} is not the list of an image layout; take it away, and fetch the images again with image_fetch.") from error
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

    def _named(self) -> list[dict[str, t.Any]]:
        """The entries of images, without their twins."""
        return [entry for entry in self._index() if _oci.TWIN_OF not in _annotations(entry)]

    def lacking(self, blobs: t.Mapping[str, int]) -> dict[str, int]:
        """Those of C(blobs) (size by digest) that are missing or not what their name says. Each is read once."""
        there = [digest for digest, size in blobs.items() if digest not in self._whole and self._size(digest) == size]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = pool.map(file_digest, map(self.blob_path, there))
            self._whole.update(digest for digest, content in zip(there, found) if digest == content)
        return {digest: size for digest, size in blobs.items() if digest not in self._whole}

    def _size(self, digest: str) -> int | None:
        try:
            status = os.lstat(self.blob_path(digest))
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def put(self, data: bytes) -> None:
        """Keep a document."""
        digest = _oci.digest_of(data)
        if self.lacking({digest: len(data)}):
            write_beside(self.blob_path(digest), data)

    def drop(self, digests: t.Iterable[str]) -> None:
        """Take away blobs that are not what they should be."""
        for digest in digests:
            self._whole.discard(digest)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.blob_path(digest))

    def keep(self, image: _oci.Image) -> None:
        """Name an image whose blobs are all here, instead of one that had its name before."""
        self._sync(image)
        others = [entry for entry in self._index() if _annotations(entry).get(_oci.REF_NAME) != image["name"]]
        entries = others + _oci.image_entries(image, **{SERVED: image["source_id"]})
        write_beside(os.path.join(self.path, _bundle.LAYOUT), _oci.LAYOUT)
        write_beside(os.path.join(self.path, _bundle.INDEX), _oci.encode({"schemaVersion": 2, "mediaType": _oci.INDEX, "manifests": entries}))

    def _sync(self, image: _oci.Image) -> None:
        for path in (*map(self.blob_path, _bundle.blobs_of(image)), os.path.join(self.path, _bundle.BLOBS)):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def sweep(self) -> None:
        """Take away what no image names, and what a download was put together in."""
        shutil.rmtree(os.path.join(self.path, SCRATCH), ignore_errors=True)
        named: set[str] = set()
        for entry in self._named():
            image = self.image(str(_annotations(entry).get(_oci.REF_NAME)))
            # One that is not whole will be fetched again: what is left of it stays until then.
            if image is None:
                return
            named.update(_bundle.blobs_of(image))
        directory = os.path.join(self.path, _bundle.BLOBS)
        for name in os.listdir(directory):
            if "sha256:" + name not in named:
                os.unlink(os.path.join(directory, name))


class StagedBlobs(Spool):
    """A staging directory as the spool of a push to the engine beside it: every blob is there already, and stays."""

    def __init__(self, staging: Staging) -> None:
        super().__init__(staging.path)
        self._staging = staging
        self._blobs = os.path.join(staging.path, _bundle.BLOBS)

    @contextlib.contextmanager
    def locked(self, patience: float = 0) -> t.Iterator[None]:
        """The directory is held already."""
        yield

    def document(self, digest: str) -> bytes:
        """The content of a small blob."""
        return self._staging.document(digest)

    def verify(self, digests: t.Iterable[str]) -> set[str]:
        """Those that were altered since they were read."""
        return {digest for digest in digests if file_digest(self.path(digest)) != digest}

    def drop(self, digests: t.Iterable[str]) -> None:
        """Nothing goes: a bundle is made of it."""


def _annotations(entry: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = entry.get("annotations")
    return found if isinstance(found, dict) else {}
