# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Held
from ansible_collections.airgap.cognitive.plugins.plugin_utils._receipt import depot_receipt, host_receipt, reason_to_write, settle_request, write_receipt
from ansible_collections.airgap.cognitive.tests.unit.plugins.module_utils.bundle_place import Place


@pytest.fixture
def bundle(tmp_path):
    place = Place(tmp_path)
    place.export()
    return Bundle(str(place.path))


def holds(bundle, **more):
    """A host whose engine holds the first image of the bundle."""
    image = bundle.images()[0]
    entry = {"id": "x", "names": [image["name"]], "diff_ids": [layer["diff_id"] for layer in image["layers"]], "blobs": []}
    return {"engine": {"store": "classic", "version": "26.1", "api": "1.45", "root": "/"}, "room": {"/": 1}, "images": [entry], **more}


def write(receipt, directory):
    path, reason, _before = reason_to_write(receipt, str(directory))
    write_receipt(receipt, path)
    return path, reason


def test_a_receipt_is_written_when_it_says_something_else(bundle, tmp_path):
    tree = bundle.trees()[0]
    receipt = host_receipt("edge1", holds(bundle), bundle, {"/srv/license": tree["manifest"]}, None)
    path, reason = write(receipt, tmp_path / "receipts")
    assert os.path.basename(path) == "edge1.json" and reason == "it is not there"
    # Other room is no reason; other content is.
    receipt = host_receipt("edge1", holds(bundle, room={"/": 2}), bundle, {"/srv/license": tree["manifest"]}, None)
    assert reason_to_write(receipt, str(tmp_path / "receipts"))[1] is None
    assert reason_to_write(host_receipt("edge1", holds(bundle), bundle, {}, None), str(tmp_path / "receipts"))[1] == "it says something else"
    assert set(receipt["files"]) == {file["digest"] for file in tree["files"]}


def test_a_receipt_names_the_bundles_that_the_host_was_given(bundle, tmp_path):
    write(host_receipt("edge1", holds(bundle), bundle, {}, None), tmp_path)
    bundle.catalogue["id"] = "next"
    receipt = host_receipt("edge1", holds(bundle), bundle, {}, None)
    reason_to_write(receipt, str(tmp_path))
    assert len(receipt["bundles"]) == 2 and receipt["bundles"][-1]["id"] == "next"


def test_the_connected_side_understands_receipts(bundle, tmp_path):
    write(host_receipt("edge/1", holds(bundle), bundle, {}, None), tmp_path / "receipts")
    write(depot_receipt(bundle), tmp_path / "receipts")
    held = Held()
    held.learn_documents(str(tmp_path / "receipts"))
    assert held.hosts["edge/1"].missing(bundle.images()[0]["layers"]) == []
    assert set(held.everywhere) >= {layer["digest"] for image in bundle.images() for layer in image["layers"]}
    assert held.serial == bundle.catalogue["serial"]


def test_a_depot_does_not_claim_what_it_lacks(bundle):
    digest = bundle.images()[0]["layers"][0]["digest"]
    os.truncate(bundle.blob_path(digest), 5)
    assert digest not in depot_receipt(bundle)["blobs"]


def test_what_a_bundle_lacks_too_is_asked_for_until_it_is_there(bundle, tmp_path):
    layer = bundle.images()[0]["layers"][0]
    lacking = {layer["digest"]: layer["size"]}
    settle_request(bundle, "edge1", "images", lacking, str(tmp_path / "receipts"), False)
    assert not (tmp_path / "receipts").exists()
    os.rename(bundle.blob_path(layer["digest"]), tmp_path / "away")
    with pytest.raises(CognitiveError, match="would say what it needs"):
        settle_request(bundle, "edge1", "images", lacking, str(tmp_path / "receipts"), True)
    assert not (tmp_path / "receipts").exists()
    with pytest.raises(CognitiveError, match="edge1 lacks 1 blob .*/request-edge1-images.json says what it needs"):
        settle_request(bundle, "edge1", "images", lacking, str(tmp_path / "receipts"), False)
    request = json.loads((tmp_path / "receipts" / "request-edge1-images.json").read_text())
    assert request["blobs"] == [{"digest": layer["digest"], "size": layer["size"], "diff_id": layer["diff_id"]}]
    held = Held()
    held.learn_documents(str(tmp_path / "receipts"))
    assert held.requested == {layer["digest"], layer["diff_id"]}
    os.rename(tmp_path / "away", bundle.blob_path(layer["digest"]))
    settle_request(bundle, "edge1", "images", lacking, str(tmp_path / "receipts"), False)
    assert os.listdir(tmp_path / "receipts") == []


def test_a_place_that_cannot_be_written(bundle, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CognitiveError, match="name a directory for receipts"):
        write_receipt({}, str(tmp_path / "file" / "edge1.json"))
