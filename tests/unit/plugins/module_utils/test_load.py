# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest
from push_fakes import Sample

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._load import hybrid_archive

SAMPLE = Sample("test/one:1", b"base" * 999, b"one" * 171, b"base" * 999)


class Blobs:
    def __init__(self, root, sample):
        self.root, self.documents = root, sample.documents
        for digest, blob in sample.blobs.items():
            (root / digest[7:]).write_bytes(blob)

    def path(self, digest):
        return str(self.root / digest[7:])

    def document(self, digest):
        return self.documents[digest]


def read(blocks) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(blocks))) as tar:
        members = tar.getmembers()
        assert len({member.name for member in members}) == len(members)
        return {member.name: tar.extractfile(member).read() for member in members}


def test_any_reader_of_tar_finds_both_shapes_in_it(tmp_path):
    blocks = list(hybrid_archive(SAMPLE.image, SAMPLE.layers, Blobs(tmp_path, SAMPLE), unpack_zstd=False))
    found = read(blocks)
    assert sum(len(block) for block in blocks) % 512 == 0
    # A layer that comes twice in an image is in the archive once.
    assert len(found) == 3 + 2 + 2
    for name, content in found.items():
        if name.startswith("blobs/"):
            assert name == "blobs/sha256/" + hashlib.sha256(content).hexdigest()
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    classic = json.loads(found["manifest.json"])
    assert classic[0]["RepoTags"] == ["test/one:1"] and len(classic[0]["Layers"]) == 3
    entry = json.loads(found["index.json"])["manifests"][0]
    assert entry["digest"] == SAMPLE.image["manifest"] and entry["size"] == len(found["blobs/sha256/" + entry["digest"][7:]])
    assert entry["annotations"]["io.containerd.image.name"].endswith("/test/one:1")


def test_layers_that_the_engine_has_are_named_but_not_in_it(tmp_path):
    found = read(hybrid_archive(SAMPLE.image, SAMPLE.layers[1:2], Blobs(tmp_path, SAMPLE), unpack_zstd=False))
    assert len(found) == 3 + 2 + 1
    assert len(json.loads(found["manifest.json"])[0]["Layers"]) == 3


@pytest.mark.parametrize("known", [True, False])
def test_zstd_is_unpacked_where_it_is_asked_for(tmp_path, known):
    layers = [{**entry, "raw_size": entry["raw_size"] if known else None} for entry in SAMPLE.layers]
    found = read(hybrid_archive(SAMPLE.image, layers, Blobs(tmp_path, SAMPLE), unpack_zstd=True))
    for entry in SAMPLE.layers:
        content = found["blobs/sha256/" + entry["digest"][7:]]
        assert "sha256:" + hashlib.sha256(content).hexdigest() == entry["diff_id"]


def test_a_layer_of_another_packing_stays_as_it_is(tmp_path):
    layers = [{**entry, "media_type": "application/vnd.oci.image.layer.v1.tar+gzip"} for entry in SAMPLE.layers]
    found = read(hybrid_archive(SAMPLE.image, layers, Blobs(tmp_path, SAMPLE), unpack_zstd=True))
    assert found["blobs/sha256/" + layers[0]["digest"][7:]] == SAMPLE.blobs[layers[0]["digest"]]


def test_a_blob_that_zstd_cannot_unpack_is_named(tmp_path):
    blobs = Blobs(tmp_path, SAMPLE)
    path = tmp_path / SAMPLE.layers[0]["digest"][7:]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CognitiveError, match=f"{path.name}: zstd cannot unpack this blob"):
        list(hybrid_archive(SAMPLE.image, SAMPLE.layers, blobs, unpack_zstd=True))


def test_without_zstd_the_package_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CognitiveError, match="install the package zstd"):
        list(hybrid_archive(SAMPLE.image, SAMPLE.layers, Blobs(tmp_path, SAMPLE), unpack_zstd=True))
