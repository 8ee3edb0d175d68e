# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci, _staging
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._fetch import Fetch
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images
from ansible_collections.airgap.cognitive.plugins.module_utils._staging import StagedBlobs, Staging
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, KEYPHRASE, SENTIMENT
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of, sha256
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.push_fakes import FakeEngine
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.registry_fakes import DOCKER, FakeRegistry, docker_manifest, list_of, names_of

DOCKERS, PLAIN, LIST = "r.example/a/docker:1", "r.example/a/oci:1", "r.example/a/list:1"
ARM = SampleImage([layer_of("arm")], architecture="arm64")
LISTED = SampleImage([BASE, layer_of("listed")])


class Shelf:
    """A registry with three images, and a directory for them."""

    def __init__(self, root: Path) -> None:
        self.path = root / "staged"
        self.registry = FakeRegistry()
        self.registry.push(DOCKERS, SENTIMENT, docker_manifest(SENTIMENT))
        self.registry.push(PLAIN, KEYPHRASE)
        for image in (ARM, LISTED):
            self.registry.push(LIST, image, listed=list_of(arm64=ARM.manifest(packed=True), amd64=LISTED.manifest(packed=True)))

    def fetch(self, *names: str, check: bool = False, **options: object) -> list[str | None]:
        """Why each of the images was fetched."""
        staging = Staging(str(self.path))
        staging.refuse_foreign()
        job = Fetch(staging, self.registry, **options)
        if check:
            return [job.look(name).reason for name in names]
        with staging.locked() as held:
            wanted = [job.look(name) for name in names]
            for entry in wanted:
                if entry.reason:
                    job.bring(entry, held)
            staging.sweep()
        return [entry.reason for entry in wanted]

    def image(self, name: str) -> _oci.Image:
        image = Staging(str(self.path)).image(name)
        assert image is not None
        return image

    def blob(self, data: bytes) -> Path:
        return self.path / "blobs" / "sha256" / sha256(data)


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)


def test_images_are_kept_byte_by_byte(shelf):
    assert shelf.fetch(DOCKERS, PLAIN, LIST) == [f"it is not in {shelf.path}"] * 3
    for name, image, manifest in ((DOCKERS, SENTIMENT, docker_manifest(SENTIMENT)), (PLAIN, KEYPHRASE, None), (LIST, LISTED, None)):
        manifest = manifest or image.manifest(packed=True)
        found = shelf.image(name)
        assert (found["manifest"], found["config"]) == ("sha256:" + sha256(manifest), "sha256:" + sha256(image.config))
        assert [layer["diff_id"] for layer in found["layers"]] == image.diff_ids
        for data in (manifest, image.config, *image.blobs(packed=True)):
            assert shelf.blob(data).read_bytes() == data
    assert shelf.image(LIST)["source_id"] == "sha256:" + sha256(shelf.registry.tags[LIST]) != shelf.image(LIST)["manifest"]
    # The base that all share came once, and nothing of the other machine.
    assert len(shelf.registry.brought) == len(set(shelf.registry.brought)) == 4
    assert not shelf.blob(ARM.config).exists()


def test_an_image_in_dockers_format_has_a_twin_in_ocis(shelf):
    shelf.fetch(DOCKERS, PLAIN)
    entries = json.loads((shelf.path / "index.json").read_text())["manifests"]
    assert [(entry["mediaType"], entry["annotations"][_oci.REF_NAME]) for entry in entries] == [
        (DOCKER + "distribution.manifest.v2+json", DOCKERS),
        (_oci.MANIFEST, DOCKERS),
        (_oci.MANIFEST, PLAIN),
    ]
    twin = json.loads((shelf.path / "blobs" / entries[1]["digest"].replace(":", "/")).read_text())
    assert {layer["mediaType"] for layer in twin["layers"]} == {_oci.LAYER_GZIP} and twin["config"]["mediaType"] == _oci.CONFIG
    assert [layer["digest"] for layer in twin["layers"]] == [layer["digest"] for layer in shelf.image(DOCKERS)["layers"]]
    assert twin["annotations"] == {_oci.TWIN_OF: shelf.image(DOCKERS)["manifest"]}


def test_again_costs_one_manifest_each(shelf):
    shelf.fetch(DOCKERS, PLAIN, LIST)
    shelf.registry.asked.clear()
    before = {path: path.stat().st_mtime_ns for path in shelf.path.rglob("*")}
    assert shelf.fetch(DOCKERS, PLAIN, LIST) == [None] * 3
    assert shelf.registry.asked == [f"manifest {name}" for name in (DOCKERS, PLAIN, LIST)]
    assert {path: path.stat().st_mtime_ns for path in shelf.path.rglob("*")} == before


def test_without_refresh_nobody_is_asked_for_what_is_whole(shelf):
    shelf.fetch(DOCKERS)
    shelf.registry.asked.clear()
    assert shelf.fetch(DOCKERS, refresh=False) == [None] and shelf.registry.asked == []
    shelf.blob(SENTIMENT.blobs(packed=True)[1]).unlink()
    assert "is missing or was altered" in shelf.fetch(DOCKERS, refresh=False)[0]
    # What is known to lack is fetched by digest: the tag may be another image by now.
    assert shelf.registry.asked == [f"copy r.example/a/docker@{shelf.image(DOCKERS)['manifest']}"]
    assert shelf.fetch(PLAIN, refresh=False) == [f"it is not in {shelf.path}"]


def test_check_mode_keeps_nothing(shelf):
    assert shelf.fetch(DOCKERS, LIST, check=True) == [f"it is not in {shelf.path}"] * 2
    assert not shelf.path.exists() and "copy" not in names_of(shelf.registry.asked)


def test_a_tag_that_moved(shelf):
    shelf.fetch(DOCKERS, PLAIN)
    old, new = KEYPHRASE, SampleImage([BASE, layer_of("v2")])
    shelf.registry.push(PLAIN, new)
    shelf.registry.brought.clear()
    assert shelf.fetch(PLAIN) == ["its registry serves another one now"]
    assert shelf.image(PLAIN)["config"] == "sha256:" + sha256(new.config) and len(shelf.registry.brought) == 1
    # What no image names any more goes; what the other one needs stays.
    assert not shelf.blob(old.config).exists() and shelf.blob(SENTIMENT.config).exists()
    assert shelf.fetch(DOCKERS, PLAIN) == [None, None]


@pytest.mark.parametrize("harm", ["altered", "cut", "gone", "link"])
@pytest.mark.parametrize("which", ["layer", "config", "manifest", "twin"])
def test_a_blob_that_is_not_whole_is_fetched_again(shelf, which, harm):
    shelf.fetch(DOCKERS)
    twin = _oci.twin(shelf.image(DOCKERS))
    blob = shelf.blob({"layer": SENTIMENT.blobs(packed=True)[0], "config": SENTIMENT.config, "manifest": docker_manifest(SENTIMENT), "twin": twin}[which])
    whole = blob.read_bytes()
    if harm in ("gone", "link"):
        blob.unlink()
    if harm == "link":
        blob.with_name("elsewhere").write_bytes(whole)
        blob.symlink_to("elsewhere")
    if harm in ("altered", "cut"):
        blob.write_bytes(whole[:-1] + (b"x" if harm == "altered" else b""))
    assert shelf.fetch(DOCKERS)[0] is not None
    assert blob.read_bytes() == whole and not blob.is_symlink()
    assert shelf.fetch(DOCKERS) == [None]


def test_broken_off_it_goes_on_with_what_lacks(shelf):
    shelf.registry.break_after = 1
    with pytest.raises(CognitiveError, match="broken off"):
        shelf.fetch(DOCKERS)
    assert Staging(str(shelf.path)).image(DOCKERS) is None
    shelf.registry.break_after = None
    assert shelf.fetch(DOCKERS) == [f"it is not in {shelf.path}"]
    assert len(shelf.registry.brought) == len(set(shelf.registry.brought)) == 2


def test_a_registry_that_gives_other_bytes(shelf):
    layer = SENTIMENT.blobs(packed=True)[1]
    shelf.registry.spoilt.add(sha256(layer))
    with pytest.raises(CognitiveError, match=f"does not give blob sha256:{sha256(layer)} as its manifest says"):
        shelf.fetch(DOCKERS)
    assert names_of(shelf.registry.asked).count("copy") == 2
    assert Staging(str(shelf.path)).image(DOCKERS) is None
    digest = "sha256:" + sha256(LISTED.manifest(packed=True))
    shelf.registry.documents[digest] += b" "
    with pytest.raises(CognitiveError, match=f"gives sha256:.* where {digest} was asked for; do not trust it"):
        shelf.fetch(LIST)


@pytest.mark.parametrize(
    ("served", "says"),
    [
        (b"<html>", r"what its registry serves is not an image \(its manifest is not readable as JSON"),
        (b"[]", r"is not an image \(its manifest does not hold a JSON object\)"),
        (b'{"schemaVersion":1,"fsLayers":[]}', "is of the format"),
        (b'{"schemaVersion":2}', r"is not an image \(its manifest names a blob without a size\)"),
        (list_of(arm64=ARM.manifest(packed=True)), "its registry has none for linux/amd64; name another tag, or another platform"),
        (b'{"manifests":["x",{"platform":"x"}]}', "its registry has none for linux/amd64"),
        (ARM.manifest(packed=True), "its registry has it for linux/arm64, and not for linux/amd64"),
    ],
)
def test_what_is_no_image_for_here(shelf, served, says):
    shelf.registry.tags[DOCKERS] = served
    with pytest.raises(CognitiveError, match=f"^Image {DOCKERS}: .*{says}"):
        shelf.fetch(DOCKERS)


def test_another_platform(shelf):
    assert shelf.fetch(LIST, platform="linux/arm64") == [f"it is not in {shelf.path}"]
    assert shelf.image(LIST)["platform"] == "linux/arm64"
    # The other one takes its name.
    assert shelf.fetch(LIST) == [f"it is not in {shelf.path}"] and shelf.image(LIST)["platform"] == "linux/amd64"
    for platform in ("linux", "linux//", "a/b/c/d", ""):
        with pytest.raises(CognitiveError, match="is not an operating system and a machine"):
            Fetch(Staging(str(shelf.path)), shelf.registry, platform)


def test_foreign_directories_are_left_alone(shelf):
    shelf.path.mkdir()
    (shelf.path / "holiday.jpg").touch()
    with pytest.raises(CognitiveError, match="holds what image_fetch did not put there"):
        shelf.fetch(DOCKERS)
    (shelf.path / "holiday.jpg").unlink()
    (shelf.path / "index.json").write_text('{"manifests":[{"digest":"x","annotations":{"org.opencontainers.image.ref.name":"x"}}]}')
    with pytest.raises(CognitiveError, match="holds what image_fetch did not put there"):
        shelf.fetch(DOCKERS)
    assert Staging(str(shelf.path)).image("x") is None
    (shelf.path / "index.json").write_text("{")
    with pytest.raises(CognitiveError, match="index.json is not the list of an image layout; take it away, and fetch the images again"):
        shelf.fetch(DOCKERS)


def test_what_the_file_system_refuses_is_one_sentence(shelf, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(shelf.path))

    monkeypatch.setattr(_staging, "write_beside", full)
    staging = Staging(str(shelf.path))
    with pytest.raises(CognitiveError, match=f"^{shelf.path}: No space left on device; see that this user may use it, and that there is room"):
        with staging.speaking():
            shelf.fetch(DOCKERS)


def test_one_fetch_at_a_time(shelf):
    with Staging(str(shelf.path)).locked():
        with pytest.raises(CognitiveError, match="Another fetch into .* is at work"):
            shelf.fetch(DOCKERS)
    (shelf.path / "file").write_text("")
    with pytest.raises(CognitiveError, match="cannot be used"):
        with Staging(str(shelf.path / "file")).locked():
            pass


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_the_engine_gets_what_it_lacks_from_the_same_blobs(shelf, store):
    shelf.fetch(DOCKERS, PLAIN)
    engine, blobs = FakeEngine(store), StagedBlobs(Staging(str(shelf.path)))
    before = sorted(os.listdir(shelf.path / "blobs" / "sha256"))
    answer = load_images(engine, blobs, [shelf.image(DOCKERS), shelf.image(PLAIN)], ())
    assert answer["loaded"] == [DOCKERS, PLAIN] and answer["lacking"] == {}
    assert [len(members) for members in engine.loads] == [5 + 2, 5 + 1]
    assert sorted(os.listdir(shelf.path / "blobs" / "sha256")) == before
    assert engine.image(DOCKERS).id == shelf.image(DOCKERS)["manifest" if store == "containerd" else "config"]
    # What is remembered of it is no reason to refuse the directory.
    assert shelf.fetch(DOCKERS, PLAIN) == [None, None]
