# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil

import pytest
from bundle_place import BASE, KEYPHRASE, SENTIMENT, K, Place, S
from bundle_samples import SampleImage, layer_of, sha256

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_blobs import BlobWriter
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Held

TOP = layer_of("version 2")
SENTIMENT_2 = SampleImage([*SENTIMENT.layers, TOP])


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def diff_id(layer):
    return "sha256:" + sha256(layer)


def layers_of(place):
    return {layer["diff_id"]: layer for image in Bundle(str(place.path)).images() for layer in image["layers"]}


def receipt(place, host, images, store="classic", files=()):
    """What comes back from a host that was given C(images) out of the bundle that lies here."""
    layers = layers_of(place)
    entries = [{"id": "x", "diff_ids": image.diff_ids, "blobs": [layers[diff_id]["digest"] for diff_id in image.diff_ids]} for image in images]
    return {
        "schema": 1,
        "kind": "receipt",
        "host": host,
        "serial": 7,
        "engine": {"store": store},
        "images": entries,
        "layers": list(layers.values()),
        "files": list(files),
    }


def learn(place, *documents):
    directory = place.root / "receipts"
    directory.mkdir(exist_ok=True)
    for number, document in enumerate(documents):
        (directory / f"{number}.json").write_text(document if isinstance(document, str) else json.dumps(document))
    held = Held()
    held.learn_documents(str(directory))
    return held


def next_bundle(place):
    """The earlier bundle goes away, and the next image is there; the blobs of the earlier one."""
    earlier = place.root / "earlier"
    shutil.move(place.path, earlier)
    place.engine.images[S] = SENTIMENT_2
    place.write_record()
    return Bundle(str(earlier))


def layer_files(place):
    layers = {layer["digest"] for layer in layers_of(place).values()}
    return {file.name for file in (place.path / "blobs" / "sha256").iterdir() if "sha256:" + file.name in layers}


def against(bundle):
    held = Held()
    held.learn_bundle(bundle)
    return held


def test_a_bundle_against_an_earlier_one_holds_only_what_is_new(place):
    place.export()
    earlier = next_bundle(place)
    held = against(earlier)
    reasons, _written = place.export(held=held)
    assert reasons
    top = layers_of(place)[diff_id(TOP)]
    assert layer_files(place) == {top["digest"].partition(":")[2]}
    assert place.verify().faults == []
    bundle = Bundle(str(place.path))
    assert bundle.catalogue["against"] == [f"bundle {earlier.catalogue['id']}"]
    assert set(bundle.absent) >= {layer["digest"] for image in earlier.images() for layer in image["layers"]}
    # The license did not change.
    assert {file["digest"] for file in bundle.trees()[0]["files"]} <= set(bundle.absent)
    assert bundle.catalogue["serial"] > earlier.catalogue["serial"]
    assert place.export(held=against(earlier)) == ([], 0)


def test_what_is_left_out_is_not_packed_again(place, monkeypatch):
    place.export()
    earlier = next_bundle(place)
    packed = []
    take = BlobWriter.take
    monkeypatch.setattr(BlobWriter, "take", lambda writer, stream, size: packed.append(size) or take(writer, stream, size))
    place.export(held=against(earlier))
    assert packed == [len(TOP)]


def test_a_whole_bundle_after_a_difference_in_the_same_directory_brings_back_what_was_left_out(place):
    place.export()
    earlier = next_bundle(place)
    place.export(held=against(earlier))
    reasons, _written = place.export()
    assert reasons
    assert place.verify().faults == []
    assert Bundle(str(place.path)).absent == {}
    assert len(layer_files(place)) == 4


@pytest.mark.parametrize("store", ["classic", "containerd"])
def test_receipts_of_all_hosts_that_run_an_image_leave_out_what_they_have(place, store):
    place.export()
    documents = [receipt(place, "edge1", [SENTIMENT], store), receipt(place, "edge2", [SENTIMENT, KEYPHRASE], store)]
    next_bundle(place)
    held = learn(place, *documents)
    place.export(held=held, hosts={S: ("edge1", "edge2"), K: ("edge2",)})
    assert len(layer_files(place)) == 1
    bundle = Bundle(str(place.path))
    assert {entry["with"] for entry in bundle.catalogue["absent"]} == {"receipts of edge1, edge2", "receipts of edge2"}
    assert bundle.catalogue["serial"] > 7


def test_a_host_without_a_receipt_or_without_the_layer_gets_everything(place):
    place.export()
    documents = [receipt(place, "edge1", [SENTIMENT]), receipt(place, "edge2", [KEYPHRASE])]
    next_bundle(place)
    held = learn(place, *documents)
    # edge3 sent nothing back; edge2 holds the base, and not what is above it.
    place.export(held=held, hosts={S: ("edge1", "edge2"), K: ("edge3",)})
    names = layer_files(place)
    assert len(names) == 4
    place.export(names=[S], held=held, hosts={S: ("edge1", "edge2")})
    assert len(layer_files(place)) == 2


def test_hosts_that_nobody_named_leave_nothing_out(place):
    place.export()
    documents = [receipt(place, "edge1", [SENTIMENT, KEYPHRASE])]
    next_bundle(place)
    place.export(held=learn(place, *documents))
    assert Bundle(str(place.path)).absent == {}


def test_files_that_a_host_has_are_left_out_too(place):
    place.export()
    files = [file["digest"] for file in Bundle(str(place.path)).trees()[0]["files"]]
    held = learn(place, receipt(place, "edge1", [], files=files))
    earlier = place.root / "earlier"
    shutil.move(place.path, earlier)
    place.export(held=held, hosts={S: ("edge1",), K: ("edge1",)})
    assert set(Bundle(str(place.path)).absent) == set(files)


def test_a_depot_has_everything_for_every_host(place):
    place.export()
    layers = list(layers_of(place).values())
    blobs = {layer["digest"]: layer["size"] for layer in layers}
    next_bundle(place)
    held = learn(place, {"schema": 1, "kind": "depot", "serial": 1, "blobs": blobs, "layers": layers})
    place.export(held=held)
    assert len(layer_files(place)) == 1


def test_a_request_is_answered_with_just_what_was_asked_for(place):
    place.export()
    layers = layers_of(place)
    base = layers[diff_id(BASE)]
    shutil.move(place.path, place.root / "earlier")
    held = learn(place, {"schema": 1, "kind": "request", "host": "edge1", "blobs": [{"digest": base["digest"], "size": base["size"], "diff_id": base["diff_id"]}]})
    held.learn_bundle(Bundle(str(place.root / "earlier")))
    place.export(held=held)
    assert layer_files(place) == {base["digest"].partition(":")[2]}
    assert place.verify().faults == []


@pytest.mark.parametrize(
    "document, message",
    [
        ("{", "cannot be read as a receipt"),
        ("[]", "is not a receipt or a request"),
        ({"schema": 2, "kind": "receipt"}, "is not a receipt or a request"),
        ({"schema": 1, "kind": "request", "blobs": [{"digest": "../x"}]}, "which is not a SHA-256 digest"),
        ({"schema": 1, "kind": "request", "blobs": 5}, "is not as a request should be"),
        ({"schema": 1, "kind": "depot", "blobs": {}, "layers": [{"digest": "x"}]}, "is not as a depot should be"),
    ],
)
def test_documents_that_are_none(place, document, message):
    with pytest.raises(CognitiveError, match=message):
        learn(place, document)


def test_a_directory_without_receipts(place):
    with pytest.raises(CognitiveError, match="holds neither a bundle nor receipts"):
        learn(place)
    with pytest.raises(CognitiveError, match="cannot be read"):
        Held().learn_documents(str(place.root / "none"))
