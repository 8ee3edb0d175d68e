# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry in memory that answers as skopeo does, and is as trusting as skopeo is."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, sha256

DOCKER = "application/vnd.docker."


def docker_manifest(image: SampleImage) -> bytes:
    """The manifest of an image in Docker's format, written as no code here writes it."""
    layers = [{"mediaType": DOCKER + "image.rootfs.diff.tar.gzip", "size": len(blob), "digest": "sha256:" + sha256(blob)} for blob in image.blobs(packed=True)]
    config = {"mediaType": DOCKER + "container.image.v1+json", "size": len(image.config), "digest": "sha256:" + sha256(image.config)}
    return json.dumps({"schemaVersion": 2, "mediaType": DOCKER + "distribution.manifest.v2+json", "config": config, "layers": layers}, indent=3).encode()


def list_of(**manifests: bytes) -> bytes:
    """A list of manifests by machine."""
    entries = [
        {"mediaType": json.loads(data)["mediaType"], "size": len(data), "digest": "sha256:" + sha256(data), "platform": {"os": "linux", "architecture": machine}}
        for machine, data in manifests.items()
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": DOCKER + "distribution.manifest.list.v2+json", "manifests": entries}).encode()


class FakeRegistry:
    """C(asked) is what was asked of it; C(spoilt) are layers that arrive altered, C(break_after) is how many arrive before it breaks off."""

    def __init__(self) -> None:
        self.tags: dict[str, bytes] = {}
        self.documents: dict[str, bytes] = {}
        self.images: dict[str, SampleImage] = {}
        self.asked: list[str] = []
        self.brought: list[str] = []
        self.spoilt: set[str] = set()
        self.break_after: int | None = None

    def push(self, name: str, image: SampleImage, manifest: bytes | None = None, listed: bytes | None = None) -> None:
        """Give it an image, and a list that has it."""
        manifest = manifest or image.manifest(packed=True)
        self.documents["sha256:" + sha256(manifest)] = manifest
        self.images["sha256:" + sha256(manifest)] = image
        self.tags[name] = listed or manifest

    def manifest(self, reference: str) -> bytes:
        self.asked.append(f"manifest {reference}")
        _repository, _at, digest = reference.partition("@")
        found = self.documents.get(digest) if digest else self.tags.get(reference)
        if found is None:
            raise CognitiveError(f"Image {reference}: its registry does not have it.")
        return found

    def config(self, reference: str) -> bytes:
        self.asked.append(f"config {reference}")
        return self.images[reference.partition("@")[2]].config

    def copy(self, reference: str, directory: str, blobs: str, scratch: str, held: int) -> None:
        self.asked.append(f"copy {reference}")
        for blob in self.images[reference.partition("@")[2]].blobs(packed=True):
            path = os.path.join(directory, blobs, "sha256", sha256(blob))
            if os.path.exists(path):
                continue
            if self.break_after is not None and len(self.brought) >= self.break_after:
                raise CognitiveError("broken off")
            self.brought.append(sha256(blob))
            with open(path, "wb") as stream:
                stream.write(b"x" * len(blob) if sha256(blob) in self.spoilt else blob)


def names_of(asked: t.Sequence[str]) -> list[str]:
    """Which kinds of questions were asked."""
    return [question.partition(" ")[0] for question in asked]
