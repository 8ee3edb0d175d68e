# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle, blobs_of
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import K, Place, S, killed
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import sha256
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import Site, copy_of, files, identity, layers, newer, refusal

LICENSE = "license sentiment 3.0-en"


@pytest.fixture
def site(tmp_path):
    place = Place(tmp_path)
    place.export()
    return Site(place, tmp_path)


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


def test_prune_keeps_what_only_the_list_names(site):
    """Such as host packages, which are no image and no tree."""
    package = site.place.path / "blobs/sha256" / sha256(b"package")
    package.write_bytes(b"package")
    site.place.sign()
    site.merge()
    site.prune(bundles=1)
    assert package.name in site.blobs() and site.faults() == []
    assert site.prune(images=[S]).size > 0 and package.name not in site.blobs()


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
