# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile

import docker.auth
import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _archive
from ansible_collections.airgap.cognitive.plugins.module_utils._archive import SavedImage, SaveReader, StoredLayer, legacy_names
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import (
    SHAPES,
    Archive,
    SampleImage,
    archive_of,
    layer_of,
    sha256,
)

BASE = layer_of("base", 9000)
IMAGES = {"a:1": SampleImage([BASE, layer_of("one")]), "a:2": SampleImage([BASE, layer_of("two")], {"Labels": {"x": "2"}})}


class MemoryStore:
    """Keeps layers in memory, plain ones as they are."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.held: dict[str, StoredLayer] = {}

    def known(self, digest: str) -> StoredLayer | None:
        return self.held.get(digest)

    def take(self, stream: io.BytesIO, size: int) -> StoredLayer:
        data = stream.read()
        if len(data) != size:
            raise CognitiveError("cut short")
        digest = "sha256:" + sha256(data)
        self.taken.append(digest)
        return StoredLayer(digest, size, "x", None if data.startswith(b"\x1f\x8b") else digest, size)


def chunks_of(data: bytes, size: int = 1000):
    return (data[start : start + size] for start in range(0, len(data), size))


def read(archive: Archive | bytes, store: MemoryStore | None = None, names: dict[str, str] | None = None) -> SaveReader:
    reader = SaveReader(store or MemoryStore(), names)
    reader.read(chunks_of(archive if isinstance(archive, bytes) else archive.tobytes()))
    return reader


def refusal(archive: Archive | bytes, name: str = "a:1") -> str:
    with pytest.raises(CognitiveError) as error:
        read(archive).image(name)
    return str(error.value)


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_gives_the_same_images(shape):
    reader = read(archive_of(IMAGES, shape))
    for name, image in IMAGES.items():
        found = reader.image(name)
        assert found.config == image.config
        assert [layer["diff_id"] for layer in found.layers] == image.diff_ids
        assert [layer["digest"] for layer in found.layers] == ["sha256:" + sha256(blob) for blob in image.blobs(shape == "containerd")]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shared_layer_is_taken_once(shape):
    store = MemoryStore()
    read(archive_of(IMAGES, shape), store)
    assert len(store.taken) == len(set(store.taken)) == 3


def test_the_registrys_manifest_is_kept_where_its_blobs_are():
    assert read(archive_of(IMAGES, "containerd")).image("a:1").manifest == IMAGES["a:1"].manifest(packed=True)
    assert read(archive_of(IMAGES, "legacy")).image("a:1").manifest is None


@pytest.mark.parametrize("shape", ["hybrid", "containerd"])
def test_a_known_layer_is_not_read_again(shape):
    store = MemoryStore()
    blob = IMAGES["a:1"].blobs(shape == "containerd")[0]
    known = StoredLayer("sha256:" + "7" * 64, 5, "zstd", IMAGES["a:1"].diff_ids[0])
    store.held["sha256:" + sha256(blob)] = known
    found = read(archive_of(IMAGES, shape), store).image("a:1")
    assert found.layers[0]["digest"] == known.digest
    assert "sha256:" + sha256(blob) not in store.taken


def test_a_known_layer_of_a_legacy_archive_is_foreseen():
    store = MemoryStore()
    known = StoredLayer("sha256:" + "7" * 64, 5, "zstd", IMAGES["a:1"].diff_ids[0])
    store.held[known.diff_id] = known
    found = read(archive_of(IMAGES, "legacy"), store, legacy_names(IMAGES["a:1"].diff_ids)).image("a:1")
    assert found.layers[0]["digest"] == known.digest
    assert len(store.taken) == 2


def test_names_in_a_legacy_archive():
    """As Docker Engine 20.10.24 wrote them."""
    diff_ids = [
        "sha256:97c17a5cad6b7dd9ca7b62f9be65716ca22c3087d98c4b8082666a822f6b8f0f",
        "sha256:14a799f650e854ef4e530c0f259866919eb0f1e2265030be36e2e7095f135fe1",
        "sha256:898f6b0d63f78ad76745bc248811c21d8c487a7f9a571e01224a4c573d6cd0ca",
    ]
    assert list(legacy_names([*diff_ids, "sha256:" + "0" * 64]).items()) == [
        ("a57fc141235574770c28969ec1c8e5cba7ea22719328bac8daac2ea28c723d15/layer.tar", diff_ids[0]),
        ("5dd563e6572075a5a4ffd9d6dd5c82a5e378f95b4a0388c7cd1b6cfafb3b24d4/layer.tar", diff_ids[1]),
        ("06342bbc6464b00a93017c14d05e56139158d382de1b1007bb8f80123725d9ab/layer.tar", diff_ids[2]),
    ]


def test_names_are_compared_as_the_engine_normalizes_them():
    archive = archive_of({f"{docker.auth.INDEX_NAME}/library/a:1": IMAGES["a:1"]}, "hybrid")
    assert read(archive).image("a:1").config == IMAGES["a:1"].config


def test_a_platform_is_chosen():
    arm = SampleImage([BASE], architecture="arm64")
    both = Archive()
    both.members = archive_of({"a:1": arm}, "hybrid").members
    other = archive_of({"a:1": IMAGES["a:1"]}, "hybrid")
    entries = []
    for archive in (archive_of({"a:1": arm}, "hybrid"), other):
        entries += json.loads(next(data for member, data in archive.members if member.name == "manifest.json"))
    names = {member.name for member, _data in both.members}
    both.members += [entry for entry in other.members if entry[0].name not in names]
    both.replace("manifest.json", json.dumps(entries).encode())
    assert read(both).image("a:1").config == IMAGES["a:1"].config
    assert "for linux/amd64" in refusal(archive_of({"a:1": arm}, "hybrid"))


def test_an_image_of_many_small_layers_that_look_like_documents():
    odd = SampleImage([b"{not json}" + bytes(502), bytes(1024), layer_of("x", 3)])
    for shape in SHAPES:
        assert [layer["diff_id"] for layer in read(archive_of({"a:1": odd}, shape)).image("a:1").layers] == odd.diff_ids


def hostile(name: str, data: bytes = b"x", **more: object) -> Archive:
    archive = Archive().add(name, data, **more)
    archive.members += archive_of(IMAGES, "legacy").members
    return archive


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "./a/./b", "a//b"])
def test_a_name_that_leads_out_is_refused(name):
    assert "leads out of it" in refusal(hostile(name))


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind):
    assert "neither file, directory nor link" in refusal(hostile("odd", b"", kind=kind, link="manifest.json"))


def test_a_name_that_comes_twice_is_refused():
    assert "two members named" in refusal(archive_of(IMAGES, "legacy").add("repositories", b"{}"))


@pytest.mark.parametrize("link", ["../../../../etc/passwd", "/etc/passwd", "layer.tar", "../nowhere/layer.tar"])
def test_a_link_that_leads_nowhere_is_a_missing_layer(link):
    archive = archive_of(IMAGES, "legacy")
    path = archive.name_of(BASE)
    archive.drop(path).members.insert(0, (archive.add(path, kind=tarfile.SYMTYPE, link=link).members.pop()[0], b""))
    assert "lacks layer" in refusal(archive)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_that_lacks_is_named(shape):
    archive = archive_of(IMAGES, shape)
    path = archive.name_of(IMAGES["a:1"].blobs(shape == "containerd")[1])
    message = refusal(archive.drop(path))
    assert path in message and "pull it again" in message


@pytest.mark.parametrize("shape", SHAPES)
def test_a_config_that_lacks_is_named(shape):
    archive = archive_of(IMAGES, shape)
    assert "lacks the config of a:1" in refusal(archive.drop(archive.name_of(IMAGES["a:1"].config)))


def test_an_altered_layer_is_found_by_the_config():
    archive = archive_of(IMAGES, "legacy")
    message = refusal(archive.replace(archive.name_of(BASE), layer_of("other")))
    assert message.startswith("A layer of a:1 is sha256:") and "but its config says" in message


@pytest.mark.parametrize("shape", ["hybrid", "containerd"])
def test_a_blob_of_another_name_is_refused(shape):
    archive = archive_of(IMAGES, shape)
    other = layer_of("other")
    message = refusal(archive.replace(archive.name_of(IMAGES["a:1"].blobs(shape == "containerd")[0]), gzip.compress(other) if shape == "containerd" else other))
    assert "the engine's store is damaged" in message


@pytest.mark.parametrize("content", [b"null", b"{}", b"[1]", b"[", b"[" * 100000, b"\xff"])
def test_a_manifest_that_is_none_is_refused(content):
    assert "manifest.json" in refusal(archive_of(IMAGES, "legacy").replace("manifest.json", content))


def test_a_manifest_with_other_layers_than_the_config_is_refused():
    archive = archive_of(IMAGES, "hybrid")
    entry = {"Config": archive.name_of(IMAGES["a:1"].config), "RepoTags": ["a:1"], "Layers": [archive.name_of(BASE)]}
    assert "do not name the same layers" in refusal(archive.replace("manifest.json", json.dumps([entry]).encode()))


def test_an_archive_that_was_cut_short_is_refused():
    whole = archive_of(IMAGES, "legacy").tobytes()
    end = whole.index(b"repositories")
    for length in range(0, end, 3001):
        assert refusal(whole[:length])


def test_bounds(monkeypatch):
    many = Archive()
    for number in range(60):
        many.add(f"d{number}", kind=tarfile.DIRTYPE)
    monkeypatch.setattr(_archive, "MAX_MEMBERS", 50)
    assert "more than 50 members" in refusal(many)
    monkeypatch.setattr(_archive, "MAX_DOCUMENTS", 100)
    assert "MiB of documents" in refusal(archive_of(IMAGES, "legacy"))


def test_a_header_that_would_fill_the_memory_is_not_read():
    member = tarfile.TarInfo("x")
    member.type = tarfile.XHDTYPE
    member.size = 1 << 40
    assert "header of more than 1 MiB" in refusal(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_a_sparse_member_is_refused():
    member = tarfile.TarInfo("x/layer.tar")
    member.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = b"77777777777\0"
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head[:512])
    assert "neither file, directory nor link" in refusal(bytes(head) + bytes(1024))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_changed_byte_never_gives_another_image(shape):
    random_ = random.Random(shape)
    whole = archive_of(IMAGES, shape).tobytes()
    for _round in range(150):
        data = bytearray(whole)
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        try:
            reader = read(bytes(data))
            found: list[SavedImage] = [reader.image(name) for name in IMAGES]
        except CognitiveError:
            continue
        assert [image.config for image in found] == [image.config for image in IMAGES.values()]
        assert [[layer["diff_id"] for layer in image.layers] for image in found] == [image.diff_ids for image in IMAGES.values()]
