# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _depot_merge
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle, blobs_of
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot, describe, lacking_words, table
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place, S
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import Site, copy_of

LICENSE = "license sentiment 3.0-en"


@pytest.fixture
def site(tmp_path):
    place = Place(tmp_path)
    place.export()
    return Site(place, tmp_path)


def files(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(root)): (path.lstat().st_ino, path.lstat().st_mtime_ns) for path in root.rglob("*") if not path.is_dir()}


def identity(path: Path) -> str:
    return str(Bundle(str(path)).catalogue["id"])


def layers(path: Path, name: str) -> list[str]:
    return [layer["digest"] for layer in Bundle(str(path)).image(name)["layers"]]


def newer(site: Site, name: str = K, word: str = "newer") -> Path:
    """The bundle once more with another image of one name, and the earlier one in the place that is returned."""
    earlier = site.place.root / f"before-{word}"
    shutil.copytree(site.place.path, earlier)
    site.place.engine.images[name] = SampleImage([BASE, layer_of(word)])
    site.place.write_record()
    site.place.export()
    return earlier


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(CognitiveError) as error:
        call(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_bundle_goes_in_and_is_read_like_one(site):
    bundle, path = Bundle(str(site.place.path)), site.place.path
    before = files(path)
    reasons, taken, faults = site.merge()
    assert reasons[0] == f"bundle {identity(path)} is not in the depot" and reasons[1].endswith(" are new") and faults == []
    assert taken == sum(blob.stat().st_size for blob in (path / "blobs/sha256").iterdir())
    assert site.bundle.images() == bundle.images() and site.bundle.trees() == bundle.trees()
    assert site.bundle.catalogue["depot"] is True and site.bundle.catalogue["schema"] == 1
    assert {name: content.lacking for name, content in site.contents().items()} == {f"image {S}": {}, f"image {K}": {}, LICENSE: {}}
    for name in ("bundle.json", "index.json", "SHA256SUMS", "SHA256SUMS.sig"):
        assert (site.path / "bundles" / identity(path) / name).read_bytes() == (path / name).read_bytes()
    assert site.faults() == []
    assert files(path) == before and not (site.path / ".merge").exists()


def test_other_tools_read_it(site):
    site.merge()
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not here")
    looked = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{site.path}:{S}"], capture_output=True, check=True).stdout)
    assert looked["Layers"] == layers(site.path, S)


def test_again_nothing_is_read_or_written(site, monkeypatch):
    site.merge()
    before = files(site.path)
    monkeypatch.setattr(_depot_merge, "copy_hashed", None)
    assert site.merge() == ([], 0, []) and files(site.path) == before


def test_check_mode_says_what_the_merge_does(site):
    predicted = site.merge(check=True)
    assert not site.path.exists()
    assert site.merge()[0] == predicted[0]
    newer(site)
    before, predicted = files(site.path), site.merge(check=True)[0]
    assert files(site.path) == before
    assert site.merge()[0] == predicted and len(predicted) == 2


@pytest.mark.parametrize("turned", [False, True])
def test_the_newer_bundle_counts_in_any_order(site, turned):
    earlier = newer(site)
    late = copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z")
    for source in (late, earlier) if turned else (earlier, late):
        assert site.merge(source)[2] == []
    assert layers(site.path, K) == layers(late, K) != layers(earlier, K)
    assert site.bundle.images() == Bundle(str(late)).images()
    assert site.faults() == []
    # Both are there: what ran before can run again.
    assert {digest.partition(":")[2] for digest in (*layers(earlier, K), *layers(late, K))} <= site.blobs()
    assert site.merge(earlier) == site.merge(late) == ([], 0, [])


def test_a_serial_number_goes_before_a_date(site):
    first = copy_of(site.place, site.place.root / "first", "2099-01-01T00:00:00Z", serial=2)
    newer(site)
    second = copy_of(site.place, site.place.root / "second", "2026-01-01T00:00:00Z", serial=3)
    site.merge(second)
    site.merge(first)
    assert layers(site.path, K) == layers(second, K)


def test_a_license_of_another_image_does_not_count(site):
    site.merge()
    site.place.engine.images[S] = SampleImage([BASE, layer_of("newer")])
    site.place.export([S, K], trees=[])
    site.merge(copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z"))
    assert LICENSE not in site.contents() and site.bundle.trees() == []
    assert site.faults() == []


def test_a_difference_is_complete_with_what_it_was_made_against(site):
    earlier = newer(site)
    base = layers(site.place.path, K)[0]
    size = os.path.getsize(Bundle(str(site.place.path)).blob_path(base))
    difference = copy_of(site.place, site.place.root / "difference", "2099-01-01T00:00:00Z", without=[base], absent=[{"digest": base, "size": size}])
    assert site.merge(difference)[2] == []
    content = site.contents()[f"image {K}"]
    assert content.lacking == {base: size}
    depot = Depot(str(site.path))
    described = describe(depot, [content])
    assert described[0]["complete"] is False and described[0]["lacking"] == [{"digest": base, "size": size, "bundle": ""}]
    assert table(described)[0]["lacking"] == f"1 blob ({size / 1024:.3g} KiB), in the bundle that this difference was made against"
    # It can be planned with: a host that has the base needs no more. Other tools know whole images only.
    assert site.bundle.image(K)["layers"][0]["digest"] == base
    assert len(json.loads((site.path / "index.json").read_bytes())["manifests"]) == 1
    assert site.faults() == []
    site.merge(earlier)
    assert site.contents()[f"image {K}"].lacking == {}
    assert len(json.loads((site.path / "index.json").read_bytes())["manifests"]) == 3


def test_where_a_blob_that_was_lost_is_to_be_had(site):
    site.merge()
    digest = layers(site.path, K)[1]
    os.unlink(site.bundle.blob_path(digest))
    depot = Depot(str(site.path))
    described = describe(depot, depot.contents())
    entry = next(entry for entry in described if entry["name"] == K)
    assert entry["lacking"][0]["bundle"] == identity(site.place.path)
    assert lacking_words(entry["lacking"]).endswith(f", in bundle {identity(site.place.path)}")
    assert site.merge()[0][0].startswith(f"1 file of bundle {identity(site.place.path)}")
    assert site.contents()[f"image {K}"].lacking == {}


def test_a_manifest_that_lacks_keeps_only_its_image_out(site):
    site.merge()
    os.unlink(site.bundle.blob_path(site.bundle.image(K)["manifest"]))
    with Depot(str(site.path)) as depot:
        depot.stage()
        depot.write_documents({})
    assert [image["name"] for image in site.bundle.images()] == [S]
    assert set(site.contents()[f"image {K}"].lacking) == {Bundle(str(site.place.path)).image(K)["manifest"]}
    site.merge()
    assert [image["name"] for image in site.bundle.images()] == [K, S]


def test_linked_files_are_hashed_all_the_same(site):
    path = Path(Bundle(str(site.place.path)).blob_path(layers(site.place.path, K)[1]))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    assert site.merge(link=True)[2] == [f"{path} was altered: its checksum is not the one in the signed list; get it again from where the bundle was made."]
    assert path.name not in site.blobs() and not any((site.path / ".merge").glob("*"))
    path.write_bytes(whole)
    assert site.merge(link=True)[2] == []
    assert path.stat().st_nlink == 2 and os.path.samefile(path, site.path / "blobs/sha256" / path.name)


@pytest.mark.parametrize("harm", ["altered", "cut", "missing", "link"])
def test_a_bad_blob_is_named_and_all_else_comes_in(site, harm):
    path = Path(Bundle(str(site.place.path)).blob_path(layers(site.place.path, K)[1]))
    whole = path.read_bytes()
    path.unlink()
    if harm == "link":
        (site.place.root / "elsewhere").write_bytes(whole)
        path.symlink_to(site.place.root / "elsewhere")
    elif harm != "missing":
        path.write_bytes(whole[:-1] + b"x" if harm == "altered" else whole[:-1])
    says = {"altered": "was altered", "cut": "was altered", "missing": "is missing", "link": "is a link or a device"}
    for _time in range(2):
        faults = site.merge()[2]
        assert len(faults) == 1 and faults[0].startswith(f"{path} {says[harm]}")
        assert path.name not in site.blobs()
        assert {name: bool(content.lacking) for name, content in site.contents().items()} == {f"image {S}": False, f"image {K}": True, LICENSE: False}
    assert site.faults() == []
    path.unlink(missing_ok=True)
    path.write_bytes(whole)
    assert site.merge()[2] == [] and site.contents()[f"image {K}"].lacking == {}


@pytest.mark.parametrize("name", ["bundle.json", "index.json", "oci-layout", "SHA256SUMS", "SHA256SUMS.sig"])
def test_a_bad_document_keeps_the_bundle_out(site, name):
    path = site.place.path / name
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1", b"2", 1) if name != "SHA256SUMS.sig" else whole[:40])
    reasons, _taken, faults = site.merge()
    assert reasons == [] and len(faults) == 1 and not site.path.exists()
    path.unlink()
    assert f"{name} is missing" in site.merge()[2][0]


def test_a_signer_who_may_not(site):
    site.place.allowed.write_text(site.place.allowed.read_text().replace("ssh-ed25519 AAAA", "ssh-ed25519 BBBB"))
    assert "SHA256SUMS is signed with key" in site.merge()[2][0] and not site.path.exists()


def test_an_extra_file_is_named(site):
    (site.place.path / "extra").write_text("x")
    assert site.merge()[2] == [f"{site.place.path}/extra is not in the signed list; it does not belong to the bundle, take it away."]
    assert site.faults() == []


@pytest.mark.parametrize("value", ["../../etc", "", None, "0123", "ABCDEF0123456789"])
def test_a_signed_id_that_is_none(site, value):
    evil = copy_of(site.place, site.place.root / "evil", id=value)
    assert "for the id of its bundle, which is none" in site.merge(evil)[2][0] and not site.path.exists()


def test_signed_documents_that_do_not_agree(site):
    evil = copy_of(site.place, site.place.root / "evil", images=[])
    assert "do not name the same content" in site.merge(evil)[2][0]


def test_directories_that_are_no_depot(site, tmp_path):
    other = Site(site.place, tmp_path)
    other.path = site.place.path
    assert refusal(other.merge) == f"{site.place.path} is a bundle and no depot; name an empty or new directory for the depot."
    other.path = tmp_path / "full"
    other.path.mkdir()
    (other.path / "letter").write_text("x")
    assert refusal(other.merge) == f"{other.path}/letter is not part of a depot; name an empty or new directory for the depot."
    assert refusal(site.merge, tmp_path / "nothing") == f"{tmp_path}/nothing is not there; name the directory of a bundle."
    assert not site.path.exists()


def test_one_writer_at_a_time(site):
    site.merge()
    handle = os.open(site.path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    for call in (site.merge, site.faults, lambda: site.prune(bundles=1)):
        assert refusal(call) == f"Another merge is writing into {site.path}; wait until it has ended, then run this one again."
    os.close(handle)
    assert site.merge()[2] == []


def test_no_room(site, monkeypatch):
    def full(*_arguments: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_depot_merge, "copy_hashed", full)
        assert refusal(site.merge).startswith(f"No room is left where depot {site.path} lies; make room")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
        assert "the merge needs" in refusal(site.merge)
    assert site.merge()[2] == [] and site.faults() == []


def killed(call, point: int) -> bool:
    """Do it in a process of its own that is killed before its change number C(point) of the file system; whether it was."""
    left = point

    def counted(original):
        def wrapped(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        return wrapped

    child = os.fork()
    if child == 0:
        for name in ("rename", "replace", "mkdir", "unlink", "fsync"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            call()
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize("first", [True, False])
def test_killed_anywhere_the_next_merge_goes_on(site, first):
    if not first:
        site.merge()
    earlier = newer(site)
    for point in range(200):
        state = site.place.root / "state"
        shutil.rmtree(state, ignore_errors=True)
        if site.path.exists():
            shutil.copytree(site.path, state)
        was_killed = killed(site.merge, point)
        if site.path.exists() and (site.path / "bundle.json").exists():
            # What was whole stays whole.
            assert all(not content.lacking for name, content in site.contents().items() if name == f"image {S}" and not first)
        assert site.merge()[2] == [] and site.merge() == ([], 0, [])
        assert site.faults() == [] and all(not content.lacking for content in site.contents().values())
        if not was_killed:
            assert point > 10
            break
        shutil.rmtree(site.path)
        if state.exists():
            shutil.copytree(state, site.path)
    else:
        pytest.fail("it never ended")
    assert earlier.exists()


def test_prune_by_bundles(site):
    earlier = newer(site)
    late = copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z")
    site.merge(earlier)
    site.merge(late)
    predicted = site.prune(bundles=1, check=True)
    before = files(site.path)
    gone = set(layers(earlier, K)) - set(layers(late, K))
    assert {"sha256:" + name for name in predicted.blobs} >= gone
    assert files(site.path) == before
    done = site.prune(bundles=1)
    assert done.reasons() == predicted.reasons() and done.size == sum(done.blobs.values()) > 0
    assert [bundle.id for bundle in done.bundles] == [identity(earlier)]
    assert site.blobs() == {path.name for path in (late / "blobs/sha256").iterdir()}
    assert site.faults() == [] and site.bundle.images() == Bundle(str(late)).images()
    assert site.prune(bundles=1).reasons() == []
    assert not (site.path / ".merge").exists()


def test_prune_by_images(site):
    site.merge()
    done = site.prune(images=[S])
    assert [content.name for content in done.contents] == [K]
    assert [image["name"] for image in site.bundle.images()] == [S] and len(site.bundle.trees()) == 1
    assert site.blobs() >= {digest.partition(":")[2] for digest in blobs_of(site.bundle.image(S))}
    assert layers(site.place.path, K)[1].partition(":")[2] not in site.blobs()
    assert site.faults() == [] and site.prune(images=[S]).reasons() == []
    # A bundle of the same name that comes again is wanted again.
    assert site.merge()[0][0] == f"a part of bundle {identity(site.place.path)} was taken out of the depot"
    assert [image["name"] for image in site.bundle.images()] == [K, S] and site.faults() == []


def test_what_was_taken_out_does_not_come_back_with_another_bundle(site):
    site.merge()
    site.prune(images=[S])
    site.place.export([S])
    site.merge(copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z"))
    assert list(site.contents()) == [f"image {S}", LICENSE]


def test_prune_keeps_the_proof_of_what_stays(site):
    """A difference needs blobs of an earlier bundle, and that bundle's list is what proves them."""
    earlier = newer(site)
    base = layers(site.place.path, K)[0]
    difference = copy_of(site.place, site.place.root / "difference", "2099-01-01T00:00:00Z", without=[base], absent=[{"digest": base, "size": 1}])
    site.merge(earlier)
    site.merge(difference)
    assert site.prune(bundles=1).bundles == []
    assert site.faults() == [] and site.contents()[f"image {K}"].lacking == {}
    assert site.prune(bundles=1).reasons() == []


def test_prune_refuses_what_would_surprise(site):
    assert "holds no bundle; merge one first" in refusal(site.prune, bundles=1)
    site.merge()
    assert refusal(site.prune) == "Nothing is named that stays in the depot; name images with keep_images, or keep at least one bundle."
    assert refusal(site.prune, images=["sentiment"]) == f"Depot {site.path} does not hold image sentiment, which is to stay; correct its name in keep_images."
    assert site.faults() == []


def test_killed_anywhere_the_next_prune_goes_on(site):
    earlier = newer(site)
    late = copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z")
    site.merge(earlier)
    site.merge(late)
    state = site.place.root / "state"
    shutil.copytree(site.path, state)
    for point in range(200):
        was_killed = killed(lambda: site.prune(bundles=1), point)
        site.prune(bundles=1)
        site.merge(late)
        assert site.faults() == [] and site.blobs() == {path.name for path in (late / "blobs/sha256").iterdir()}
        if not was_killed:
            assert point > 5
            return
        shutil.rmtree(site.path)
        shutil.copytree(state, site.path)
    pytest.fail("it never ended")


def test_verify_names_what_is_extra_or_altered(site):
    site.merge()
    path = Path(site.bundle.blob_path(layers(site.path, K)[1]))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    extra = site.path / "blobs/sha256" / ("0" * 64)
    extra.write_text("x")
    (site.path / "notes").write_text("x")
    (site.path / "up").symlink_to("/etc")
    kept = site.path / "bundles" / identity(site.place.path) / "index.json"
    assert sorted(site.faults()) == sorted(
        [
            f"{extra} is in no signed list of a merged bundle; take it away.",
            f"{path} was altered: its checksum is not the one in its name; take it away, and merge the bundle that has it again.",
            f"{site.path}/notes is not part of a depot; take it away.",
            f"{site.path}/up is a link or a device; a depot holds plain files only, take it away.",
        ]
    )
    for name in (extra, path, site.path / "notes", site.path / "up"):
        name.unlink()
    site.merge()
    assert site.faults() == []
    for name in ("bundle.json", "index.json", "oci-layout"):
        document = site.path / name
        whole = document.read_bytes()
        document.write_bytes(whole.replace(b"1", b"7", 1) if name != "bundle.json" else whole.replace(b'"created":"2', b'"created":"1'))
        assert site.faults() == [f"{document} is not what the merged bundles say; take it away, and merge any bundle again."]
        document.unlink()
        site.merge()
        assert document.read_bytes() == whole and site.faults() == []
    kept.write_bytes(kept.read_bytes() + b" ")
    assert f"{kept} was altered: its checksum is not the one in the signed list; get it again from where the bundle was made." in site.faults()


def test_a_hundred_changed_bytes_in_a_source_never_enter(site):
    """Anywhere in the bundle, one byte at a time: each is named, and the depot stays right."""
    random_ = random.Random(5)
    names = sorted(path for path in site.place.path.rglob("*") if path.is_file())
    for _round in range(100):
        path = random_.choice(names)
        whole = path.read_bytes()
        data = bytearray(whole)
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        path.write_bytes(data)
        assert site.merge()[2], path
        path.write_bytes(whole)
        if site.path.exists():
            # The next one must be copied again to be found.
            shutil.rmtree(site.path)
    assert site.merge()[2] == [] and site.faults() == []
