# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import tracemalloc

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Depot
from ansible_collections.airgap.cognitive.plugins.module_utils._depot_view import describe, table
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._volumes import Cut
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place, S, killed
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import (
    Site,
    copy_of,
    cut,
    files,
    identity,
    layers,
    members_of,
    refusal,
    resign,
    write_members,
)

SIZE = 100_000


@pytest.fixture
def site(tmp_path):
    """Image K has a layer that lies in all volumes; in the last one is also what image S needs."""
    place = Place(tmp_path)
    place.engine.images[K] = SampleImage([BASE, layer_of("large", 180_000)])
    place.export()
    return Site(place, tmp_path)


@pytest.fixture
def volumes(site, tmp_path):
    cut(site.place, tmp_path / "volumes", SIZE)
    found = sorted((tmp_path / "volumes").iterdir())
    assert len(found) == 4
    return found


def rows(site: Site) -> dict[str, dict[str, str]]:
    depot = Depot(str(site.path))
    return {row["name"]: row for row in table(describe(depot, depot.contents()))}


def whole(site: Site) -> bool:
    blobs = {path.name: path.read_bytes() for path in (site.place.path / "blobs/sha256").iterdir()}
    there = {path.name: path.read_bytes() for path in (site.path / "blobs/sha256").iterdir()}
    return there == blobs and list((site.path / "incoming").iterdir()) == [] and site.faults() == []


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (3, 1, 2, 1, 4, 4)])
def test_volumes_in_any_order_make_the_bundle(site, volumes, order):
    came = set()
    for number in order:
        reasons, taken, faults = site.merge(volumes[number - 1])
        assert faults == [] and (reasons == []) == (number in came) and bool(taken) == (number not in came)
        came.add(number)
        assert site.faults() == []
        # Any volume alone says what lacks, and where it is.
        row = rows(site)[K]
        if came == {1, 2, 3, 4}:
            assert row["complete"] == "yes" and row["lacking"] == ""
        else:
            lacking = ", ".join(str(number) for number in (1, 2, 3, 4) if number not in came)
            assert row["complete"] == "no"
            assert row["lacking"].endswith(f"volume{'s' if ',' in lacking else ''} {lacking} of bundle {identity(site.place.path)}")
    assert whole(site) and {row["complete"] for row in rows(site).values()} == {"yes"}
    assert site.bundle.images() == Bundle(str(site.place.path)).images()
    assert site.merge(volumes[0].parent) == ([], 0, [])


def test_a_directory_of_volumes(site, volumes):
    predicted = site.merge(volumes[0].parent, check=True)[0]
    assert not site.path.exists()
    reasons, taken, faults = site.merge(volumes[0].parent)
    assert reasons == predicted and faults == [] and whole(site)
    assert taken == sum(path.stat().st_size for path in (site.path / "blobs/sha256").iterdir())
    assert site.merge(volumes[0].parent) == ([], 0, [])
    assert site.merge(site.place.path) == ([], 0, [])


def test_the_first_volume_alone_can_be_used(site, volumes, tmp_path):
    """With room for the first image in it, that image is complete before the second volume arrives."""
    plans = ((size, Cut(str(site.place.path), size, SshSigner(str(site.place.key))).volumes) for size in range(200_000, 300_000, 1000))
    size = next(size for size, plan in plans if len(plan) == 2 and plan[0].ranges[-1].whole)
    cut(site.place, tmp_path / "larger", size)
    first = min((tmp_path / "larger").iterdir())
    site.merge(first)
    found = rows(site)
    assert (found[K]["complete"], found[S]["complete"]) == ("yes", "no")
    assert found[S]["lacking"].endswith(f"in volume 2 of bundle {identity(site.place.path)}")
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in json.loads((site.path / "index.json").read_bytes())["manifests"]] == [K]


def test_one_bad_volume_is_named_and_the_others_are_taken(site, volumes, tmp_path):
    data = bytearray(volumes[1].read_bytes())
    data[-20_000] ^= 1
    volumes[1].write_bytes(data)
    for _time in range(2):
        faults = site.merge(volumes[0].parent)[2]
        assert len(faults) == 1 and faults[0].startswith(f"{volumes[1]}: parts/") and faults[0].endswith("or make volume 2 again.")
        assert rows(site)[K]["lacking"].endswith(f"in volume 2 of bundle {identity(site.place.path)}")
        assert rows(site)[S]["complete"] == "yes" and site.faults() == []
    cut(site.place, tmp_path / "again", SIZE, numbers=[2])
    assert site.merge(tmp_path / "again")[2] == [] and whole(site)


def test_nothing_of_a_bad_volume_enters(site, volumes):
    members = members_of(volumes[3])
    write_members(volumes[3], [*members, ("notes.txt", b"x")])
    before = None
    for _time in range(2):
        assert "does not end after what volume.json names" in site.merge(volumes[3])[2][0]
        found = files(site.path)
        assert set(found) <= {"bundle.json", "index.json", "oci-layout"} and site.contents() == {}
        assert before in (None, found)
        before = found
    site.merge(volumes[0])
    assert whole(site) is False and site.faults() == []


def test_a_bad_copy_does_no_harm_to_what_came(site, volumes):
    """A part that is there already is not written over by a bad copy that overlaps it."""
    site.merge(volumes[0])
    cut(site.place, site.place.root / "other", SIZE + 10_000)
    other = sorted((site.place.root / "other").iterdir())[0]
    members = members_of(other)
    write_members(other, [*members[:-1], (members[-1][0], b"?" * len(members[-1][1]))])
    assert "was altered" in site.merge(other)[2][0]
    assert [site.merge(volume)[2] for volume in volumes[1:]] == [[], [], []] and whole(site)


def test_parts_of_cuts_of_other_sizes_fit_together(site, volumes):
    cut(site.place, site.place.root / "other", SIZE + 10_000)
    others = sorted((site.place.root / "other").iterdir())
    for volume in (volumes[0], others[1], volumes[2], *others):
        assert site.merge(volume)[2] == []
    assert whole(site)


def test_doubled_and_renamed_volumes(site, volumes):
    shutil.copy(volumes[0], volumes[0].with_name("copy.tar"))
    volumes[1].rename(volumes[1].with_name("x.tar"))
    volumes[2].rename(volumes[1])
    volumes[2].with_name("x.tar").rename(volumes[2])
    assert site.merge(volumes[0].parent)[2] == [] and whole(site)
    title = f"of 4 of bundle {identity(site.place.path)}"
    assert sorted(site.notes) == sorted(
        [
            f"{volumes[0].with_name('copy.tar')} is volume 1 {title} once more, nothing of it was needed.",
            f"{volumes[1]} has the name of another one and is volume 3 {title}; it counts as what it is.",
            f"{volumes[2]} has the name of another one and is volume 2 {title}; it counts as what it is.",
        ]
    )


def test_volumes_of_two_bundles_in_one_directory(site, volumes):
    site.place.engine.images[S] = SampleImage([BASE, layer_of("newer")])
    site.place.write_record()
    site.place.export()
    late = copy_of(site.place, site.place.root / "late", "2099-01-01T00:00:00Z")
    own, site.place.path = site.place.path, late
    cut(site.place, volumes[0].parent, SIZE)
    assert site.merge(volumes[0].parent)[2] == []
    assert layers(site.path, S) == layers(late, S) and site.faults() == []
    assert len(Depot(str(site.path)).bundles()) == 2
    site.place.path = own


def test_a_volume_with_the_documents_of_another_bundle(site, volumes):
    resign(site.place, volumes[0], lambda document: document.update(bundle="0123456789abcdef"))
    assert "says that it is of bundle 0123456789abcdef" in site.merge(volumes[0])[2][0]


def test_killed_anywhere_the_next_merge_goes_on(site, volumes):
    site.merge(volumes[0])
    state = site.place.root / "state"
    shutil.copytree(site.path, state)
    for point in range(0, 100, 2):
        was_killed = killed(lambda: site.merge(volumes[0].parent), point)
        assert site.merge(volumes[0].parent)[2] == [] and whole(site)
        assert site.merge(volumes[0].parent) == ([], 0, [])
        if not was_killed:
            assert point > 20
            return
        shutil.rmtree(site.path)
        shutil.copytree(state, site.path)
    pytest.fail("it never ended")


def test_a_merge_takes_no_memory(site, tmp_path, monkeypatch):
    # Room for a document is asked for before its size is known, and most of it is never touched.
    monkeypatch.setattr(_bundle, "MAX_DOCUMENT", 1 << 20)
    site.place.engine.images[K] = SampleImage([BASE, layer_of("huge", 60 << 20)])
    site.place.export()
    tracemalloc.start()
    cut(site.place, tmp_path / "volumes", 25 << 20)
    assert site.merge(tmp_path / "volumes")[2] == []
    assert tracemalloc.get_traced_memory()[1] < 12 << 20
    tracemalloc.stop()
    assert whole(site)


def test_notes_that_are_wrong_cost_bytes_only(site, volumes):
    site.merge(volumes[0])
    for note in (site.path / "incoming").glob("*.json"):
        note.write_text('{"size": 3, "spans": "x"}')
    assert site.merge(volumes[0].parent)[2] == [] and whole(site)


def test_parts_that_do_not_make_up_their_blob(site, volumes):
    site.merge(volumes[0])
    part = next(path for path in (site.path / "incoming").iterdir() if not path.suffix)
    part.write_bytes(b"?" + part.read_bytes()[1:])
    assert [site.merge(volume)[2] for volume in volumes[1:3]] == [[], []]
    message = site.merge(volumes[3])[2][0]
    assert message.startswith(f"The parts of blob {part.name} do not make it up") and not part.exists()
    assert site.merge(volumes[0].parent)[2] == [] and whole(site)


def test_prune_takes_parts_out(site, volumes):
    site.merge(volumes[0])
    assert any((site.path / "incoming").iterdir())
    site.prune(images=[S])
    assert list((site.path / "incoming").iterdir()) == [] and site.faults() == []


def test_nothing_to_merge(site, tmp_path):
    (tmp_path / "empty").mkdir()
    says = "name the directory of a bundle, a volume, or a directory of volumes."
    assert refusal(site.merge, tmp_path / "empty") == f"{tmp_path}/empty holds neither a bundle nor volumes; {says}"
    (tmp_path / "empty" / "other.tar").write_bytes(b"text")
    assert "is not a volume" in site.merge(tmp_path / "empty")[2][0] and not site.path.exists()
