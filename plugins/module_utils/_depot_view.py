# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What a depot holds and lacks, for people and for the results of modules."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._depot import Content, Depot, KeptBundle
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size
from ansible_collections.airgap.cognitive.plugins.module_utils._volume import read_volume

VOLUME_FILE = re.compile(r"volume-(\d{1,3})-of-(\d{1,3})\.json")


def describe(depot: Depot, contents: t.Sequence[Content]) -> list[dict[str, t.Any]]:
    """Each of C(contents), and which blobs of it lack, with the bundle and the volumes that have them."""
    lacking = {digest for content in contents for digest in content.lacking}
    bundles = [(bundle, bundle.listed(), _places(bundle)) for bundle in (depot.bundles() if lacking else [])]

    def blob(digest: str, size: int, own: KeptBundle) -> dict[str, t.Any]:
        # First the bundle that it came with.
        for bundle, listed, places in sorted(bundles, key=lambda entry: entry[0].id != own.id):
            if digest in listed:
                return {"digest": digest, "size": size, "bundle": bundle.id, "volumes": places.get(digest.partition(":")[2], [])}
        return {"digest": digest, "size": size, "bundle": "", "volumes": []}

    found = [(content, [blob(digest, size, content.bundle) for digest, size in sorted(content.lacking.items())]) for content in contents]
    return [
        {
            "kind": content.kind,
            "name": content.name,
            "content": f"{content.kind} {content.name}",
            "family": content.entry["family"],
            "tag": content.entry["tag"],
            "bundle": content.bundle.id,
            "complete": not lacks,
            "awaited": any(entry["bundle"] for entry in lacks),
            "lacking": lacks,
        }
        for content, lacks in found
    ]


def _places(bundle: KeptBundle) -> dict[str, list[int]]:
    """By the checksum of a blob, the volumes that have it and did not come yet, where the bundle came in volumes."""
    cuts: dict[str, list[tuple[int, str]]] = {}
    for name in os.listdir(bundle.path):
        match = VOLUME_FILE.fullmatch(name)
        if match:
            cuts.setdefault(match.group(2), []).append((int(match.group(1)), os.path.join(bundle.path, name)))
    if not cuts:
        return {}
    # Of two cuts the one that is nearer to its end.
    came = max(sorted(cuts.values()), key=len)
    volume = read_volume(_bundle.read_document(came[0][1]), came[0][1])
    numbers = {number for number, _path in came}
    places = {checksum: list(range(first, last + 1)) for checksum, (first, last) in volume.blobs.items()}
    return {checksum: [number for number in all_ if number not in numbers] or all_ for checksum, all_ in places.items()}


def table(described: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What C(describe) returned, in columns."""
    return [
        {
            "kind": content["kind"],
            "name": content["name"],
            "content": content["content"],
            "bundle": content["bundle"],
            "complete": "yes" if content["complete"] else "no",
            "awaited": content["awaited"],
            "lacking": lacking_words(content["lacking"]),
        }
        for content in described
    ]


def lacking_words(lacking: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """How much lacks, and what has it."""
    if not lacking:
        return ""
    count = len(lacking)
    volumes: dict[str, set[int]] = {}
    for blob in lacking:
        volumes.setdefault(blob["bundle"], set()).update(blob["volumes"])
    where = ", ".join(_origin(bundle, sorted(numbers)) for bundle, numbers in sorted(volumes.items()))
    return f"{count} {'blob' if count == 1 else 'blobs'} ({format_size(sum(blob['size'] for blob in lacking))}), in {where}"


def _origin(bundle: str, volumes: t.Sequence[int]) -> str:
    if not bundle:
        return "the bundle that this difference was made against"
    words = ", ".join(str(number) for number in volumes)
    return f"{'volume' if len(volumes) == 1 else 'volumes'} {words} of bundle {bundle}" if volumes else f"bundle {bundle}"
