# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
import tarfile

import pytest
from push_fakes import MadeImage, digest_of, make_image, needs_zstd

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._load import hybrid_archive


class Blobs:
    def __init__(self, image: MadeImage, root) -> None:
        self.image, self.root = image, root
        for digest, content in image.blobs.items():
            (root / digest[7:]).write_bytes(content)

    def path(self, digest: str) -> str:
        return str(self.root / digest[7:])

    def document(self, digest: str) -> bytes:
        return self.image.blobs[digest]


def archive(image, blobs, layers=None, unpack_zstd=False):
    entry = image.entry
    return b"".join(hybrid_archive(entry, entry["layers"] if layers is None else layers, blobs, "r/n:1", unpack_zstd))


def members(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def blob(digest):
    return "blobs/sha256/" + digest[7:]


@pytest.mark.parametrize("kind", ["plain", "gzip", pytest.param("zstd", marks=needs_zstd)])
def test_all_layers_as_they_are_kept(tmp_path, kind):
    image = make_image("r/n:1", [b"a" * 1000, b"b" * 512], kind)
    found = members(archive(image, Blobs(image, tmp_path)))
    assert list(found) == [
        "oci-layout",
        "index.json",
        "manifest.json",
        blob(image.entry["manifest"]),
        blob(image.entry["config"]),
        *(blob(layer["digest"]) for layer in image.entry["layers"]),
    ]
    for name, content in found.items():
        if name.startswith("blobs/"):
            assert name == blob(digest_of(content))
    manifest = json.loads(found["manifest.json"])
    assert manifest == [{"Config": blob(image.entry["config"]), "RepoTags": ["r/n:1"], "Layers": [blob(layer["digest"]) for layer in image.entry["layers"]]}]
    entry = json.loads(found["index.json"])["manifests"][0]
    assert entry["digest"] == image.entry["manifest"]
    assert entry["size"] == image.entry["manifest_size"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "1"
    assert entry["annotations"]["io.containerd.image.name"].endswith("/r/n:1")
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_a_layer_that_is_left_out_is_named_and_is_not_there(tmp_path):
    image = make_image("r/n:1", [b"a", b"b"])
    found = members(archive(image, Blobs(image, tmp_path), image.entry["layers"][1:]))
    assert len(json.loads(found["manifest.json"])[0]["Layers"]) == 2
    assert blob(image.entry["layers"][0]["digest"]) not in found
    assert blob(image.entry["layers"][1]["digest"]) in found


def test_a_layer_that_an_image_has_twice_is_there_once(tmp_path):
    image = make_image("r/n:1", [b"a", b"b", b"a"])
    content = archive(image, Blobs(image, tmp_path))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert len(tar.getnames()) == 5 + 2


def test_the_same_image_makes_the_same_bytes(tmp_path):
    image = make_image("r/n:1", [b"a"])
    assert archive(image, Blobs(image, tmp_path)) == archive(image, Blobs(image, tmp_path))


@needs_zstd
@pytest.mark.parametrize("raw_size", [True, False])
def test_zstd_is_unpacked_for_old_engines(tmp_path, raw_size):
    image = make_image("r/n:1", [b"a" * 3_000_000, b""], "zstd", raw_size)
    found = members(archive(image, Blobs(image, tmp_path), unpack_zstd=True))
    for layer in image.entry["layers"]:
        assert digest_of(found[blob(layer["digest"])]) == layer["diff_id"]


@needs_zstd
def test_a_size_that_lies_is_found_out(tmp_path):
    image = make_image("r/n:1", [b"a" * 1000], "zstd")
    for lie in (10, 2000):
        image.entry["layers"][0]["raw_size"] = lie
        with pytest.raises(CognitiveError, match="does not have the size that the bundle says"):
            archive(image, Blobs(image, tmp_path), unpack_zstd=True)


def test_a_blob_that_was_cut_is_found_out(tmp_path):
    image = make_image("r/n:1", [b"a" * 1000])
    blobs = Blobs(image, tmp_path)
    (tmp_path / image.entry["layers"][0]["digest"][7:]).write_bytes(b"a" * 10)
    with pytest.raises(CognitiveError, match="does not have the size"):
        archive(image, blobs)


@needs_zstd
@pytest.mark.parametrize("harm", [lambda blob: b"no zstd", lambda blob: blob[:-3]])
def test_a_blob_that_zstd_cannot_unpack_is_named(tmp_path, harm):
    image = make_image("r/n:1", [b"a" * 1000], "zstd", raw_size=False)
    blobs = Blobs(image, tmp_path)
    path = tmp_path / image.entry["layers"][0]["digest"][7:]
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(CognitiveError, match="zstd cannot unpack this blob"):
        archive(image, blobs, unpack_zstd=True)


def test_the_zstd_program_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    image = make_image("r/n:1", [b"a"])
    image.entry["layers"][0]["media_type"] += "+zstd"
    with pytest.raises(CognitiveError, match="install the package zstd"):
        archive(image, Blobs(image, tmp_path), unpack_zstd=True)
