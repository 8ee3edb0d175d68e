# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A push in rungs: the first layers of an image as an image of their own, then one more, until it is whole.

An engine forgets a load that broke off, and needs room for all that one load brings. A rung stays, so that the next push goes
on from it, and no more than one layer waits anywhere. The rungs go when the image is there.
"""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import RUNG, ImagePlan


def rung_counts(plan: ImagePlan) -> list[int]:
    """After how many layers of the image a rung is made: after each that lacks but the last, which comes with the whole image."""
    lacking = {layer["digest"] for layer in plan.missing}
    return [count for count, layer in enumerate(plan.image["layers"], start=1) if layer["digest"] in lacking][:-1]


def is_rung_of(tag: str, image: t.Mapping[str, t.Any]) -> bool:
    """Whether the name C(tag) is that of a rung of C(image), or of C(image) where it is itself a rung of the same image."""
    name = str(image["name"])
    prefix = name.rpartition("-")[0] if name.startswith(RUNG) else _prefix(image)
    return tag.startswith(prefix + "-")


def _prefix(image: t.Mapping[str, t.Any]) -> str:
    return f"{RUNG}:{image['manifest'].partition(':')[2][:32]}"


def make_rung(image: t.Mapping[str, t.Any], config: t.Mapping[str, t.Any], count: int) -> tuple[dict[str, t.Any], dict[str, str]]:
    """The image that the first C(count) layers of C(image) make, and its documents, base64 by digest."""
    layers = list(image["layers"][:count])
    kept = {key: config[key] for key in ("architecture", "os", "created", "variant") if key in config}
    content = _oci.encode({**kept, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]}})
    manifest = _oci.image_manifest(content, layers, made_here=True)
    rung = {
        **image,
        "name": f"{_prefix(image)}-{count}",
        "manifest": _oci.digest_of(manifest),
        "manifest_size": len(manifest),
        "manifest_media_type": _oci.MANIFEST,
        "config": _oci.digest_of(content),
        "config_size": len(content),
        "layers": layers,
    }
    return rung, {_oci.digest_of(data): base64.b64encode(data).decode("ascii") for data in (manifest, content)}
