# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Bringing images from their registry into a staging directory, proved blob by blob."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._registry import pick, repository_of
from ansible_collections.airgap.cognitive.plugins.module_utils._staging import SCRATCH, Staging

# skopeo takes up what it already brought, so a second call costs little.
_ATTEMPTS = 2


class RegistryLike(t.Protocol):
    """What a fetch asks of a registry."""

    def manifest(self, reference: str) -> bytes: ...

    def config(self, reference: str) -> bytes: ...

    def copy(self, reference: str, directory: str, blobs: str, scratch: str, held: int) -> None: ...


@dataclass(frozen=True)
class Wanted:
    """An image that is to be in the directory: C(reason) says why it must be fetched, C(lacking) is size by digest of what must be for that."""

    image: _oci.Image
    reason: str | None
    lacking: t.Mapping[str, int]
    # By which digest the directory knows the image that has the name now.
    before: str | None
    documents: tuple[bytes, ...] = ()


class Fetch:
    """Images of one platform, from their registry into one directory."""

    def __init__(self, staging: Staging, registry: RegistryLike, platform: str = _oci.PLATFORM, refresh: bool = True) -> None:
        parts = platform.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise CognitiveError(f"Platform {platform!r} is not an operating system and a machine; write it as linux/amd64.")
        self._staging = staging
        self._registry = registry
        self._platform = platform
        self._machine = "/".join(parts[:2])
        self._refresh = refresh

    def look(self, name: str) -> Wanted:
        """What the image C(name) needs. Without C(refresh) the registry is not asked for an image that is whole."""
        repository = repository_of(name)
        held = self._staging.image(name)
        if held is not None and held["platform"] != self._machine:
            held = None
        before = held["source_id"] if held else None
        image, documents, reason = held, (), None
        if held is None or self._refresh:
            served = self._registry.manifest(name)
            if held is None or _oci.digest_of(served) != before:
                image, documents = self._describe(name, repository, served)
                reason = "its registry serves another one now" if held else f"it is not in {self._staging.path}"
        assert image is not None
        lacking = self._staging.lacking(_bundle.blobs_of(image))
        if lacking and reason is None:
            reason = f"blob {next(iter(lacking))} is missing or was altered"
        return Wanted(image, reason, lacking, before, documents)

    def _describe(self, name: str, repository: str, served: bytes) -> tuple[_oci.Image, tuple[bytes, ...]]:
        """The image behind what a registry serves for a tag, with its manifest and its config."""
        try:
            document, manifest = _oci.decode(served, "its manifest"), served
            if document.get("mediaType") in _oci.INDEXES or "manifests" in document:
                chosen = pick(document, self._platform)
                if chosen is None:
                    raise CognitiveError(f"Image {name}: its registry has none for {self._platform}; name another tag, or another platform.")
                manifest = _proved(name, self._registry.manifest(f"{repository}@{chosen}"), chosen)
                document = _oci.decode(manifest, "its manifest")
            media_type = str(document.get("mediaType", _oci.MANIFEST))
            if media_type not in _oci.MANIFESTS or document.get("schemaVersion") != 2:
                raise CognitiveError(f"Image {name}: its manifest is of the format {media_type}, which is none of a single image of today; push it again with a current engine.")
            digest, size = _oci.descriptor_parts(document.get("config"), "its manifest")
            config = _proved(name, self._registry.config(f"{repository}@{_oci.digest_of(manifest)}"), digest)
            described = _oci.decode(config, "its config")
            platform = f"{described.get('os')}/{described.get('architecture')}"
            if platform != self._machine:
                raise CognitiveError(f"Image {name}: its registry has it for {platform}, and not for {self._machine}; name another tag, or that platform.")
            layers = _oci.read_layers(document, described, "its manifest")
        except CognitiveError as error:
            if str(error).startswith("Image "):
                raise
            raise CognitiveError(f"Image {name}: what its registry serves is not an image ({str(error).partition(';')[0]}); look at the name and the tag.") from error
        image: _oci.Image = {
            "name": name,
            "family": "",
            "tag": "",
            "platform": platform,
            "manifest": _oci.digest_of(manifest),
            "manifest_size": len(manifest),
            "manifest_media_type": media_type,
            "config": digest,
            "config_size": size,
            "layers": layers,
            "source": "registry",
            "source_id": _oci.digest_of(served),
        }
        return image, (manifest, config)

    def bring(self, wanted: Wanted, held: int) -> None:
        """Fetch what lacks of an image, and name it once all of it was read; C(held) as the directory's lock gave it."""
        image = wanted.image
        twin = _oci.twin(image)
        documents = wanted.documents or [self._staging.document(digest) for digest in (image["manifest"], image["config"])]
        for document in (*documents, *([twin] if twin else [])):
            self._staging.put(document)
        lacking = self._lacking_layers(image)
        for _attempt in range(_ATTEMPTS):
            if not lacking:
                break
            # skopeo takes for whole whatever has the name of a blob.
            self._staging.drop(lacking)
            reference = f"{repository_of(image['name'])}@{image['manifest']}"
            self._registry.copy(reference, self._staging.path, _bundle.BLOBS.partition("/")[0], SCRATCH, held)
            lacking = self._lacking_layers(image)
        if lacking:
            raise CognitiveError(
                f"Image {image['name']}: its registry does not give blob {next(iter(lacking))} as its manifest says; run this again, and if it stays so push the image there again."
            )
        self._staging.keep(image)

    def _lacking_layers(self, image: _oci.Image) -> dict[str, int]:
        return self._staging.lacking({layer["digest"]: layer["size"] for layer in image["layers"]})


def _proved(name: str, data: bytes, digest: str) -> bytes:
    found = _oci.digest_of(data)
    if found != digest:
        raise CognitiveError(f"Image {name}: its registry gives {found} where {digest} was asked for; do not trust it, and see who runs it.")
    return data
