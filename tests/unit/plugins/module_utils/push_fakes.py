# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images and an engine that the tests of a push make up; the engine loads archives as a real one does."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import tarfile
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError


@dataclass(frozen=True)
class Held:
    id: str
    diff_ids: tuple


def layer(content: bytes) -> tuple[dict, bytes]:
    """A layer as a bundle has it, packed with zstd, and its blob."""
    blob = subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout
    described = {"digest": _oci.digest_of(blob), "diff_id": _oci.digest_of(content), "size": len(blob), "media_type": _oci.LAYER_ZSTD, "raw_size": len(content)}
    return described, blob


class Sample:
    """An image of C(contents), one layer each, with all its blobs."""

    def __init__(self, name: str, *contents: bytes) -> None:
        made = [layer(content) for content in contents]
        self.layers = [described for described, _blob in made]
        self.blobs = {described["digest"]: blob for described, blob in made}
        config = _oci.encode({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [entry["diff_id"] for entry in self.layers]}})
        manifest = _oci.image_manifest(config, self.layers, made_here=True)
        self.documents = {_oci.digest_of(data): data for data in (config, manifest)}
        self.image = {
            "name": name,
            "family": "sentiment",
            "tag": name.rpartition(":")[2],
            "platform": "linux/amd64",
            "manifest": _oci.digest_of(manifest),
            "manifest_size": len(manifest),
            "manifest_media_type": _oci.MANIFEST,
            "config": _oci.digest_of(config),
            "config_size": len(config),
            "layers": self.layers,
        }

    def as_call(self) -> dict[str, str]:
        return {digest: base64.b64encode(data).decode() for digest, data in self.documents.items()}


class FakeEngine:
    """An engine of either store. C(trouble) is a message with which the next loads fail."""

    version = "26.1.5"

    def __init__(self, store: str, root: str = "/") -> None:
        self.store = store
        self.root = root
        self.major = int(self.version.split(".", 1)[0])
        self.names: dict[str, str] = {}
        self.held: dict[str, Held] = {}
        self.blobs: set[str] = set()
        self.members: list[list[str]] = []
        self.trouble: list[str] = []

    def image(self, name: str) -> Held | None:
        return self.held.get(self.names.get(name, name))

    def images(self) -> list[Held]:
        return list(self.held.values())

    def hold(self, image: dict, name: str | None = None) -> None:
        found = Held(image["manifest"] if self.store == "containerd" else image["config"], tuple(entry["diff_id"] for entry in image["layers"]))
        self.held[found.id] = found
        self.names[name or image["name"]] = found.id
        self.blobs.update(entry["digest"] for entry in image["layers"])

    def load(self, archive) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            found = {member.name: tar.extractfile(member).read() for member in tar}
        self.members.append(sorted(found))
        if self.trouble:
            raise CognitiveError(self.trouble.pop(0))
        described = json.loads(found["manifest.json"])[0]
        diff_ids = json.loads(found[described["Config"]])["rootfs"]["diff_ids"]
        chains = {held.diff_ids[: count + 1] for held in self.held.values() for count in range(len(held.diff_ids))}
        for count, (path, diff_id) in enumerate(zip(described["Layers"], diff_ids), 1):
            if path not in found and (tuple(diff_ids[:count]) not in chains if self.store == "classic" else "sha256:" + path.rpartition("/")[2] not in self.blobs):
                raise CognitiveError(f"lstat {path}: no such file or directory")
            if self.major < 23 and path in found and "sha256:" + hashlib.sha256(found[path]).hexdigest() != diff_id:
                raise CognitiveError("invalid tar header")
        manifest = json.loads(found["index.json"])["manifests"][0]["digest"]
        name = described["RepoTags"][0]
        self.hold(
            {
                "name": name,
                "manifest": manifest,
                "config": "sha256:" + described["Config"].rpartition("/")[2],
                "layers": [{"diff_id": diff_id, "digest": "sha256:" + path.rpartition("/")[2]} for path, diff_id in zip(described["Layers"], diff_ids)],
            }
        )

    def tag(self, image: str, name: str) -> None:
        self.names[name] = image

    def remove_image(self, name: str, noprune: bool = False) -> bool:
        found = self.names.pop(name, None)
        if found and found not in self.names.values():
            del self.held[found]
        return found is not None
