# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _volumes
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle, blobs_of
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._volumes import Cut
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place, S, make_key
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import cut, members_of

SIZE = 100_000


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    place.engine.images[K] = SampleImage([BASE, layer_of("small", 3000), layer_of("large", 180_000)])
    place.export()
    return place


def refusal(*arguments, **options) -> str:
    with pytest.raises(CognitiveError) as error:
        cut(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def test_a_bundle_is_cut(place, tmp_path):
    job = cut(place, tmp_path / "volumes", SIZE)
    bundle = Bundle(str(place.path))
    volumes = job.wanted
    assert len(volumes) > 2 and [volume.number for volume in volumes] == list(range(1, len(volumes) + 1))
    found: dict[str, list[tuple[int, int]]] = {}
    order = []
    for volume in volumes:
        path = Path(job.path(volume))
        assert path.name == f"{bundle.catalogue['id']}-{volume.number:02}-of-{len(volumes):02}.tar"
        assert path.stat().st_size <= SIZE
        members = dict(members_of(path))
        assert list(members)[:7] == ["volume.json", "volume.json.sig", "SHA256SUMS", "SHA256SUMS.sig", "bundle.json", "oci-layout", "index.json"]
        for image in bundle.images():
            assert {f"blobs/sha256/{image[key].partition(':')[2]}" for key in ("manifest", "config")} <= set(members)
        for entry in volume.ranges[5:]:
            order.append(entry.checksum)
            whole = (place.path / entry.path).read_bytes()
            assert members[entry.member] == whole[entry.offset : entry.offset + entry.length]
            found.setdefault(entry.path, []).append((entry.offset, entry.offset + entry.length))
    for path in (place.path / "blobs/sha256").iterdir():
        spans = sorted(set(found[f"blobs/sha256/{path.name}"]))
        assert [start for start, _end in spans] == [0, *[end for _start, end in spans[:-1]]] and spans[-1][1] == path.stat().st_size
    assert any(len(spans) > 1 for spans in found.values() if len(set(spans)) > 1)
    # What the first image needs comes first, layer after layer.
    first = bundle.images()[0]
    always = {digest for image in bundle.images() for digest in (image["manifest"], image["config"])} | {tree["manifest"] for tree in bundle.trees()}
    needed = [checksum for checksum in dict.fromkeys(order) if "sha256:" + str(checksum) not in always]
    assert needed[: len(first["layers"])] == [layer["digest"].partition(":")[2] for layer in first["layers"]]
    assert set(blobs_of(first)) <= {"sha256:" + str(checksum) for checksum in order}


def test_any_size_gives_volumes_that_are_not_larger(place, tmp_path):
    for size in [*range(60_000, 64_000, 321), 4096_000]:
        target = tmp_path / str(size)
        cut(place, target, size)
        assert all(path.stat().st_size <= size for path in target.iterdir())
        shutil.rmtree(target)


def test_by_hand(place, tmp_path):
    """What the documentation says, with nothing of this collection."""
    cut(place, tmp_path / "volumes", SIZE)
    script = r"""
        set -e
        mkdir bundle
        for volume in volumes/*.tar; do tar -xf "$volume" -C bundle; done
        cd bundle
        for part in parts/*-000000000000000; do sum=$(basename "$part" -000000000000000); cat parts/"$sum"-* > blobs/sha256/"$sum"; done
        sha256sum --check --strict --quiet SHA256SUMS
    """
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / "bundle" / "parts")
    for name in ("volume.json", "volume.json.sig"):
        (tmp_path / "bundle" / name).unlink()
    own, place.path = place.path, tmp_path / "bundle"
    assert place.verify().faults == []
    place.path = own


def test_again_nothing_is_written(place, tmp_path):
    job = cut(place, tmp_path / "volumes", SIZE)
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "volumes").iterdir()}
    assert set(job.reasons.values()) == {f"volume {number} is not there" for number in job.reasons}
    again = cut(place, tmp_path / "volumes", SIZE)
    assert set(again.reasons.values()) == {None}
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (tmp_path / "volumes").iterdir()} == before


def test_one_is_made_again_the_same_to_the_byte(place, tmp_path):
    cut(place, tmp_path / "volumes", SIZE)
    whole = contents(tmp_path / "volumes")
    cut(place, tmp_path / "again", SIZE, numbers=[2])
    second = sorted(whole)[1]
    assert contents(tmp_path / "again") == {second: whole[second]}
    # And so is one that was damaged, where it is.
    path = tmp_path / "volumes" / second
    path.write_bytes(whole[second][:50_000] + b"?" + whole[second][50_001:])
    job = cut(place, tmp_path / "volumes", SIZE)
    assert [number for number, reason in job.reasons.items() if reason] == [2]
    assert str(job.reasons[2]).startswith(str(path))
    assert contents(tmp_path / "volumes") == whole


def test_volumes_of_other_cuts_stay(place, tmp_path):
    cut(place, tmp_path / "volumes", SIZE)
    job = cut(place, tmp_path / "volumes", 2 * SIZE)
    assert len(job.others) > 2 and len(list((tmp_path / "volumes").iterdir())) == len(job.others) + len(job.wanted)


def test_sizes_that_are_refused(place, tmp_path):
    target = tmp_path / "volumes"
    assert refusal(place, target, 4 << 30) == (
        "A volume of 4 GiB does not fit on FAT32, which holds no file of more than 4294967295 bytes (4 GiB less one); name 4095m or less."
    )
    message = refusal(place, target, 20_000)
    assert message.startswith("A volume of 20000 bytes is too small: each one carries the bundle's documents, and needs ")
    least = int(message.split(" needs ")[1].split()[0])
    assert refusal(place, target, least - 1) == message.replace("20000", str(least - 1))
    assert not target.exists()
    cut(place, target, least)
    assert all(path.stat().st_size <= least for path in target.iterdir())
    assert refusal(place, target, SIZE, numbers=[99]).startswith("There is no volume 99: cut into volumes of 97.7 KiB, the bundle has ")


def test_too_many_volumes(place, tmp_path, monkeypatch):
    monkeypatch.setattr(_volumes, "MAX_COUNT", 2)
    assert refusal(place, tmp_path / "volumes", SIZE) == "Cut into volumes of 97.7 KiB the bundle would have more than 2; name a larger size."


def test_a_bundle_that_is_not_whole(place, tmp_path):
    path = Path(Bundle(str(place.path)).blob_path(Bundle(str(place.path)).image(K)["layers"][2]["digest"]))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    assert f"{path} was altered" in refusal(place, tmp_path / "volumes", 4096_000)
    assert list((tmp_path / "volumes").iterdir()) == []
    path.unlink()
    assert f"{path} is missing" in refusal(place, tmp_path / "volumes", SIZE)
    path.write_bytes(whole)
    index = place.path / "index.json"
    index.write_bytes(index.read_bytes() + b" ")
    assert f"{index} was altered" in refusal(place, tmp_path / "volumes", SIZE)


def test_with_another_key(place, tmp_path):
    assert "SHA256SUMS is not signed with this key" in refusal(place, tmp_path / "volumes", SIZE, key=make_key(tmp_path / "other"))


def test_no_room(place, tmp_path, monkeypatch):
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(_volumes, "_put", full)
        assert refusal(place, tmp_path / "volumes", SIZE).startswith(f"No room is left in {tmp_path}/volumes; make room")
    assert os.listdir(tmp_path / "volumes") == []


def test_a_difference_is_cut_without_what_it_leaves_out(place, tmp_path):
    bundle = Bundle(str(place.path))
    base = bundle.image(K)["layers"][0]["digest"]
    os.unlink(bundle.blob_path(base))
    catalogue = json.loads((place.path / "bundle.json").read_bytes())
    catalogue["absent"] = [{"digest": base, "size": 1}]
    (place.path / "bundle.json").write_text(json.dumps(catalogue))
    place.sign()
    volumes = Cut(str(place.path), SIZE, SshSigner(str(place.key))).volumes
    assert all(entry.checksum != base.partition(":")[2] for volume in volumes for entry in volume.ranges)


def test_the_order_of_a_license(place, tmp_path):
    """A license comes right after the layers of its image."""
    bundle = Bundle(str(place.path))
    volumes = Cut(str(place.path), 4096_000, SshSigner(str(place.key))).volumes
    order = [str(entry.checksum) for entry in volumes[0].ranges]
    layer = bundle.image(S)["layers"][-1]["digest"].partition(":")[2]
    files = {file["digest"].partition(":")[2] for file in bundle.trees()[0]["files"]}
    assert len(volumes) == 1 and files <= set(order[order.index(layer) + 1 :])
