# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the bench moves: images whose layers are files of this machine, drawn with fixed seeds, and bundles that no engine ever held."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import random
import subprocess
import tarfile
import tempfile
import typing as t
from pathlib import Path

from place import ROOM, SCALE, SCOPE, BenchError, docker, say

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci

MB = 1_000_000
LARGEST_FILE = 32 * MB
REPOSITORY = f"{SCOPE}-bench"
LABEL = "airgap.cognitive.scale"
# By layer: its seed, and its size at scale 1.
BASE = (("base-1", 600 * MB), ("base-2", 300 * MB), ("base-3", 200 * MB))
MODEL = 500 * MB
SHARED_BASE = {
    "speech:1": (*BASE, ("speech", 20 * MB), ("model-1", MODEL)),
    "speech:2": (*BASE, ("speech", 20 * MB), ("model-2", MODEL)),
    "sentiment:1": (*BASE, ("sentiment", 30 * MB)),
    "layout:1": (*BASE, ("layout", 60 * MB)),
}
SMALL = {f"small-{number}:1": tuple((f"small-{layer if layer < 3 else (number, layer)}", MB) for layer in range(8)) for number in range(12)}
VERSION_1 = ("speech:1", "sentiment:1", "layout:1")
VERSION_2 = ("speech:2", "sentiment:1", "layout:1")


def name_of(image: str) -> str:
    """As the engine knows it."""
    return f"{REPOSITORY}/{image}"


@functools.cache
def pool() -> tuple[list[str], list[int]]:
    """Files of this machine, in an order that does not change, and their sizes."""
    paths, sizes = [], []
    for directory, directories, names in os.walk("/usr"):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not os.path.islink(path) and 0 < os.path.getsize(path) <= LARGEST_FILE:
                paths.append(path)
                sizes.append(os.path.getsize(path))
    return paths, sizes


def write_layer(target: t.BinaryIO, seed: str, size: int) -> str:
    """A layer of files of about C(size) bytes, drawn by C(seed); its digest."""
    paths, sizes = pool()
    draw = random.Random(seed)
    hashed = _Hashed(target)
    count, left = 0, size
    with tarfile.open(fileobj=t.cast(t.Any, hashed), mode="w|", format=tarfile.GNU_FORMAT) as archive:
        while left > 0:
            number = draw.randrange(len(paths))
            member = tarfile.TarInfo(f"{seed}/{count}{paths[number]}")
            member.size, member.mode = min(sizes[number], left), 0o755
            count += 1
            try:
                with open(paths[number], "rb") as stream:
                    # A file may have changed since it was listed, and a member has the size that was said.
                    archive.addfile(member, io.BytesIO(stream.read(member.size).ljust(member.size, b"\0")))
            except FileNotFoundError:
                continue
            left -= member.size
    return "sha256:" + hashed.digest.hexdigest()


class _Hashed:
    def __init__(self, target: t.BinaryIO) -> None:
        self._target = target
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._target.write(data)


def config_of(name: str, diff_ids: t.Sequence[str]) -> bytes:
    described = {"Cmd": ["true"], "Labels": {LABEL: str(SCALE), "name": name}}
    return _oci.encode({"architecture": "amd64", "os": "linux", "config": described, "rootfs": {"type": "layers", "diff_ids": diff_ids}})


def ensure_images(images: t.Mapping[str, t.Sequence[tuple[str, int]]]) -> None:
    """Have them in this machine's engine; what is there from an earlier run at the same scale serves."""
    form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    with tempfile.TemporaryDirectory(dir=ROOM, prefix="layers-") as directory:
        made: dict[str, tuple[str, str]] = {}
        for image, layers in images.items():
            if docker("image", "inspect", "--format", form, name_of(image), check=False) == str(SCALE):
                continue
            say(f"making {image}")
            # One of another scale would stay without a name.
            docker("image", "rm", "--force", name_of(image), check=False)
            for seed, size in layers:
                if seed not in made:
                    path = f"{directory}/{len(made)}"
                    with open(path, "wb") as stream:
                        made[seed] = (path, write_layer(stream, seed, int(size * SCALE)))
            _load(image, [made[seed] for seed, _size in layers])


def _load(image: str, layers: list[tuple[str, str]]) -> None:
    names = [digest.partition(":")[2] for _path, digest in layers]
    manifest = [{"Config": "config.json", "RepoTags": [name_of(image)], "Layers": names}]
    documents = {"config.json": config_of(image, [digest for _path, digest in layers]), "manifest.json": _oci.encode(manifest)}
    with subprocess.Popen(["docker", "load", "--quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as loader:
        with tarfile.open(fileobj=loader.stdin, mode="w|", format=tarfile.GNU_FORMAT) as archive:
            for name, content in documents.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            for (path, _digest), name in zip(layers, names):
                archive.add(path, name)
    if loader.returncode:
        raise BenchError(f"{image} could not be loaded into this machine's engine.")


def write_bundle(path: Path, images: t.Mapping[str, t.Sequence[tuple[str, int]]]) -> None:
    """A bundle with plain layers of just these sizes, unsigned: enough for a push, which comes after the verification."""
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    entries = []
    known: dict[tuple[str, int], _oci.Layer] = {}
    for image, layers in images.items():
        for seed, size in layers:
            if (seed, size) not in known:
                with (blobs / ".new").open("wb") as stream:
                    digest = write_layer(stream, seed, size)
                    written = stream.tell()
                (blobs / ".new").rename(blobs / digest.partition(":")[2])
                known[seed, size] = {"digest": digest, "diff_id": digest, "size": written, "media_type": _oci.LAYER, "raw_size": written}
        found = [known[layer] for layer in layers]
        config = config_of(image, [layer["diff_id"] for layer in found])
        manifest = _oci.image_manifest(config, found, made_here=True)
        for document in (config, manifest):
            (blobs / _oci.digest_of(document).partition(":")[2]).write_bytes(document)
        entries.append(
            {
                "name": name_of(image),
                "family": "sentiment",
                "tag": image,
                "manifest": _oci.digest_of(manifest),
                "manifest_size": len(manifest),
                "manifest_media_type": _oci.MANIFEST,
                "config": _oci.digest_of(config),
                "source": "engine",
                "source_id": "",
            }
        )
    (path / "bundle.json").write_bytes(_oci.encode({"schema": 1, "images": entries}))
