# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The documents of an OCI image layout: descriptors and manifests, written and read.

Images are images. Licenses and models are artifacts: a manifest that names each file of a directory
as a layer of its own, so that files are kept once and never wrapped, parsed or changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
LAYER_ZSTD = LAYER + "+zstd"
EMPTY = "application/vnd.oci.empty.v1+json"
FILE = "application/octet-stream"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (MANIFEST, DOCKER_MANIFEST)
INDEXES = (INDEX, DOCKER_LIST)
# What Docker calls layers, and what OCI calls the same bytes.
_LAYER_TYPES = {
    "application/vnd.docker.image.rootfs.diff.tar": LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": LAYER_ZSTD,
}

REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
CONTAINERD_NAME = "io.containerd.image.name"
# Set on a manifest that did not come from a registry: its layers were compressed by this collection.
MADE_FROM = "airgap.cognitive.made-from"
RAW_SIZE = "airgap.cognitive.raw-size"
# Set on a manifest that says in OCI's words what the named one says in Docker's.
TWIN_OF = "airgap.cognitive.twin-of"
TREE_PREFIX = "airgap.cognitive."

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
EMPTY_BLOB = b"{}"
PLATFORM = "linux/amd64"
KINDS = ("license", "models")

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Layer(t.TypedDict):
    """A layer of an image: the blob as it is kept, and the digest of what is in it."""

    digest: str
    diff_id: str
    size: int
    media_type: str
    raw_size: t.Optional[int]  # pylint: disable=consider-alternative-union-syntax


class Image(t.TypedDict):
    """An image of a bundle."""

    name: str
    family: str
    tag: str
    platform: str
    manifest: str
    manifest_size: int
    manifest_media_type: str
    config: str
    config_size: int
    layers: list[Layer]
    source: str
    source_id: str


class File(t.TypedDict):
    """A file of a tree."""

    path: str
    digest: str
    size: int


class _TreeExtra(t.TypedDict, total=False):
    # Environment of the container that only the download told.
    environment: dict[str, str]


class Tree(_TreeExtra):
    """A directory of files in a bundle: a license or models."""

    kind: str
    family: str
    tag: str
    image: str
    config: str
    manifest: str
    manifest_size: int
    downloaded: t.Optional[str]  # pylint: disable=consider-alternative-union-syntax
    ends: t.Optional[str]  # pylint: disable=consider-alternative-union-syntax
    directories: list[str]
    files: list[File]


def digest_of(data: bytes) -> str:
    """C(sha256:…) of C(data)."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(document: object) -> bytes:
    """C(document) as JSON, the same bytes for the same content."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, where: str) -> dict[str, t.Any]:
    """The JSON object in C(data)."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CognitiveError(f"{where} is not readable as JSON ({error}); get the bundle again from where it was made.") from error
    if not isinstance(document, dict):
        raise CognitiveError(f"{where} does not hold a JSON object; get the bundle again from where it was made.")
    return document


def check_digest(digest: object, where: str) -> str:
    """C(digest), if it is one; it becomes a file name, so nothing else may pass."""
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise CognitiveError(f"{where} names {str(digest)[:80]!r}, which is not a SHA-256 digest; get the bundle again from where it was made.")
    return digest


def check_relative(path: object, where: str) -> str:
    """C(path), if it is a plain path that stays below the directory that it is relative to."""
    parts = path.split("/") if isinstance(path, str) else [""]
    if any(part in ("", ".", "..") for part in parts) or "\0" in t.cast(str, path):
        raise CognitiveError(f"{where} names {str(path)[:80]!r}, which leads out of its directory; do not use this bundle.")
    return t.cast(str, path)


def normalized_name(name: str) -> str:
    """C(name) as containerd writes it, with the registry that an engine takes where none is named."""
    import docker.auth  # pylint: disable=import-outside-toplevel # a bundle is read without the SDK, and written with it

    index, repository = docker.auth.resolve_repository_name(name)
    if index == docker.auth.INDEX_NAME and "/" not in repository:
        repository = "library/" + repository
    return f"{index}/{repository}"


def descriptor(media_type: str, digest: str, size: int, **more: t.Any) -> dict[str, t.Any]:
    """An OCI descriptor."""
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


def descriptor_parts(entry: object, where: str) -> tuple[str, int]:
    """Digest and size of a descriptor that was read."""
    found = entry if isinstance(entry, dict) else {}
    size = found.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise CognitiveError(f"{where} names a blob without a size; get the bundle again from where it was made.")
    return check_digest(found.get("digest"), where), size


def image_manifest(config: bytes, layers: t.Sequence[Layer], made_here: bool) -> bytes:
    """The manifest of an image whose blobs are at hand."""
    return _manifest(digest_of(config), len(config), layers, {MADE_FROM: "engine"} if made_here else {})


def _manifest(config: str, config_size: int, layers: t.Sequence[Layer], annotations: t.Mapping[str, str]) -> bytes:
    def layer(entry: Layer) -> dict[str, t.Any]:
        more = {"annotations": {RAW_SIZE: str(entry["raw_size"])}} if entry["raw_size"] is not None else {}
        return descriptor(entry["media_type"], entry["digest"], entry["size"], **more)

    return encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config, config_size),
            "layers": [layer(entry) for entry in layers],
            **({"annotations": annotations} if annotations else {}),
        }
    )


def twin(image: Image) -> bytes | None:
    """A second manifest of an image that a registry serves with one of Docker's, which tools that look for OCI's do not see in a layout."""
    if image["manifest_media_type"] == MANIFEST:
        return None
    layers = [t.cast(Layer, {**layer, "media_type": _LAYER_TYPES.get(layer["media_type"], layer["media_type"])}) for layer in image["layers"]]
    return _manifest(image["config"], image["config_size"], layers, {TWIN_OF: image["manifest"]})


def tree_type(kind: str) -> str:
    """Artifact type of the trees of a kind."""
    return f"application/vnd.airgap.cognitive.{kind}.v1"


def tree_manifest(tree: t.Mapping[str, t.Any]) -> bytes:
    """The manifest of a tree."""
    annotations = {TREE_PREFIX + key: tree[key] for key in ("family", "tag", "image", "config", "downloaded", "ends") if tree[key] is not None}
    if tree.get("environment"):
        annotations[TREE_PREFIX + "environment"] = encode(tree["environment"]).decode()
    annotations[TREE_PREFIX + "directories"] = encode(tree["directories"]).decode()
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": tree_type(tree["kind"]),
            "config": descriptor(EMPTY, digest_of(EMPTY_BLOB), len(EMPTY_BLOB)),
            "layers": [descriptor(FILE, file["digest"], file["size"], annotations={TITLE: file["path"]}) for file in tree["files"]],
            "annotations": annotations,
        }
    )


def image_entries(image: Image, **annotations: str) -> list[dict[str, t.Any]]:
    """What C(index.json) says of an image: any OCI tool finds it by its full name."""
    system, _slash, architecture = image["platform"].partition("/")
    platform = {"os": system, "architecture": architecture}
    named = {REF_NAME: image["name"], CONTAINERD_NAME: normalized_name(image["name"]), **annotations}
    entries = [descriptor(image["manifest_media_type"], image["manifest"], image["manifest_size"], platform=platform, annotations=named)]
    second = twin(image)
    if second is not None:
        entries.append(descriptor(MANIFEST, digest_of(second), len(second), platform=platform, annotations={REF_NAME: image["name"], TWIN_OF: image["manifest"]}))
    return entries


def tree_entry(tree: Tree) -> dict[str, t.Any]:
    """What C(index.json) says of a tree."""
    return descriptor(
        MANIFEST,
        tree["manifest"],
        tree["manifest_size"],
        artifactType=tree_type(tree["kind"]),
        annotations={REF_NAME: f"{tree['kind']}/{tree['family']}/{tree['tag']}"},
    )


def read_layers(manifest: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any], where: str) -> list[Layer]:
    """The layers of an image, from its manifest and its config."""
    entries = manifest.get("layers")
    diff_ids = (config.get("rootfs") or {}).get("diff_ids") if isinstance(config.get("rootfs"), dict) else None
    if not isinstance(entries, list) or not isinstance(diff_ids, list) or len(entries) != len(diff_ids):
        raise CognitiveError(f"{where}: manifest and config do not name the same number of layers; export the image again.")
    layers: list[Layer] = []
    for entry, diff_id in zip(entries, diff_ids):
        digest, size = descriptor_parts(entry, where)
        raw_size = str((entry.get("annotations") or {}).get(RAW_SIZE, ""))
        layers.append(
            {
                "digest": digest,
                "diff_id": check_digest(diff_id, where),
                "size": size,
                "media_type": str(entry.get("mediaType", "")),
                "raw_size": int(raw_size) if raw_size.isdigit() else None,
            }
        )
    return layers


def read_files(manifest: t.Mapping[str, t.Any], where: str) -> tuple[list[str], list[File]]:
    """Directories and files of a tree, from its manifest."""
    files: list[File] = []
    for entry in manifest.get("layers") or []:
        digest, size = descriptor_parts(entry, where)
        files.append({"path": check_relative((entry.get("annotations") or {}).get(TITLE), where), "digest": digest, "size": size})
    listed = (manifest.get("annotations") or {}).get(TREE_PREFIX + "directories", "[]")
    try:
        directories = json.loads(listed)
    except (TypeError, ValueError) as error:
        raise CognitiveError(f"{where}: its list of directories cannot be read; get the bundle again from where it was made.") from error
    return [check_relative(path, where) for path in directories], files
