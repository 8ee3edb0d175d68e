# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Images out of an engine: all that are wanted in one archive, read as it comes."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._archive import SavedImage, SaveReader, StoredLayer, legacy_names
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._source import Brought, Identity


class EngineImage(t.Protocol):
    """An image of an engine, as far as an export looks at it."""

    @property
    def id(self) -> str:
        """Its ID in the engine."""

    @property
    def repo_digests(self) -> tuple[str, ...]:
        """By which digests registries know it."""

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Its uncompressed layers, base first."""

    @property
    def os(self) -> str:
        """Operating system that it is for."""

    @property
    def architecture(self) -> str:
        """Machine that it is for."""


class EngineLike(t.Protocol):
    """An engine, as far as an export uses it."""

    def image(self, name: str) -> EngineImage | None:
        """The identity of an image."""

    def save(self, names: t.Sequence[str]) -> t.Iterator[bytes]:
        """An archive of images."""


class EngineSource:
    """The images of an engine, which compresses none and keeps no manifest in its classic store."""

    kind = "engine"

    def __init__(self, engine: EngineLike) -> None:
        self._engine = engine
        self._identities: dict[str, Identity] = {}

    def identity(self, name: str) -> Identity:
        """The image that the engine has under C(name)."""
        image = self._engine.image(name)
        if image is None:
            raise CognitiveError(f"Image {name} is not in the engine; pull it first.")
        if f"{image.os}/{image.architecture}" != _oci.PLATFORM:
            raise CognitiveError(f"Image {name} is for {image.os}/{image.architecture}, and services run on {_oci.PLATFORM}; pull it for that platform.")
        self._identities[name] = Identity(image.id, (image.id,), tuple(image.repo_digests), tuple(image.diff_ids))
        return self._identities[name]

    def is_same(self, name: str, image: _oci.Image) -> bool:
        """Whether C(image) is the engine's: its ID there is the config in the classic store, the manifest in the containerd store."""
        identity = self._identities[name]
        same_id = identity.id in (image["source_id"], image["config"], image["manifest"])
        return same_id and tuple(layer["diff_id"] for layer in image["layers"]) == identity.diff_ids

    def bring(self, names: t.Sequence[str], writer: BlobWriter, held: t.Sequence[_oci.Layer]) -> list[Brought]:
        """Read one archive of all C(names)."""
        expected: dict[str, str] = {}
        for name in names:
            expected.update(legacy_names(self._identities[name].diff_ids))
        reader = SaveReader(_Layers(writer, held), expected)
        chunks = self._engine.save(names)
        try:
            reader.read(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        return [self._brought(name, reader.image(name)) for name in names]

    def _brought(self, name: str, saved: SavedImage) -> Brought:
        identity = self._identities[name]
        now = self._engine.image(name)
        if now is None or now.id != identity.id or tuple(layer["diff_id"] for layer in saved.layers) != identity.diff_ids:
            raise CognitiveError(f"Image {name} became another one while it was exported; run the export again.")
        manifest = saved.manifest or _oci.image_manifest(saved.config, saved.layers, made_here=True)
        return Brought(saved.config, manifest, _oci.MANIFEST, saved.layers)


class _Layers:
    """Layers out of an engine's archive: those that the bundle has are not packed again."""

    def __init__(self, writer: BlobWriter, held: t.Sequence[_oci.Layer]) -> None:
        self._writer = writer
        self._known: dict[str, StoredLayer] = {}
        for layer in held:
            stored = StoredLayer(layer["digest"], layer["size"], layer["media_type"], layer["diff_id"], layer["raw_size"])
            self._known[layer["diff_id"]] = self._known[layer["digest"]] = stored

    def known(self, digest: str) -> StoredLayer | None:
        """The layer of this blob digest or diff ID, where it is already kept."""
        return self._known.get(digest)

    def take(self, stream: t.BinaryIO, size: int) -> StoredLayer:
        """Keep the layer that C(stream) gives, C(size) bytes of it."""
        layer = self._writer.take(stream, size)
        # Packed by another version of zstd it would be another blob: the one that the bundle has stays.
        return self._known.get(layer.diff_id or "", layer)
