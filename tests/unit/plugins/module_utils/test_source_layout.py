# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_tree import TreeSource
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._fetch import Fetch
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Held
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._source import WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._source_engine import EngineSource
from ansible_collections.airgap.cognitive.plugins.module_utils._source_layout import LayoutSource
from ansible_collections.airgap.cognitive.plugins.module_utils._staging import Staging
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Terms
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, KEYPHRASE, SENTIMENT, K, Place, S
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of, sha256
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.registry_fakes import FakeRegistry, docker_manifest, list_of


class FetchedPlace(Place):
    """A staging machine whose images were fetched: one in Docker's format, one out of a list."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.staged = root / "staged"
        self.registry = FakeRegistry()
        self.registry.push(S, SENTIMENT, docker_manifest(SENTIMENT))
        self.registry.push(K, KEYPHRASE, listed=list_of(amd64=KEYPHRASE.manifest(packed=True)))
        self.fetch(S, K)

    def fetch(self, *names: str, **options: object) -> None:
        """Bring them into the directory."""
        staging = Staging(str(self.staged))
        with staging.locked() as held:
            job = Fetch(staging, self.registry, **options)
            for wanted in map(job.look, names):
                if wanted.reason:
                    job.bring(wanted, held)
            staging.sweep()

    def export_staged(self, *names: str, engine: tuple[str, ...] = (), trees: bool = False, against: str | None = None) -> tuple[list[str], int]:
        """Export from the directory, and C(engine) from the engine, all but what the bundle C(against) has; why, and how much."""
        held = Held()
        if against:
            held.learn_bundle(Bundle(against))
        with BundleDirectory(str(self.path), write=True) as directory:
            source, other = LayoutSource(str(self.staged)), EngineSource(self.engine)
            wanted = [WantedImage(name, name.split("/")[1].split(":")[0], name.split(":")[1], other if name in engine else source) for name in (*names, *engine)]
            job = Export(directory, wanted, [TreeSource(**self.tree())] if trees else [], [SshSigner(str(self.key))], True, Terms(held=held))
            reasons = job.reasons()
            return reasons, job.run() if reasons else 0


@pytest.fixture
def place(tmp_path):
    return FetchedPlace(tmp_path)


def test_images_go_in_as_their_registry_serves_them(place):
    assert place.export_staged(S, K)[0] == [f"image {S} is not in the bundle", f"image {K} is not in the bundle"]
    assert place.engine.saved == [] and place.verify().faults == []
    bundle = Bundle(str(place.path))
    for name, image, manifest in ((S, SENTIMENT, docker_manifest(SENTIMENT)), (K, KEYPHRASE, KEYPHRASE.manifest(packed=True))):
        found = bundle.image(name)
        assert found["manifest"] == "sha256:" + sha256(manifest) and found["config"] == "sha256:" + sha256(image.config)
        assert found["manifest_media_type"] == json.loads(manifest)["mediaType"]
        assert (found["source"], found["source_id"]) == ("registry", "sha256:" + sha256(place.registry.tags[name]))
        for blob in image.blobs(packed=True):
            # One file with two names.
            assert os.path.samefile(bundle.blob_path("sha256:" + sha256(blob)), place.staged / "blobs/sha256" / sha256(blob))
    entries = json.loads((place.path / "index.json").read_text())["manifests"]
    assert [entry["mediaType"] == _oci.MANIFEST for entry in entries] == [True, False, True]
    assert place.export_staged(S, K) == ([], 0)


def test_other_tools_read_it(place, tmp_path):
    place.export_staged(S, K)
    if not any(os.access(os.path.join(directory, "skopeo"), os.X_OK) for directory in os.environ["PATH"].split(":")):
        pytest.skip("skopeo is not here")
    for name, image in ((S, SENTIMENT), (K, KEYPHRASE)):
        looked = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{place.path}:{name}"], capture_output=True, check=True).stdout)
        assert looked["Layers"] == ["sha256:" + sha256(blob) for blob in image.blobs(packed=True)]


def test_another_file_system(place, monkeypatch):
    def refuse(*_paths: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    place.export_staged(S, K)
    assert place.verify().faults == []
    blob = SENTIMENT.blobs(packed=True)[0]
    copied = Path(Bundle(str(place.path)).blob_path("sha256:" + sha256(blob)))
    assert copied.read_bytes() == blob and copied.stat().st_nlink == 1


@pytest.mark.parametrize("linked", [True, False])
def test_an_altered_blob_does_not_come_in(place, monkeypatch, linked):
    if not linked:
        monkeypatch.delattr(os, "link")
        monkeypatch.setattr(os, "link", lambda *_paths: (_ for _ in ()).throw(OSError(18, "Invalid cross-device link")), raising=False)
    blob = place.staged / "blobs/sha256" / sha256(SENTIMENT.blobs(packed=True)[1])
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(CognitiveError, match=f"^{blob} was altered: .*fetch the image again with image_fetch"):
        place.export_staged(S)
    assert not place.path.exists()
    blob.unlink()
    with pytest.raises(CognitiveError, match=f"^Image {S} is not whole in {place.staged}: .* is missing; fetch it again"):
        place.export_staged(S)


def test_what_was_not_fetched(place):
    with pytest.raises(CognitiveError, match=f"^Image r/none:1 is not in {place.staged}, or not whole; fetch it with image_fetch"):
        place.export_staged("r/none:1")
    place.registry.push(S, SampleImage([BASE], architecture="arm64"))
    place.fetch(S, platform="linux/arm64")
    with pytest.raises(CognitiveError, match="is for linux/arm64, and services run on linux/amd64; fetch it for that platform"):
        place.export_staged(S)


def test_sources_can_be_mixed_and_changed(place):
    assert len(place.export_staged(S, engine=(K,))[0]) == 2
    assert [image["source"] for image in Bundle(str(place.path)).images()] == ["engine", "registry"]
    assert place.engine.saved == [[K]] and place.verify().faults == []
    # From now on as the registry serves it.
    assert place.export_staged(S, K)[0] == [f"image {K} is another one now"]
    assert [image["source"] for image in Bundle(str(place.path)).images()] == ["registry"] * 2 and place.verify().faults == []
    # The engine has that very image: what came from the registry is the better copy of it.
    assert place.export_staged(S, engine=(K,)) == ([], 0)


def test_a_tag_that_moved(place):
    place.export_staged(S, K)
    place.registry.push(S, SampleImage([BASE, layer_of("v2")]))
    place.fetch(S)
    assert place.export_staged(S, K)[0] == [f"image {S} is another one now"] and place.verify().faults == []
    assert len([blob for blob in (place.path / "blobs/sha256").iterdir() if blob.stat().st_nlink == 1]) == 4


@pytest.mark.parametrize("identity", ["config", "manifest", "list", "digest"])
def test_a_license_goes_with_the_image_whatever_its_engine_calls_that(place, identity):
    place.registry.push(S, SENTIMENT, docker_manifest(SENTIMENT), listed=list_of(amd64=docker_manifest(SENTIMENT)))
    place.fetch(S)
    image = Staging(str(place.staged)).image(S)
    ids = {"config": image["config"], "manifest": image["manifest"], "list": image["source_id"], "digest": "sha256:" + "0" * 64}
    place.write_record(image_id=ids[identity], repo_digests=[f"cognitive/sentiment@{image['source_id']}"] if identity == "digest" else [])
    place.export_staged(S, K, trees=True)
    assert place.verify().faults == []
    place.write_record(image_id="sha256:" + "0" * 64)
    with pytest.raises(CognitiveError, match="a license works only with its own image"):
        place.export_staged(S, K, trees=True)


@pytest.mark.parametrize("part", ["twin", "manifest", "config", "layer"])
def test_a_lost_or_altered_blob_of_an_image_in_dockers_format_is_found(place, part):
    place.export_staged(S, K)
    image = Bundle(str(place.path)).image(S)
    digests = {"twin": _oci.digest_of(_oci.twin(image)), "manifest": image["manifest"], "config": image["config"], "layer": image["layers"][0]["digest"]}
    Path(Bundle(str(place.path)).blob_path(digests[part])).unlink()
    assert len(place.verify().faults) == 1
    place.export_staged(S, K)
    assert place.verify().faults == []


def test_sizes_are_known_without_the_twin(place):
    place.export_staged(S, K)
    bundle = Bundle(str(place.path))
    layer = bundle.image(S)["layers"][1]
    for digest in (_oci.digest_of(_oci.twin(bundle.image(S))), layer["digest"]):
        Path(bundle.blob_path(digest)).unlink()
    assert any(f"({layer['size']} bytes) is missing" in fault for fault in place.verify().faults)


def test_what_an_earlier_bundle_had_is_left_out(place):
    place.export_staged(S, K)
    earlier, place.path = place.path, place.root / "media" / "difference"
    new = SampleImage([BASE, layer_of("v2")])
    place.registry.push(K, new)
    place.fetch(K)
    place.export_staged(S, K, against=str(earlier))
    layers = {path.name for path in (place.path / "blobs/sha256").iterdir()} & {sha256(blob) for image in (SENTIMENT, KEYPHRASE, new) for blob in image.blobs(packed=True)}
    assert layers == {sha256(new.blobs(packed=True)[1])} and place.verify().faults == []
    # The documents are all there, those in Docker's format with their twin.
    found = Bundle(str(place.path)).image(S)
    assert found["manifest"] == "sha256:" + sha256(docker_manifest(SENTIMENT))
    assert os.path.isfile(Bundle(str(place.path)).blob_path(_oci.digest_of(_oci.twin(found))))
    assert place.export_staged(S, K, against=str(earlier)) == ([], 0)
