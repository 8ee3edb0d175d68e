# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What travels back from a site: receipts of what the depot and each host hold, and requests for what lacks.

C(module_utils/_held) reads both on the connected side.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import DEPOT, RECEIPT, REQUEST, SCHEMA, read_document
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import TIME
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size
from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import HostLedger, directory_name, write_whole

Receipt = dict[str, t.Any]

# What differs from one look to the next although the host holds the same.
_PASSING = ("written", "room", "usage")
# How many of the bundles that a host was given its receipt names.
_REMEMBERED = 20


def host_receipt(host: str, holds: dict[str, t.Any], bundle: Bundle, trees: t.Mapping[str, str], usage_dir: str | None) -> Receipt:
    """The receipt of C(host), whose engine C(holds) this, and which has C(trees) of C(bundle) (digest by directory) in place."""
    pushed = {blob for image in holds["images"] for blob in image["blobs"]}
    diff_ids = {diff_id for image in holds["images"] for diff_id in image["diff_ids"]}
    last = HostLedger(usage_dir, host).last() if usage_dir else None
    return {
        "schema": SCHEMA,
        "kind": RECEIPT,
        "host": host,
        "serial": bundle.catalogue.get("serial", 0),
        "bundles": [_named(bundle)],
        **{key: holds[key] for key in ("engine", "room", "images")},
        # By what name a layer that the host holds is known in bundles.
        "layers": [layer for layer in _layers(bundle) if layer["digest"] in pushed or layer["diff_id"] in diff_ids],
        "trees": dict(trees),
        "files": sorted({file["digest"] for tree in bundle.trees() if tree["manifest"] in trees.values() for file in tree["files"]}),
        "usage": {"time": last.record["time"], "digest": last.digest} if last else None,
    }


def depot_receipt(depot: Bundle) -> Receipt:
    """The receipt of a depot: every blob that its bundles name and that is there."""
    named: dict[str, int] = {}
    for image in depot.images():
        named.update(_bundle.blobs_of(image))
    for tree in depot.trees():
        named.update(_bundle.blobs_of_tree(tree))
    blobs = {digest: size for digest, size in sorted(named.items()) if _size(depot.blob_path(digest)) == size}
    return {
        "schema": SCHEMA,
        "kind": DEPOT,
        "serial": depot.catalogue.get("serial", 0),
        "bundles": [_named(depot)],
        "blobs": blobs,
        "layers": [layer for layer in _layers(depot) if layer["digest"] in blobs],
    }


def _named(bundle: Bundle) -> dict[str, t.Any]:
    return {key: bundle.catalogue.get(key) for key in ("id", "series", "serial", "created")}


def _layers(bundle: Bundle) -> list[t.Mapping[str, t.Any]]:
    found = {layer["digest"]: layer for image in bundle.images() for layer in image["layers"]}
    return [found[digest] for digest in sorted(found)]


def _size(path: str) -> int | None:
    return os.path.getsize(path) if os.path.isfile(path) else None


def reason_to_write(receipt: Receipt, directory: str) -> tuple[str, str | None, Receipt]:
    """Where C(receipt) belongs, why it must be written there or None, and what is there now.

    The bundles that the receipt there names are added to its own.
    """
    name = f"{directory_name(receipt['host'])}.json" if receipt["kind"] == RECEIPT else "depot.json"
    path = os.path.join(directory, name)
    if not os.path.isfile(path):
        return path, "it is not there", {}
    before = read_document(path)
    ours = {bundle["id"] for bundle in receipt["bundles"]}
    receipt["bundles"] = [*(bundle for bundle in before.get("bundles", []) if bundle["id"] not in ours), *receipt["bundles"]][-_REMEMBERED:]
    same = all(before.get(key) == receipt.get(key) for key in {*before, *receipt} - {*_PASSING})
    return path, None if same else "it says something else", before


def write_receipt(receipt: Receipt, path: str) -> None:
    """Write it whole or not at all."""
    receipt = {**receipt, "written": datetime.datetime.now(datetime.timezone.utc).strftime(TIME)}
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, json.dumps(receipt, sort_keys=True, indent=1).encode() + b"\n")
    except OSError as error:
        raise CognitiveError(f"{path} cannot be written ({error.strerror}); name a directory for receipts that this user may write.") from error


def settle_request(bundle: Bundle, host: str, what: str, lacking: t.Mapping[str, int], directory: str | None, check_mode: bool) -> None:
    """Raise where C(bundle) has not all of C(lacking) (size by digest) either; what the site must ask for goes into C(directory).

    A request of an earlier run that is settled goes.
    """
    path = os.path.join(directory, f"request-{directory_name(host)}-{what}.json") if directory else None
    missing = {digest: size for digest, size in lacking.items() if _size(bundle.blob_path(digest)) is None}
    if not missing:
        if path and not check_mode:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        return
    origins = {entry["digest"]: entry.get("with") for entry in bundle.catalogue.get("absent", []) if isinstance(entry, dict)}
    first = sorted(missing)[0]
    message = (
        f"{host} lacks {len(missing)} {'blob' if len(missing) == 1 else 'blobs'} ({format_size(sum(missing.values()))}) that {bundle.path} does not hold either, the first of them {first}"
        f"{f', which was left out because of {origins[first]}' if origins.get(first) else ''}; nothing was changed there."
    )
    if path is None:
        raise CognitiveError(f"{message} Get the bundle again from where it was made, or export one that leaves nothing out.", missing=missing)
    if not check_mode:
        diff_ids = {layer["digest"]: layer["diff_id"] for layer in _layers(bundle)}
        blobs = [{"digest": digest, "size": missing[digest], "diff_id": diff_ids.get(digest)} for digest in sorted(missing)]
        write_receipt({"schema": SCHEMA, "kind": REQUEST, "host": host, "bundle": bundle.catalogue.get("id"), "blobs": blobs}, path)
    what_then = f"{path} {'would say' if check_mode else 'says'} what it needs"
    raise CognitiveError(f"{message} {what_then}: take the receipts to the connected side, and export with them (cognitive_against).", missing=missing)
