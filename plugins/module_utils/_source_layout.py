# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Images out of the directory in which C(image_fetch) keeps them: every blob as the registry served it."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._registry import repository_of
from ansible_collections.airgap.cognitive.plugins.module_utils._source import Brought, Identity
from ansible_collections.airgap.cognitive.plugins.module_utils._staging import Staging


class LayoutSource:
    """The images of one staging directory; no engine is asked for them."""

    kind = "registry"

    def __init__(self, path: str) -> None:
        self._staging = Staging(path)
        self._images: dict[str, _oci.Image] = {}

    def identity(self, name: str) -> Identity:
        """The image that was fetched under C(name)."""
        with self._staging.speaking():
            image = self._staging.image(name)
        if image is None:
            raise CognitiveError(f"Image {name} is not in {self._staging.path}, or not whole; fetch it with image_fetch.")
        if image["platform"] != _oci.PLATFORM:
            raise CognitiveError(f"Image {name} is for {image['platform']}, and services run on {_oci.PLATFORM}; fetch it for that platform.")
        self._images[name] = image
        repository = repository_of(name)
        served, manifest = image["source_id"], image["manifest"]
        # An engine that pulled a list of platforms by itself calls the image by that list.
        return Identity(
            served,
            (image["config"], manifest, served),
            (f"{repository}@{served}", f"{repository}@{manifest}"),
            tuple(layer["diff_id"] for layer in image["layers"]),
        )

    def is_same(self, name: str, image: _oci.Image) -> bool:
        """Whether C(image) has the same manifest, and every blob as it is here."""
        return image["source"] == self.kind and image["manifest"] == self._images[name]["manifest"]

    def bring(self, names: t.Sequence[str], writer: BlobWriter, held: t.Sequence[_oci.Layer]) -> list[Brought]:
        """Take the layers over; the writer knows which ones the bundle has, or does without."""
        return [self._bring(name, writer) for name in names]

    def _bring(self, name: str, writer: BlobWriter) -> Brought:
        image = self._images[name]
        try:
            documents = [self._staging.document(digest) for digest in (image["config"], image["manifest"])]
            for layer in image["layers"]:
                writer.link(self._staging.blob_path(layer["digest"]), layer["digest"], layer["size"])
        except FileNotFoundError as error:
            raise CognitiveError(f"Image {name} is not whole in {self._staging.path}: {error.filename} is missing; fetch it again with image_fetch.") from error
        return Brought(*documents, image["manifest_media_type"], tuple(image["layers"]))
