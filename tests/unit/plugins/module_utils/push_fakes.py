# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images, engines and spools for the tests of a push; no engine is needed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import typing as t
from dataclasses import dataclass, field

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import EngineImage, LoadRefused
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import ARRIVING
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not here")


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class MadeImage:
    """An image as a bundle describes it, and the content of its blobs."""

    entry: dict[str, t.Any]
    blobs: dict[str, bytes]
    raw: dict[str, bytes]


def make_image(name: str, contents: t.Sequence[bytes], kind: str = "plain", raw_size: bool = True) -> MadeImage:
    """An image with a layer for each of C(contents); C(kind) is how its blobs are kept: plain, gzip or zstd."""
    layers, blobs, raw = [], {}, {}
    for content in contents:
        blob = content if kind == "plain" else subprocess.run([kind, "-c", "-q"], input=content, stdout=subprocess.PIPE, check=True).stdout
        suffix = "" if kind == "plain" else "+" + kind
        layers.append(
            {
                "digest": digest_of(blob),
                "diff_id": digest_of(content),
                "size": len(blob),
                "media_type": _oci.LAYER + suffix,
                "raw_size": len(content) if raw_size else None,
            }
        )
        blobs[digest_of(blob)] = blob
        raw[digest_of(blob)] = content
    config = json.dumps({"name": name, "rootfs": {"diff_ids": [layer["diff_id"] for layer in layers]}}).encode()
    manifest = _oci.image_manifest(config, layers, made_here=True)
    blobs[digest_of(config)] = config
    blobs[digest_of(manifest)] = manifest
    entry = {
        "name": name,
        "family": "f",
        "tag": name.rpartition(":")[2],
        "platform": "linux/amd64",
        "manifest": digest_of(manifest),
        "manifest_size": len(manifest),
        "manifest_media_type": _oci.MANIFEST,
        "config": digest_of(config),
        "config_size": len(config),
        "layers": layers,
        "source": "engine",
        "source_id": "",
    }
    return MadeImage(entry, blobs, raw)


class FakeEngine:
    """An engine that takes and refuses archives as real ones do, in either store."""

    local = True
    version = "26.1.5"
    root = content_root = "/"

    def __init__(self, store: str = "classic", major: int = 26) -> None:
        self.store = store
        self.major = major
        self.names: dict[str, EngineImage] = {}
        self.blobs: set[str] = set()
        self.loads: list[list[str]] = []
        self.fail_with: list[Exception] = []
        self.answer_broken = False

    def image(self, name: str) -> EngineImage | None:
        return self.names.get(name) or next((image for image in self.images() if image.id == name), None)

    def images(self) -> list[EngineImage]:
        found: dict[str, EngineImage] = {}
        for name, image in self.names.items():
            tags = (*(found[image.id].tags if image.id in found else ()), name)
            found[image.id] = EngineImage(image.id, tags, (), image.diff_ids, 0, "linux", "amd64", image.complete)
        return list(found.values())

    def tags(self) -> list[str]:
        return list(self.names)

    def hold(self, image: dict[str, t.Any], name: str | None = None, complete: bool = True) -> None:
        identity = image["manifest"] if self.store == "containerd" else image["config"]
        diff_ids = tuple(layer["diff_id"] for layer in image["layers"])
        self.names[name or image["name"]] = EngineImage(identity, (), (), diff_ids, 0, "linux", "amd64", complete)
        self.blobs.update(layer["digest"] for layer in image["layers"])

    def tag(self, image: str, name: str) -> None:
        found = self.image(image)
        assert found is not None
        self.names[name] = found

    def remove_image(self, name: str, noprune: bool = False) -> bool:
        return self.names.pop(name, None) is not None

    def load(self, archive: t.Iterator[bytes]) -> list[str]:
        content = b"".join(archive)
        if self.fail_with:
            raise self.fail_with.pop(0)
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar.getmembers()}  # type: ignore[union-attr]
        self.loads.append(list(members))
        manifest = json.loads(members["manifest.json"])[0]
        config = members[manifest["Config"]]
        descriptor = json.loads(members["index.json"])["manifests"][0]
        diff_ids = json.loads(config)["rootfs"]["diff_ids"]
        name = manifest["RepoTags"][0]
        broken = False
        chains = {image.diff_ids[: count + 1] for image in self.images() for count in range(len(image.diff_ids))}
        for count, path in enumerate(manifest["Layers"]):
            if self.store == "containerd":
                self.blobs.update({digest_of(members[path])} if path in members else ())
                broken = broken or "sha256:" + path.rpartition("/")[2] not in self.blobs
            elif tuple(diff_ids[: count + 1]) not in chains and path not in members:
                raise LoadRefused(f"open {path}: no such file or directory")
        identity = descriptor["digest"] if self.store == "containerd" else digest_of(config)
        self.names[name] = EngineImage(identity, (), (), tuple(diff_ids), 0, "linux", "amd64", not broken)
        if broken and not self.answer_broken:
            raise LoadRefused("Error unpacking image")
        return [f"Loaded image: {name}"]


@dataclass
class FilledSpool:
    """A spool, and what it takes to fill it."""

    spool: Spool
    incoming: str = field(init=False)

    def __post_init__(self) -> None:
        self.incoming = os.path.join(self.spool.root, "incoming")
        os.makedirs(self.incoming)

    def receive(self, *images: MadeImage, only: t.Collection[str] | None = None) -> None:
        """What the controller would send for C(images)."""
        for image in images:
            for layer in image.entry["layers"]:
                if only is None or layer["digest"] in only:
                    self.write(layer["digest"], image.blobs[layer["digest"]])
            documents = {digest: image.blobs[digest] for digest in (image.entry["manifest"], image.entry["config"])}
            self.spool._documents.update(documents)

    def write(self, digest: str, content: bytes) -> None:
        with open(os.path.join(self.incoming, digest.partition(":")[2]), "wb") as stream:
            stream.write(content)


def left_in(spool: Spool) -> list[str]:
    return sorted(name for _directory, _directories, names in os.walk(spool.root) for name in names if name not in ("lock", "pushed.json"))


def passage_names(engine: FakeEngine) -> list[str]:
    return [name for name in engine.names if ARRIVING in name]
