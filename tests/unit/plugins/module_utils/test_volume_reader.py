# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json
import os
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshVerifier
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import header
from ansible_collections.airgap.cognitive.plugins.module_utils._volume_reader import check_volumes
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import BASE, K, Place
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import SampleImage, layer_of, sha256
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.depot_place import cut, members_of, resign, write_members

SIZE = 100_000


@pytest.fixture(scope="module")
def cut_place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    place = Place(root)
    place.engine.images[K] = SampleImage([BASE, layer_of("large", 180_000)])
    place.export()
    cut(place, root / "volumes", SIZE)
    return place, [(path, path.read_bytes()) for path in sorted((root / "volumes").iterdir())]


@pytest.fixture
def place(cut_place):
    """A place with volumes, which are whole again for each test."""
    for path, content in cut_place[1]:
        path.write_bytes(content)
    return cut_place[0]


@pytest.fixture
def volume(place, cut_place):
    """One volume."""
    return cut_place[1][1][0]


def check(place: Place, path: Path) -> dict[str, list]:
    return check_volumes(str(path), SshVerifier(str(place.allowed)))


def fault(place: Place, path: Path) -> str:
    faults = check(place, path)["faults"]
    assert len(faults) == 1 and faults[0].startswith(str(path)) and "\n" not in faults[0] and faults[0].endswith(".")
    return faults[0].removeprefix(str(path))


def test_whole_volumes(place, volume):
    found = check(place, volume.parent)
    assert found["faults"] == found["notes"] == []
    assert [entry["number"] for entry in found["volumes"]] == list(range(1, found["volumes"][0]["count"] + 1))
    assert check(place, volume)["volumes"] == [found["volumes"][1]]


def test_a_hundred_changed_bytes_are_all_found(place, volume):
    random_ = random.Random(6)
    whole = volume.read_bytes()
    for _round in range(100):
        data = bytearray(whole)
        place_ = random_.randrange(len(data))
        data[place_] ^= 1 << random_.randrange(8)
        volume.write_bytes(data)
        assert check(place, volume)["faults"], place_
    for size in (0, 1, 511, 512, 600, 20_000, len(whole) - 1024, len(whole) - 1):
        volume.write_bytes(whole[:size])
        assert check(place, volume)["faults"], size


def test_a_byte_between_members(place, volume):
    whole = volume.read_bytes()
    with tarfile.open(volume) as archive:
        ends = {member.name: member.offset_data + member.size for member in archive}
    for name, end in ends.items():
        if end % 512:
            volume.write_bytes(whole[:end] + b"x" + whole[end + 1 :])
            assert f" was altered or cut short after {name}; copy it again" in fault(place, volume)


@pytest.mark.parametrize("extra", [b"x", bytes(512), b"x" * 4096])
def test_what_follows_the_end(place, volume, extra):
    volume.write_bytes(volume.read_bytes() + extra)
    assert " does not end after what volume.json names; copy it again" in fault(place, volume)


def strange(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    return member


@pytest.mark.parametrize(
    "member, says",
    [
        (strange("/etc/passwd"), " has a member '/etc/passwd', which leads out of its directory; do not use it."),
        (strange("../evil"), " has a member '../evil', which leads out of its directory; do not use it."),
        (strange("blobs/../../evil"), " has a member 'blobs/../../evil', which leads out of its directory; do not use it."),
        (strange("link", tarfile.SYMTYPE, "/etc/passwd"), " has a link 'link'; a volume holds plain files only, do not use it."),
        (strange("hard", tarfile.LNKTYPE, "bundle.json"), " has a link 'hard'; a volume holds plain files only, do not use it."),
        (strange("null", tarfile.CHRTYPE), " has a member 'null' that is a directory, a device or of another kind; a volume holds plain files only, do not use it."),
        (strange("pipe", tarfile.FIFOTYPE), " has a member 'pipe' that is a directory, a device or of another kind; a volume holds plain files only, do not use it."),
        (strange("blobs", tarfile.DIRTYPE), " has a member 'blobs/' that is a directory, a device or of another kind; a volume holds plain files only, do not use it."),
        (
            strange("long", tarfile.GNUTYPE_LONGNAME, size=8 << 30),
            " has a member 'long' that is a directory, a device or of another kind; a volume holds plain files only, do not use it.",
        ),
        (strange("bundle.json"), " has 'bundle.json' twice; do not use it."),
        (strange("volume.json"), " has 'volume.json' twice; do not use it."),
        (strange("notes.txt"), " has a member 'notes.txt' that volume.json does not name; do not use it."),
    ],
)
def test_a_member_that_does_not_belong(place, volume, member, says):
    members = members_of(volume)
    for where in (7, len(members) - 1):
        write_members(volume, [*members[:where], (member, b""), *members[where:]])
        assert fault(place, volume).replace("'blobs'", "'blobs/'") == says
    write_members(volume, [*members, (member, b"")])
    assert "does not end after what volume.json names" in fault(place, volume)


def test_a_size_that_lies(place, volume):
    members = members_of(volume)
    name, content = members[-1]
    for size in (0, len(content) - 1, len(content) + 1, 8 << 30):
        with volume.open("wb") as target:
            write_members(volume, members[:-1])
            target.seek(volume.stat().st_size - 1024)
            target.write(strange(name, size=size).tobuf(tarfile.GNU_FORMAT) + content)
        assert fault(place, volume) == f" says that {name!r} has {size} bytes, and volume.json says {len(content)}; do not use it."


def test_members_that_lack_or_changed_places(place, volume):
    members = members_of(volume)
    write_members(volume, members[:-1])
    assert f" ends before {members[-1][0]}; copy it again from where it was made, or make volume 2 again." in fault(place, volume)
    write_members(volume, [*members[:-2], members[-1], members[-2]])
    assert "with another header or in another place than it was written" in fault(place, volume)
    write_members(volume, [*members[:2], *members[3:]])
    assert "in another place than it was written" in fault(place, volume)


def test_an_altered_blob(place, volume):
    members = members_of(volume)
    name, content = members[-1]
    write_members(volume, [*members[:-1], (name, content[:-1] + b"?")])
    assert fault(place, volume) == f": {name} was altered; copy it again from where it was made, or make volume 2 again."


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda document: document.update(schema=2), "is of schema 2"),
        (lambda document: document.update(number=0), "is of volume 0 of"),
        (lambda document: document.update(number=9), "and there is no such volume"),
        (lambda document: document.update(count="3"), "for count, which is no number"),
        (lambda document: document.update(bundle="../x"), "for the id of its bundle, which is none"),
        (lambda document: document.update(bundle="0123456789abcdef"), "says that it is of bundle 0123456789abcdef, and holds the documents of bundle"),
        (lambda document: document.update(ranges=3), "lists no ranges"),
        (lambda document: document["ranges"][-1].update(path="../../evil"), "which leads out of its directory"),
        (lambda document: document["ranges"][-1].update(path="/evil"), "which leads out of its directory"),
        (lambda document: document["ranges"].append(document["ranges"][0]), "a second time"),
        (lambda document: document["ranges"].append({**document["ranges"][0], "path": "late"}), "after the first blob, and documents come first"),
        (lambda document: document["ranges"][0].update(path="volume.json"), "names volume.json a second time"),
        (lambda document: document["ranges"][-1].update(length=1 << 60), "names bytes 0 to 1152921504606846976 of"),
        (lambda document: document["ranges"][-1].update(offset=-1), "for offset, which is no number"),
        (lambda document: document["ranges"][0].update(length=1), "and only blobs are cut"),
        (lambda document: document["ranges"][-1].pop("sha256"), "has no checksum for"),
        (lambda document: document["ranges"][5].update(sha256="0" * 64), "with another checksum"),
        (lambda document: document.update(blobs={"x": [1, 2]}), "does not say in which volumes the blobs are"),
        (lambda document: document.update(blobs={"0" * 64: [2, 1]}), "does not say in which volumes the blobs are"),
    ],
)
def test_a_signed_document_that_no_cut_gives(place, volume, change, says):
    resign(place, volume, change)
    if says.startswith("names bytes 0"):
        says = "names bytes"
    assert says in fault(place, volume)


def test_a_signed_blob_of_no_bundle(place, volume):
    """Somebody with the key put in a blob that the bundle's own list does not name."""
    evil = b"evil"
    entry = {"path": "blobs/sha256/" + sha256(evil), "offset": 0, "length": 4, "of": 4, "sha256": sha256(evil)}
    resign(place, volume, lambda document: document["ranges"].append(entry))
    write_members(volume, [*members_of(volume), (entry["path"], evil)])
    assert "which is not in the signed list of its bundle; do not use it." in fault(place, volume)


def test_numbers_that_were_swapped(place, volume):
    """Without the key a volume cannot say that it is another one; under another's name it is what it is."""
    members = members_of(volume)
    document = json.loads(members[0][1])
    swapped = json.dumps({**document, "number": 1}, sort_keys=True, separators=(",", ":")).encode()
    write_members(volume, [("volume.json", swapped), *members[1:]])
    assert "volume.json does not match its signature" in fault(place, volume)
    write_members(volume, members)
    renamed = volume.with_name(volume.name.replace("-02-", "-01-"))
    os.replace(volume, renamed)
    found = check(place, renamed)
    assert found["volumes"][0]["number"] == 2 and found["faults"] == []
    assert found["notes"] == [f"{renamed} has the name of another one and is volume 2 of {document['count']} of bundle {document['bundle']}; it counts as what it is."]


def test_a_stranger_s_signature(place, volume, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.write_text(place.allowed.read_text().replace("staging@example", "other@example"))
    assert check_volumes(str(volume), SshVerifier(str(allowed)))["faults"] == []
    with_other = check_volumes(str(volume), SshVerifier(str(allowed), "staging@example"))
    assert "does not let that key sign as staging@example" in with_other["faults"][0]


@pytest.mark.parametrize("content", [b"", b"text", bytes(4096), gzip.compress(bytes(1 << 20)), header("other", 3) + b"abc"])
def test_what_is_no_volume(place, tmp_path, content):
    path = tmp_path / "other.tar"
    path.write_bytes(content)
    assert fault(place, path) == " is not a volume: it does not begin with volume.json and its signature; name a file that bundle_volumes made."


def test_nothing_or_no_file(place, tmp_path):
    with pytest.raises(CognitiveError, match="There is no volume at"):
        check(place, tmp_path)
    os.mkfifo(tmp_path / "pipe.tar")
    assert fault(place, tmp_path / "pipe.tar") == " is not a plain file; name a volume."


def test_bombs_take_no_memory(place, volume, tmp_path):
    """A hundred thousand members, documents that say that they are huge, and a sparse end."""
    members = members_of(volume)
    bombs = {"many": [*members[:7], *[(f"m{number}", b"") for number in range(100_000)]]}
    for name, content in bombs.items():
        write_members(tmp_path / f"{name}.tar", content)
    for name, before in (("volume.json", []), ("volume.json.sig", members[:1])):
        path = tmp_path / f"{name}.tar"
        write_members(path, before)
        with path.open("r+b") as target:
            target.seek(path.stat().st_size - 1024)
            target.write(strange(name, size=8 << 30).tobuf(tarfile.GNU_FORMAT))
            target.truncate(1 << 33)
    end = tmp_path / "end.tar"
    end.write_bytes(volume.read_bytes())
    os.truncate(end, 1 << 40)
    tracemalloc.start()
    for path in sorted(tmp_path.glob("*.tar")):
        assert fault(place, path)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
