# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives as the engines write them, made without an engine, and an engine that hands them out."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils._archive import legacy_names

SHAPES = ("legacy", "hybrid", "containerd")
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_PLAIN = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def layer_of(name: str, size: int = 5000, seed: int = 0) -> bytes:
    """A plain layer with one file of C(size) bytes."""
    content = random.Random(f"{name} {seed}").randbytes(size)
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = size
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


@dataclass
class SampleImage:
    """An image: plain layers, base first, and what its config says."""

    layers: list[bytes]
    settings: dict[str, t.Any] = field(default_factory=dict)
    architecture: str = "amd64"

    @property
    def diff_ids(self) -> list[str]:
        return ["sha256:" + sha256(layer) for layer in self.layers]

    @property
    def config(self) -> bytes:
        described = {"architecture": self.architecture, "os": "linux", "config": self.settings, "rootfs": {"type": "layers", "diff_ids": self.diff_ids}}
        return json.dumps(described).encode()

    def blobs(self, packed: bool) -> list[bytes]:
        return [gzip.compress(layer, mtime=0) if packed else layer for layer in self.layers]

    def manifest(self, packed: bool) -> bytes:
        media_type = LAYER_GZIP if packed else LAYER_PLAIN
        layers = [{"mediaType": media_type, "digest": "sha256:" + sha256(blob), "size": len(blob)} for blob in self.blobs(packed)]
        config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + sha256(self.config), "size": len(self.config)}
        return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}).encode()


class Archive:
    """A tar that is put together member by member."""

    def __init__(self) -> None:
        self.members: list[tuple[tarfile.TarInfo, bytes]] = []

    def add(self, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> Archive:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.size = len(data)
        member.linkname = link
        self.members.append((member, data))
        return self

    def drop(self, name: str) -> Archive:
        self.members = [entry for entry in self.members if entry[0].name != name]
        return self

    def replace(self, name: str, data: bytes) -> Archive:
        return self.drop(name).add(name, data)

    def name_of(self, data: bytes) -> str:
        """The name of the member that holds C(data)."""
        return next(member.name for member, content in self.members if content == data)

    def tobytes(self) -> bytes:
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as archive:
            for member, data in self.members:
                archive.addfile(member, io.BytesIO(data))
        return target.getvalue()


def archive_of(images: dict[str, SampleImage], shape: str) -> Archive:
    """What C(docker save) writes: up to Docker 24 (legacy), from 25 on in the classic store (hybrid), in the containerd store (containerd)."""
    return _legacy(images) if shape == "legacy" else _hybrid(images, packed=shape == "containerd")


def _legacy(images: dict[str, SampleImage]) -> Archive:
    archive, manifest, chains = Archive(), [], {}
    for name, image in images.items():
        paths, chain = [], ""
        for number, layer in enumerate(image.layers):
            chain = sha256((chain + sha256(layer)).encode())
            foreseen = next((path for path, diff_id in legacy_names(image.diff_ids[: number + 2]).items() if diff_id == image.diff_ids[number]), None)
            paths.append(foreseen or sha256((chain + sha256(image.config)).encode()) + "/layer.tar")
            directory = paths[-1].partition("/")[0]
            if any(member.name == paths[-1] for member, _data in archive.members):
                continue
            archive.add(f"{directory}/", kind=tarfile.DIRTYPE).add(f"{directory}/VERSION", b"1.0").add(f"{directory}/json", b"{}")
            if chain in chains:
                archive.add(paths[-1], kind=tarfile.SYMTYPE, link=f"../{chains[chain]}/layer.tar")
            else:
                chains[chain] = directory
                archive.add(paths[-1], layer)
        config = sha256(image.config) + ".json"
        archive.drop(config).add(config, image.config)
        manifest.append({"Config": config, "RepoTags": [name], "Layers": paths})
    return archive.add("manifest.json", json.dumps(manifest).encode()).add("repositories", b"{}")


def _hybrid(images: dict[str, SampleImage], packed: bool) -> Archive:
    blobs: dict[str, bytes] = {}
    manifest, index = [], []
    for name, image in images.items():
        for blob in (*image.blobs(packed), image.config, image.manifest(packed)):
            blobs["blobs/sha256/" + sha256(blob)] = blob
        layers = ["blobs/sha256/" + sha256(blob) for blob in image.blobs(packed)]
        manifest.append({"Config": "blobs/sha256/" + sha256(image.config), "RepoTags": [name], "Layers": layers})
        whole = image.manifest(packed)
        index.append({"mediaType": MANIFEST, "digest": "sha256:" + sha256(whole), "size": len(whole)})
    archive = Archive().add("blobs/", kind=tarfile.DIRTYPE).add("blobs/sha256/", kind=tarfile.DIRTYPE)
    for path in sorted(blobs):
        archive.add(path, blobs[path])
    archive.add("index.json", json.dumps({"schemaVersion": 2, "manifests": index}).encode())
    return archive.add("manifest.json", json.dumps(manifest).encode()).add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


@dataclass(frozen=True)
class Identity:
    """What an engine says of an image."""

    id: str
    repo_digests: tuple[str, ...]
    diff_ids: tuple[str, ...]
    os: str
    architecture: str


class SampleEngine:
    """An engine with C(images); C(saved) counts what was read from it."""

    def __init__(self, images: dict[str, SampleImage], shape: str = "legacy") -> None:
        self.images = images
        self.shape = shape
        self.saved: list[list[str]] = []
        self.break_after: int | None = None

    def image(self, name: str) -> Identity | None:
        image = self.images.get(name)
        if image is None:
            return None
        of = image.manifest(packed=True) if self.shape == "containerd" else image.config
        return Identity("sha256:" + sha256(of), (), tuple(image.diff_ids), "linux", image.architecture)

    def save(self, names: t.Sequence[str]) -> t.Iterator[bytes]:
        self.saved.append(list(names))
        data = archive_of({name: self.images[name] for name in names}, self.shape).tobytes()[: self.break_after]
        for start in range(0, len(data), 3000):
            yield data[start : start + 3000]
