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
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _depot_merge
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_view import describe, lacking_words, table
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place, S, killed
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import Site, copy_of, files, identity, layers, newer, refusal

LICENSE = "license sentiment 3.0-en"


@pytest.fixture
def site(tmp_path):
    place = Place(tmp_path)
    place.export()
    return Site(place, tmp_path)


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


@pytest.mark.parametrize("serials", [(2, 3), (3, 2)])
def test_a_serial_number_goes_before_a_date(site, serials):
    first = copy_of(site.place, site.place.root / "first", "2099-01-01T00:00:00Z", serial=serials[0])
    newer(site)
    second = copy_of(site.place, site.place.root / "second", "2026-01-01T00:00:00Z", serial=serials[1])
    site.merge(second)
    site.merge(first)
    assert layers(site.path, K) == layers(second if serials == (2, 3) else first, K)


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
    absent = [{"digest": base, "size": size}]
    difference = copy_of(site.place, site.place.root / "difference", "2099-01-01T00:00:00Z", without=[base], absent=absent)
    assert site.merge(difference)[2] == []
    content = site.contents()[f"image {K}"]
    assert content.lacking == {base: size}
    depot = Depot(str(site.path))
    described = describe(depot, [content])
    assert described[0]["complete"] is False and described[0]["awaited"] is False and described[0]["lacking"] == [{"digest": base, "size": size, "bundle": "", "volumes": []}]
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
    assert entry["awaited"] is True and entry["lacking"][0]["bundle"] == identity(site.place.path)
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
    assert refusal(site.merge, tmp_path / "nothing") == f"{tmp_path}/nothing is not there; name the directory of a bundle, a volume, or a directory of volumes."
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
