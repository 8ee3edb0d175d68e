# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""One archive that every engine from 20.10 on loads, made on the fly from blobs.

It is an OCI image layout and a docker-archive at once: the classic store reads C(manifest.json),
the containerd store C(index.json). Layers that the engine has already are left out.
"""

from __future__ import annotations

import subprocess
import tarfile
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import ZSTD_SINCE, is_zstd

_BLOCK = 1 << 20


class Blobs(t.Protocol):
    """Where the blobs of an archive come from."""

    def path(self, digest: str) -> str: ...

    def document(self, digest: str) -> bytes: ...


def hybrid_archive(image: t.Mapping[str, t.Any], layers: t.Sequence[t.Mapping[str, t.Any]], blobs: Blobs, name: str, unpack_zstd: bool) -> t.Iterator[bytes]:
    """The archive of C(image) under C(name) with only C(layers) in it, block by block."""
    yield from _member("oci-layout", _oci.LAYOUT)
    yield from _member("index.json", _oci.encode(_index(image, name)))
    manifest = [{"Config": _name(image["config"]), "RepoTags": [name], "Layers": [_name(layer["digest"]) for layer in image["layers"]]}]
    yield from _member("manifest.json", _oci.encode(manifest))
    for digest in (image["manifest"], image["config"]):
        yield from _member(_name(digest), blobs.document(digest))
    sent = set()
    for layer in layers:
        if layer["digest"] in sent:
            continue
        sent.add(layer["digest"])
        if unpack_zstd and is_zstd(layer):
            yield from _unpacked_member(layer, blobs.path(layer["digest"]))
        else:
            yield from _file_member(layer, blobs.path(layer["digest"]))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _index(image: t.Mapping[str, t.Any], name: str) -> dict[str, t.Any]:
    system, _slash, architecture = image["platform"].partition("/")
    return {
        "schemaVersion": 2,
        "mediaType": _oci.INDEX,
        "manifests": [
            _oci.descriptor(
                image["manifest_media_type"],
                image["manifest"],
                image["manifest_size"],
                platform={"os": system, "architecture": architecture},
                annotations={
                    _oci.CONTAINERD_NAME: _oci.normalized_name(name),
                    _oci.REF_NAME: name.rpartition(":")[2],
                },
            )
        ],
    }


def _name(digest: str) -> str:
    return "blobs/sha256/" + digest.partition(":")[2]


def _head(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _member(name: str, content: bytes) -> t.Iterator[bytes]:
    yield _head(name, len(content)) + content + _padding(len(content))


def _file_member(layer: t.Mapping[str, t.Any], path: str) -> t.Iterator[bytes]:
    with open(path, "rb") as stream:
        yield from _sized(layer, int(layer["size"]), _blocks(stream))


def _unpacked_member(layer: t.Mapping[str, t.Any], path: str) -> t.Iterator[bytes]:
    size = layer.get("raw_size")
    # A tar says the size of a file before its content, so a layer of unknown size is unpacked twice.
    yield from _sized(layer, sum(len(block) for block in _zstd(path)) if size is None else int(size), _zstd(path))


def _sized(layer: t.Mapping[str, t.Any], size: int, blocks: t.Iterator[bytes]) -> t.Iterator[bytes]:
    yield _head(_name(layer["digest"]), size)
    left = size
    for block in blocks:
        left -= len(block)
        if left < 0:
            break
        yield block
    if left:
        raise CognitiveError(f"Layer {layer['digest']} does not have the size that the bundle says ({size} bytes); verify the bundle.")
    yield _padding(size)


def _zstd(path: str) -> t.Iterator[bytes]:
    try:
        process = subprocess.Popen(["zstd", "--decompress", "--stdout", "--quiet", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise CognitiveError(f"The zstd program is missing, and Docker Engine before {ZSTD_SINCE} cannot unpack zstd; install the package zstd.") from error
    assert process.stdout is not None and process.stderr is not None
    try:
        yield from _blocks(process.stdout)
        problem = process.stderr.read().decode(errors="replace").strip()
    finally:
        # Also when nobody wants the rest.
        process.stdout.close()
        process.stderr.close()
        process.wait()
    if process.returncode:
        raise CognitiveError(f"{path}: zstd cannot unpack this blob ({problem}); push again, and if it stays so verify the bundle.")


def _blocks(stream: t.IO[bytes]) -> t.Iterator[bytes]:
    while True:
        block = stream.read(_BLOCK)
        if not block:
            return
        yield block
