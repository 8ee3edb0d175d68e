# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import Place, S, make_key
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_samples import sha256


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("place"))
    place.export()
    return place


@pytest.fixture
def place(exported):
    """The exported bundle, put back after each test."""
    before = {path: path.read_bytes() for path in exported.path.rglob("*") if path.is_file()}
    yield exported
    for path in sorted(exported.path.rglob("*"), reverse=True):
        if path.is_symlink() or not path.is_dir():
            if path not in before or path.is_symlink():
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()
    for path, content in before.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def blob(place: Place) -> Path:
    bundle = Bundle(str(place.path))
    return Path(bundle.blob_path(bundle.image(S)["layers"][0]["digest"]))


def refusal(place: Place, **options) -> str:
    with pytest.raises(CognitiveError) as error:
        place.verify(**options)
    return str(error.value)


def no_reading(monkeypatch) -> None:
    """From here on, nothing but list and signature may be opened."""
    original = _bundle.read_document

    def read(path: str) -> bytes:
        assert os.path.basename(path).startswith("SHA256SUMS"), path
        return original(path)

    monkeypatch.setattr(_bundle, "read_document", read)


def test_a_whole_bundle(place):
    verdict = place.verify()
    files = [path for path in place.path.rglob("*") if path.is_file()]
    assert (verdict.signers, verdict.faults) == (["staging@example"], [])
    assert verdict.files == len(files) - 2
    assert verdict.size == sum(path.stat().st_size for path in files if not path.name.startswith("SHA256SUMS"))


def test_a_named_signer(place):
    assert place.verify(signer="staging@example").signers == ["staging@example"]
    assert "does not let that key sign as other@example" in refusal(place, signer="other@example")


def test_an_altered_blob(place):
    path = blob(place)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert place.verify().faults == [f"{path} was altered: its checksum is not the one in the signed list; get it again from where the bundle was made."]


@pytest.mark.parametrize("change", [-1, 1])
def test_a_blob_of_the_wrong_size(place, change):
    path = blob(place)
    data = path.read_bytes()
    path.write_bytes(data[:change] if change < 0 else data + b"x")
    assert place.verify().faults == [f"{path} has {len(data) + change} bytes and should have {len(data)}; get it again from where the bundle was made."]


def test_a_missing_blob(place):
    path = blob(place)
    size = path.stat().st_size
    path.unlink()
    assert place.verify().faults == [f"{path} ({size} bytes) is missing; get it again from where the bundle was made."]


@pytest.mark.parametrize("name", ["index.json", "bundle.json", "oci-layout"])
def test_a_missing_or_altered_document(place, name):
    path = place.path / name
    content = path.read_bytes()
    path.unlink()
    assert place.verify().faults == [f"{path} is missing; get it again from where the bundle was made."]
    path.write_bytes(content + b" ")
    assert place.verify().faults == [f"{path} was altered: its checksum is not the one in the signed list; get it again from where the bundle was made."]


@pytest.mark.parametrize("name", ["extra.txt", "blobs/sha256/" + "0" * 64, ".hidden", "deep/er/file", "blobs/sha512/x"])
def test_an_extra_file(place, name):
    path = place.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert place.verify().faults == [f"{path} is not in the signed list; it does not belong to the bundle, take it away."]


def test_links_and_devices(place):
    path = blob(place)
    elsewhere = place.root / "elsewhere"
    elsewhere.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(elsewhere)
    os.mkfifo(place.path / "pipe")
    (place.path / "up").symlink_to("/etc")
    faults = place.verify().faults
    assert sorted(fault.split(" is a link or a device;")[0] for fault in faults) == sorted(map(str, (path, place.path / "pipe", place.path / "up")))
    (place.path / "pipe").unlink()


def test_every_fault_is_named(place):
    path = blob(place)
    path.unlink()
    (place.path / "extra").write_text("x")
    (place.path / "oci-layout").write_text("x")
    assert len(place.verify().faults) == 3


@pytest.mark.parametrize("name", ["SHA256SUMS", "SHA256SUMS.sig"])
def test_without_list_or_signature_nothing_else_is_read(place, monkeypatch, name):
    (place.path / name).unlink()
    no_reading(monkeypatch)
    message = refusal(place)
    what = "has no list of its files" if name == "SHA256SUMS" else "is not signed"
    assert message == f"Bundle {place.path} {what}: {name} is missing; get it again from where the bundle was made."


@pytest.mark.parametrize("damage", ["cut", "line", "byte", "signature"])
def test_an_altered_list_or_signature_ends_it(place, monkeypatch, damage):
    path = place.path / ("SHA256SUMS.sig" if damage == "signature" else "SHA256SUMS")
    data = path.read_bytes()
    path.write_bytes({"cut": data[:-30], "line": data[data.index(b"\n") + 1 :], "byte": data.replace(b"a", b"b", 1), "signature": data[: len(data) // 2]}[damage])
    no_reading(monkeypatch)
    assert "SHA256SUMS does not match its signature: it or the signature was altered or cut short" in refusal(place)


def test_a_signer_who_may_not(place, monkeypatch):
    place.key, ours = make_key(place.root / "wrong"), place.key
    place.sign()
    place.key = ours
    (place.root / "wrong").unlink()
    no_reading(monkeypatch)
    assert "which " + str(place.allowed) + " does not name" in refusal(place)


def test_no_allowed_signers_file(place):
    place.allowed, known = place.root / "none", place.allowed
    assert "none is not there; write one line in it" in refusal(place)
    place.allowed = known


@pytest.mark.parametrize(
    "line, expected",
    [
        ("{sum}  ../key", "which leads out of its directory"),
        ("{sum}  /etc/passwd", "which leads out of its directory"),
        ("{sum}  blobs/../../key", "which leads out of its directory"),
        ("{sum}  blobs//x", "which leads out of its directory"),
        ("{sum} *index.json", "is not a checksum and a file name"),
        ("\\\\{sum}  a\\\\nb", "is not a checksum and a file name"),
        ("xyz  index.json", "is not a checksum and a file name"),
        ("", "is not a checksum and a file name"),
        ("{sum}  index.json", "a second time"),
    ],
)
def test_a_signed_list_that_is_none(place, monkeypatch, line, expected):
    place.sign_list((place.path / "SHA256SUMS").read_bytes() + line.format(sum="0" * 64).encode() + b"\n")
    no_reading(monkeypatch)
    assert expected in refusal(place)


def test_a_signed_list_that_ends_within_a_line(place):
    place.sign_list((place.path / "SHA256SUMS").read_bytes()[:-1])
    assert "ends within a line" in refusal(place)


def resigned(place: Place, name: str, change) -> list[str]:
    """The faults after somebody with the key changed a document."""
    path = place.path / name
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    place.sign()
    return place.verify().faults


def test_signed_documents_that_do_not_hold_together(place):
    def named(digest: str):
        return lambda document: document["manifests"][0].update(digest=digest)

    def smaller(document) -> None:
        document["manifests"][0]["size"] -= 1

    cases = [
        ("index.json", named("sha256:../../../key"), "which is not a SHA-256 digest"),
        ("index.json", named("sha256:" + "0" * 64), "is missing; get it again"),
        ("index.json", smaller, "bytes and should have"),
        ("index.json", lambda document: document["manifests"].pop(), "do not name the same content"),
        ("index.json", lambda document: document["manifests"][0].pop("size"), "names a blob without a size"),
        ("bundle.json", lambda document: document["images"].pop(), "do not name the same content"),
        ("bundle.json", lambda document: document["images"][0].update(manifest="../x"), "which is not a SHA-256 digest"),
        ("bundle.json", lambda document: document["images"][0].pop("family"), "its list of images cannot be read"),
        ("bundle.json", lambda document: document.update(images=3), "its list of images cannot be read"),
        ("bundle.json", lambda document: document.update(schema=2), "is of schema 2"),
        ("oci-layout", lambda document: document.update(imageLayoutVersion="2"), "is not of OCI image layout 1.0.0"),
    ]
    for name, change, expected in cases:
        before = (place.path / name).read_bytes()
        faults = resigned(place, name, change)
        assert len(faults) == 1 and expected in faults[0], (name, expected, faults)
        (place.path / name).write_bytes(before)


def test_a_signed_blob_that_the_manifest_names_and_that_is_not_there(place):
    path = blob(place)
    path.unlink()
    place.sign()
    assert place.verify().faults[0].startswith(f"{path} (") and "is missing" in place.verify().faults[0]


def test_a_signed_blob_of_another_name(place):
    path = place.path / "blobs/sha256" / ("1" * 64)
    path.write_text("x")
    place.sign()
    assert place.verify().faults == [f"{path} is not named by its own checksum; get it again from where the bundle was made."]


def test_a_tree_with_a_path_that_leads_out(place):
    """A manifest that somebody with the key made by hand."""
    bundle = Bundle(str(place.path))
    old = bundle.trees()[0]["manifest"]
    manifest = Path(bundle.blob_path(old)).read_bytes()
    evil = manifest.replace(b'"license.dat"', b'"../evil.dat"').replace(b'"again.dat"', b'"/etc/evil"')
    new = sha256(evil)
    for name in ("index.json", "bundle.json"):
        content = (place.path / name).read_text().replace(old[7:], new)
        (place.path / name).write_text(content.replace(f'"size":{len(manifest)}', f'"size":{len(evil)}'))
    (place.path / "blobs/sha256" / new).write_bytes(evil)
    Path(bundle.blob_path(old)).unlink()
    place.sign()
    assert len(place.verify().faults) == 1 and "which leads out of its directory" in place.verify().faults[0]


def test_a_hundred_changed_bytes_are_all_found(place):
    """Anywhere in the bundle, one byte at a time."""
    random_ = random.Random(4)
    files = sorted(path for path in place.path.rglob("*") if path.is_file())
    for _round in range(100):
        path = random_.choice(files)
        data = bytearray(path.read_bytes())
        place_ = random_.randrange(len(data))
        data[place_] ^= 1 << random_.randrange(8)
        whole = path.read_bytes()
        path.write_bytes(data)
        try:
            assert place.verify().faults, (path, place_)
        except CognitiveError:
            pass
        path.write_bytes(whole)
    assert place.verify().faults == []


def test_no_bundle_there(tmp_path, place):
    with pytest.raises(CognitiveError, match="is not a bundle: bundle.json is not there"):
        Bundle(str(tmp_path)).images()
    with pytest.raises(CognitiveError, match="does not hold image none:1; export again"):
        Bundle(str(place.path)).image("none:1")
    place.path, known = tmp_path / "none", place.path
    assert refusal(place) == f"Bundle {tmp_path}/none is not there; name the directory that the export wrote."
    place.path = known


def test_a_document_that_is_altered_is_not_read(place):
    bundle = Bundle(str(place.path))
    path = Path(bundle.blob_path(bundle.image(S)["manifest"]))
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(CognitiveError, match="was altered or cut short; get the bundle again"):
        bundle.image(S)
    path.unlink()
    with pytest.raises(CognitiveError, match="is missing; get the bundle again"):
        bundle.images()


def test_the_tool_names_the_collections_version():
    galaxy = (Path(_bundle.__file__).resolve().parents[2] / "galaxy.yml").read_text()
    found = re.search(r"^version: (\S+)$", galaxy, re.MULTILINE)
    assert found and "airgap.cognitive " + found.group(1) == _bundle.TOOL
