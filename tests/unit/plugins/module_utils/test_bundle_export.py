# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle_blobs, _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, KEYPHRASE, SENTIMENT, K, Place, S, killed, make_key
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SHAPES, SampleImage, layer_of, sha256


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def refusal(place: Place, **options) -> str:
    """The sentence with which an export ends, which must leave everything as it was."""
    before = place.files()
    with pytest.raises(CognitiveError) as error:
        place.export(**options)
    assert place.files() == before
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_goes_in_is_what_comes_out(tmp_path, shape):
    place = Place(tmp_path, shape)
    reasons, written = place.export()
    assert reasons == [f"image {S} is not in the bundle", f"image {K} is not in the bundle", "License of sentiment 3.0-en is not in the bundle"]
    assert written == sum(path.stat().st_size for path in place.path.rglob("*") if path.is_file())
    assert place.verify().faults == []
    assert place.engine.saved == [[S, K]]
    bundle = Bundle(str(place.path))
    assert [image["name"] for image in bundle.images()] == [K, S]
    for name, source in ((S, SENTIMENT), (K, KEYPHRASE)):
        image = bundle.image(name)
        assert [layer["diff_id"] for layer in image["layers"]] == source.diff_ids
        assert image["config"] == "sha256:" + sha256(source.config)
        for layer, plain in zip(image["layers"], source.layers):
            assert layer["size"] == os.path.getsize(bundle.blob_path(layer["digest"]))
            unpack = ["gzip", "-dc"] if shape == "containerd" else ["zstd", "-dqc"]
            assert subprocess.run([*unpack], stdin=open(bundle.blob_path(layer["digest"]), "rb"), capture_output=True, check=True).stdout == plain
    assert bundle.image(S)["layers"][0] == bundle.image(K)["layers"][0]
    if shape == "containerd":
        assert bundle.image(S)["manifest"] == "sha256:" + sha256(SENTIMENT.manifest(packed=True))
    else:
        assert bundle.image(S)["layers"][0]["media_type"].endswith("+zstd") and bundle.image(S)["layers"][0]["raw_size"] == len(BASE)
    manifest = json.loads(Path(bundle.blob_path(bundle.image(S)["manifest"])).read_bytes())
    assert (_oci.MADE_FROM in manifest.get("annotations", {})) == (shape != "containerd")


def test_a_tree_goes_in_file_by_file(place):
    place.export()
    tree = Bundle(str(place.path)).trees()[0]
    assert (tree["kind"], tree["family"], tree["tag"], tree["image"]) == ("license", "sentiment", "3.0-en", S)
    assert (tree["downloaded"], tree["ends"]) == ("2026-11-24T22:00:00Z", None)
    assert tree["config"] == Bundle(str(place.path)).image(S)["config"]
    assert tree["directories"] == ["sub", "sub/empty"]
    assert [file["path"] for file in tree["files"]] == ["again.dat", "license.dat", "sub/other name"]
    for file in tree["files"]:
        assert Path(Bundle(str(place.path)).blob_path(file["digest"])).read_bytes() == (place.license / file["path"]).read_bytes()
    assert tree["files"][0]["digest"] == tree["files"][1]["digest"]


def test_other_tools_read_it(place, tmp_path):
    place.export()
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=place.path, check=True)
    if not any(os.access(os.path.join(directory, "skopeo"), os.X_OK) for directory in os.environ["PATH"].split(":")):
        pytest.skip("skopeo is not here")
    for name, image in ((S, SENTIMENT), (K, KEYPHRASE)):
        looked = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{place.path}:{name}"], capture_output=True, check=True).stdout)
        assert looked["Layers"] == [layer["digest"] for layer in Bundle(str(place.path)).image(name)["layers"]]
        # Unpacked by skopeo, each layer is what the engine had.
        target = tmp_path / name.rpartition("/")[2]
        subprocess.run(["skopeo", "copy", "-q", "--dest-decompress", f"oci:{place.path}:{name}", f"dir:{target}"], check=True)
        for layer in image.layers:
            assert (target / sha256(layer)).read_bytes() == layer


@pytest.mark.parametrize("shape", SHAPES)
def test_again_nothing_is_read_or_written(tmp_path, shape):
    place = Place(tmp_path, shape)
    place.export()
    before = place.files()
    place.engine.saved.clear()
    assert place.export() == ([], 0)
    assert place.files() == before
    assert place.engine.saved == []


def test_check_mode_writes_nothing(place):
    assert len(place.export(check=True)[0]) == 3
    assert place.files() == {} and not place.path.exists()
    place.export()
    before = place.files()
    place.engine.images[S] = SampleImage([BASE, layer_of("newer")])
    place.write_record()
    reasons, _written = place.export(check=True)
    assert reasons == [f"image {S} is another one now"]
    assert place.files() == before and place.engine.saved == [[S, K]]


def test_only_what_is_new_is_written(place):
    place.export()
    before = place.files()
    place.engine.images[K] = SampleImage([BASE, layer_of("keyphrase"), layer_of("more", 20000)])
    reasons, written = place.export()
    assert reasons == [f"image {K} is another one now"] and place.engine.saved[-1] == [K]
    assert 20000 < written < 27000
    kept = {name: status for name, status in place.files().items() if name in before and "blobs" in name}
    assert all(before[name] == status for name, status in kept.items()) and kept
    assert place.verify().faults == []


def test_a_second_name_for_an_image_is_not_read_from_the_engine(place):
    place.export()
    place.engine.images["cognitive/other:1"] = KEYPHRASE
    reasons, _written = place.export(names=[S, K, "cognitive/other:1"])
    assert reasons == ["image cognitive/other:1 is in the bundle under another name"] and len(place.engine.saved) == 1
    assert Bundle(str(place.path)).image("cognitive/other:1")["layers"] == Bundle(str(place.path)).image(K)["layers"]
    assert place.verify().faults == []
    assert place.export(names=[S, K, "cognitive/other:1"]) == ([], 0)


def test_a_switched_image_store_is_not_a_change(place):
    place.export()
    place.engine.shape = "containerd"
    # The ID is another one there; layers cannot tell whether the config is the same, so the image is read again.
    place.write_record()
    reasons, _written = place.export()
    assert reasons == [f"image {S} is another one now", f"image {K} is another one now"]
    place.engine.shape = "legacy"
    place.write_record()
    assert [reason for reason in place.export()[0] if reason.startswith("image")] == []


def test_prune(place):
    place.export()
    blobs = len(list((place.path / "blobs/sha256").iterdir()))
    assert place.export(names=[K], prune=False)[0] == []
    assert [image["name"] for image in Bundle(str(place.path)).images()] == [K, S]
    reasons, _written = place.export(names=[K])
    assert reasons == [f"image {S} is not wanted any more", "license/sentiment/3.0-en is not wanted any more"]
    assert [image["name"] for image in Bundle(str(place.path)).images()] == [K] and Bundle(str(place.path)).trees() == []
    # Manifest, config and layer of the image; manifest, two contents and the empty config of the tree.
    assert len(list((place.path / "blobs/sha256").iterdir())) == blobs - 7
    assert place.verify().faults == [] and place.export(names=[K]) == ([], 0)


def test_the_same_content_is_the_same_bundle(tmp_path):
    places = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        places.append(Place(tmp_path / name))
        places[-1].export()
    assert (places[0].path / "SHA256SUMS").read_text().splitlines()[:-3] == (places[1].path / "SHA256SUMS").read_text().splitlines()[:-3]
    assert Bundle(str(places[0].path)).summary["id"] == Bundle(str(places[1].path)).summary["id"]


def test_another_key_signs_again(place):
    place.export()
    other = make_key(place.root / "other")
    assert place.export(key=other)[0] == ["the bundle is not signed with this key"]
    assert place.export(key=other) == ([], 0)
    with pytest.raises(CognitiveError, match="does not name"):
        place.verify()


@pytest.mark.parametrize("name", ["index.json", "oci-layout", "SHA256SUMS", "SHA256SUMS.sig"])
def test_a_document_that_was_lost_is_written_again(place, name):
    place.export()
    (place.path / name).unlink()
    assert len(place.export()[0]) == 1
    assert place.verify().faults == [] and len(place.engine.saved) == 1


def test_a_blob_that_was_lost_or_cut_is_written_again(place):
    place.export()
    for digest in (Bundle(str(place.path)).image(K)["layers"][1]["digest"], Bundle(str(place.path)).trees()[0]["files"][0]["digest"]):
        blob = Path(Bundle(str(place.path)).blob_path(digest))
        whole = blob.read_bytes()
        for damage in (blob.unlink, lambda blob=blob: blob.write_bytes(b"x")):
            damage()
            assert digest in place.export()[0][0]
            assert blob.read_bytes() == whole and place.verify().faults == []


def test_files_that_are_not_ours_are_refused_and_kept(place):
    place.path.mkdir()
    (place.path / "holiday.jpg").write_text("x")
    assert refusal(place) == f"{place.path}/holiday.jpg is not part of a bundle; move it away, or name an empty or new directory for the bundle."
    (place.path / "holiday.jpg").unlink()
    place.export()
    (place.path / "notes.txt").write_text("x")
    assert "notes.txt is not part of a bundle" in refusal(place)
    (place.path / "notes.txt").unlink()
    (place.path / "bundle.json").unlink()
    assert "is not part of a bundle" in refusal(place)


def test_two_exports_at_once(place):
    place.export()
    handle = os.open(place.path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert refusal(place) == f"Another export is writing into {place.path}; wait until it has ended, then run this one again."
    os.close(handle)
    assert place.export() == ([], 0)


def test_bad_images(place):
    assert refusal(place, names=["cognitive/none:1"]) == "Image cognitive/none:1 is not in the engine; pull it first."
    place.engine.images[K] = SampleImage([BASE], architecture="arm64")
    assert refusal(place) == f"Image {K} is for linux/arm64, and services run on linux/amd64; pull it for that platform."


@pytest.mark.parametrize(
    "settings",
    [{"Env": ["PATH=/bin", "ApiKey=0123456789abcdef"]}, {"Cmd": ["eula=accept", "apikey=0123456789abcdef"]}, {"Entrypoint": ["run", "--apikey=0123456789abcdef"]}],
)
def test_an_image_with_a_key_in_it_is_refused(place, settings):
    place.engine.images[K] = SampleImage([BASE], settings)
    message = refusal(place)
    assert "a bundle never holds a key" in message and "0123456789abcdef" not in message
    assert not place.path.exists()


def test_no_key_comes_in_with_a_record(place):
    place.write_record(api_key="0123456789abcdef", billing="https://resource.example/secret-endpoint")
    place.export()
    for name in place.files():
        content = (place.root / "media" / name).read_bytes()
        assert b"0123456789abcdef" not in content and b"secret-endpoint" not in content


def test_what_only_the_download_told_goes_with_the_license(place):
    place.export()
    before = Bundle(str(place.path)).trees()[0]
    assert "environment" not in before
    told = {"MODELS": "/usr/local/models/a/,", "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/b"}
    place.write_record(environment=told)
    assert place.export()[0] == ["License of sentiment 3.0-en is another one now"]
    tree = Bundle(str(place.path)).trees()[0]
    assert tree["environment"] == told
    # Files are as they were, and the tree is another one all the same: its container must be too.
    assert (tree["files"], tree["manifest"] == before["manifest"]) == (before["files"], False)
    assert place.verify().faults == []
    assert place.export() == ([], 0)


def test_each_choice_of_models_has_its_license(place):
    trees = [place.tree(tag=f"3.0-en@{name}") for name in ("one", "two")]
    place.export(trees=trees)
    assert [tree["tag"] for tree in Bundle(str(place.path)).trees()] == ["3.0-en@one", "3.0-en@two"]
    assert place.verify().faults == []


def test_a_license_of_another_image_is_refused(place):
    place.export()
    old = place.engine.image(S).id
    place.engine.images[S] = SampleImage([BASE, layer_of("newer")])
    new = place.engine.image(S).id
    assert refusal(place) == (
        f"License of sentiment 3.0-en was taken with image {old}, but {S} is now {new}; a license works only with its own image: take it again with license_download."
    )


def test_a_license_survives_a_switch_of_the_image_store(place, monkeypatch):
    place.write_record(image_id="sha256:" + "1" * 64, repo_digests=["x@sha256:1"])
    original = place.engine.image
    monkeypatch.setattr(place.engine, "image", lambda name: dataclasses.replace(original(name), repo_digests=("x@sha256:1",)))
    place.export()
    assert place.verify().faults == []


def test_bad_licenses(place):
    place.export()
    cases = [
        (lambda: place.write_record(family="keyphrase"), "was downloaded for family keyphrase; name the directory of sentiment."),
        (lambda: (place.license / "license.dat").write_bytes(b"opaque\0contenT"), "file license.dat in .* was altered after the download; take it again"),
        (lambda: (place.license / "license.dat").unlink(), "file license.dat in .* is missing; take it again"),
        (lambda: (place.license / "key.txt").write_bytes(b""), "file key.txt in .* was not part of the download; take it again"),
        (lambda: (place.license / "link").symlink_to("license.dat"), "link is neither a file nor a directory"),
        (lambda: os.mkfifo(place.license / "pipe"), "pipe is neither a file nor a directory"),
        (lambda: Path(str(place.license) + ".json").write_text("{"), "cannot be read"),
        (lambda: Path(str(place.license) + ".json").write_text("{}"), "does not list files"),
        (lambda: Path(str(place.license) + ".json").unlink(), "metadata file .* is not there; take the license again"),
    ]
    for damage, expected in cases:
        for extra in ("key.txt", "link", "pipe"):
            if os.path.lexists(place.license / extra):
                (place.license / extra).unlink()
        (place.license / "license.dat").write_bytes(b"opaque\0content")
        place.write_record()
        damage()
        with pytest.raises(CognitiveError, match=expected):
            place.export()
    place.write_record()
    with pytest.raises(CognitiveError, match="no metadata file is named"):
        place.export(trees=[place.tree(metadata=None)])
    with pytest.raises(CognitiveError, match="directory /nowhere is not there"):
        place.export(trees=[place.tree(path="/nowhere")])
    with pytest.raises(CognitiveError, match="is not among the images of this export"):
        place.export(names=[K], trees=[place.tree()])
    with pytest.raises(CognitiveError, match="is named twice"):
        place.export(trees=[place.tree(), place.tree()])
    assert place.verify().faults == []


def test_models_need_no_record(place, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "weights.bin").write_bytes(bytes(3 << 20))
    place.export(trees=[place.tree(kind="models", path=str(models), metadata=None)])
    tree = Bundle(str(place.path)).trees("models")[0]
    assert tree["files"] == [{"path": "weights.bin", "digest": "sha256:" + hashlib.sha256(bytes(3 << 20)).hexdigest(), "size": 3 << 20}]
    (models / "link").symlink_to("weights.bin")
    assert "is neither a file nor a directory" in refusal(place, trees=[place.tree(kind="models", path=str(models), metadata=None)])


def test_a_failure_leaves_the_earlier_bundle(place, monkeypatch):
    place.export()
    place.engine.images[K] = SampleImage([BASE, layer_of("other", 90000)])
    place.engine.break_after = 30000
    assert refusal(place) == "The engine's archive is damaged or was cut short (unexpected end of data); run the export again."
    place.engine.break_after = None

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_bundle_blobs._Beside, "write", full)
        assert "No room is left where" in refusal(place)
    with monkeypatch.context() as patch:
        patch.setattr(_bundle_blobs.BlobWriter, "copy", lambda *_arguments: ("sha256:" + "0" * 64, 0))
        (place.license / "new").write_bytes(b"new")
        place.write_record()
        assert "changed while it was exported" in refusal(place)
    assert place.verify().faults == []
    place.export()
    assert place.verify().faults == []


def test_without_zstd(place, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh-keygen").symlink_to(shutil.which("ssh-keygen"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert refusal(place) == "The program zstd is missing here; install the distribution's package zstd."


def test_a_bundle_that_is_a_file_system_of_its_own(place, monkeypatch):
    """Such as a stick: what is beside it is elsewhere, so the new files wait inside, and are as little left there."""
    place.path.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(place.path))
    place.export()
    assert place.verify().faults == []
    place.engine.images[K] = SampleImage([BASE, layer_of("v2")])
    assert killed(place.export, 3) and (place.path / ".export").is_dir()
    place.export()
    assert not (place.path / ".export").exists() and place.verify().faults == []
    place.engine.images[K] = SampleImage([BASE, layer_of("v3")])
    place.engine.break_after = 30000
    refusal(place)
    assert place.verify().faults == []


def test_a_key_that_cannot_sign_is_found_before_anything_is_saved(place):
    assert "cannot sign" in refusal(place, key=make_key(place.root / "locked", "a passphrase"))
    assert place.engine.saved == []


def test_a_failed_first_export_leaves_nothing(place):
    place.engine.break_after = 30000
    refusal(place)
    assert not place.path.exists() and list((place.root / "media").iterdir()) == []
    place.path = place.root / "media" / "deep" / "er" / "bundle"
    refusal(place)
    assert list((place.root / "media").iterdir()) == []


@pytest.mark.parametrize("swapped", [SampleImage([BASE, layer_of("swapped")]), SampleImage(KEYPHRASE.layers, {"Labels": {"swapped": "yes"}})])
def test_an_image_that_changes_meanwhile_is_refused(place, swapped):
    original = place.engine.save

    def save(names):
        place.engine.images[K] = swapped
        return original(names)

    place.engine.save = save
    with pytest.raises(CognitiveError, match=f"Image {K} became another one while it was exported"):
        place.export()


@pytest.mark.parametrize("first", [True, False])
def test_killed_anywhere_the_next_run_mends_it(place, tmp_path, first):
    """Killed before each change of the file system, in a first export and in an update."""
    if not first:
        place.export()
    place.engine.images[K] = SampleImage([BASE, layer_of("v2")])
    media = tmp_path / "media"
    shutil.copytree(media, tmp_path / "before")
    point = 0
    while killed(place.export, point):
        reasons, _written = place.export()
        assert reasons, point
        assert place.verify().faults == [], point
        assert [path.name for path in media.iterdir()] == ["bundle"]
        assert place.export() == ([], 0)
        shutil.rmtree(media)
        shutil.copytree(tmp_path / "before", media)
        point += 1
    assert point > 15


def test_killed_while_it_writes_blobs_the_earlier_bundle_is_as_it_was(place):
    place.export()
    place.engine.images[K] = SampleImage([BASE, layer_of("v2")])
    for point in range(4):
        assert killed(place.export, point)
        assert place.verify().faults == []


def test_zstd_gives_the_same_bytes_and_counts_what_it_gets(tmp_path):
    writer = _bundle_blobs.BlobWriter(str(tmp_path), lambda _digest, _size: False)
    plain = layer_of("x", 3 << 20)
    first, second = writer.take(io.BytesIO(plain), len(plain)), writer.take(io.BytesIO(plain), len(plain))
    assert first == second and first.diff_id == "sha256:" + sha256(plain)
    with pytest.raises(CognitiveError, match="was cut short"):
        writer.take(io.BytesIO(plain[:-512]), len(plain))
    assert [path.name for path in tmp_path.iterdir()] == [first.digest[7:]]
