# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Which layers of an image an engine lacks, and how much room it needs to take them in.

In the classic store a layer is known by the chain of diff IDs up to it, so only a prefix of an
image can be left out. In the containerd store a layer is known by its blob digest; what an engine
holds there is known from the record of what was pushed, for as long as it still has that image.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

# Engines before this one cannot unpack zstd.
ZSTD_SINCE = 23
# An image has this repository while it arrives, and its own name only when it is found to be right.
ARRIVING = "airgap-cognitive/arriving"
# The first layers of an image that arrives layer by layer have this repository until the whole image is there.
RUNG = "airgap-cognitive/rung"

# What a compressed layer grows to, where the bundle does not say.
_USUAL_GROWTH = 3


class EngineLike(t.Protocol):
    """What a plan asks of an engine."""

    @property
    def store(self) -> str: ...

    @property
    def major(self) -> int: ...

    def image(self, name: str) -> t.Any: ...

    def images(self) -> list[t.Any]: ...


@dataclass(frozen=True)
class ImagePlan:
    """What one image needs: nothing where C(reason) is None, only its name where C(tag_only)."""

    image: t.Mapping[str, t.Any]
    reason: str | None
    missing: tuple[t.Mapping[str, t.Any], ...] = ()
    tag_only: bool = False
    # What the engine calls the image that has the name now.
    before: str | None = None

    @property
    def present(self) -> int:
        """How many layers the engine has already."""
        return len(self.image["layers"]) - len(self.missing) if self.reason else len(self.image["layers"])


@dataclass
class Holdings:
    """What an engine holds, and, as a plan goes on, what it will hold."""

    store: str
    chains: set[tuple[str, ...]] = field(default_factory=set)
    blobs: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, engine: EngineLike, pushed: t.Mapping[str, t.Sequence[str]], images: t.Sequence[t.Any] | None = None) -> Holdings:
        """C(pushed) are, by image ID, the blobs that were pushed for it."""
        found = cls(engine.store)
        for image in engine.images() if images is None else images:
            found.add(image.diff_ids, pushed.get(image.id, ()))
        return found

    def add(self, diff_ids: t.Sequence[str], blobs: t.Iterable[str]) -> None:
        """The layers of one more image."""
        self.chains.update(tuple(diff_ids[: count + 1]) for count in range(len(diff_ids)))
        self.blobs.update(blobs)

    def missing(self, layers: t.Sequence[t.Mapping[str, t.Any]]) -> list[t.Mapping[str, t.Any]]:
        """The layers that must be sent for an image that has C(layers)."""
        if self.store == "containerd":
            return [layer for layer in layers if layer["digest"] not in self.blobs]
        diff_ids = [layer["diff_id"] for layer in layers]
        # Only whole chains count: a layer that lies on another parent is another layer there.
        known = next((count for count in range(len(layers), 0, -1) if tuple(diff_ids[:count]) in self.chains), 0)
        return list(layers[known:])


@dataclass(frozen=True)
class Plan:
    """What all images of a host need, in the order in which they are loaded."""

    images: tuple[ImagePlan, ...]
    store: str
    unpacks_zstd: bool = True

    @property
    def missing_blobs(self) -> dict[str, int]:
        """Size by digest of the layers to send, each once."""
        return {layer["digest"]: layer["size"] for plan in self.images for layer in plan.missing}

    @property
    def engine_bytes(self) -> int:
        """Room that the engine needs at the peak, image after image."""
        return self._peak(plan.missing for plan in self.images)

    @property
    def ladder_engine_bytes(self) -> int:
        """The same as C(engine_bytes) where layers are sent and loaded one by one."""
        return self._peak([layer] for plan in self.images for layer in plan.missing)

    def _peak(self, loads: t.Iterable[t.Sequence[t.Mapping[str, t.Any]]]) -> int:
        kept = peak = 0
        for layers in loads:
            archive = sum(self._archive_size(layer) for layer in layers)
            unpacked = sum(_raw_size(layer) for layer in layers)
            peak = max(peak, kept + archive + unpacked)
            # The containerd store keeps the blobs; the classic one unpacks the archive beside its data first.
            kept += unpacked + (archive if self.store == "containerd" else 0)
        return peak

    @property
    def needs_zstd(self) -> bool:
        """Whether layers must be unpacked for the engine, which takes the C(zstd) program."""
        return not self.unpacks_zstd and any(is_zstd(layer) for plan in self.images for layer in plan.missing)

    def _archive_size(self, layer: t.Mapping[str, t.Any]) -> int:
        return _raw_size(layer) if is_zstd(layer) and not self.unpacks_zstd else int(layer["size"])


def is_zstd(layer: t.Mapping[str, t.Any]) -> bool:
    """Whether the blob of a layer is compressed with zstd."""
    return str(layer["media_type"]).endswith("zstd")


def unpacks_zstd(engine: EngineLike) -> bool:
    """Whether an engine unpacks zstd itself; a development build (version 0) is a new one."""
    return not 0 < engine.major < ZSTD_SINCE


def expected_id(image: t.Mapping[str, t.Any], store: str) -> str:
    """What an engine calls C(image): by its config in the classic store, by its manifest in the containerd store."""
    return str(image["manifest"] if store == "containerd" else image["config"])


def plan_images(
    engine: EngineLike,
    images: t.Sequence[t.Mapping[str, t.Any]],
    pushed: t.Mapping[str, t.Sequence[str]] | None = None,
    whole: t.Collection[str] = (),
) -> Plan:
    """The plan for C(images); a layer that two of them share is sent for the first.

    Of the images named in C(whole) nothing is left out.
    """
    reasons = [reason_to_load(engine, image) for image in images]
    # Every image of the engine is asked for its layers only where there is something to do.
    holdings = Holdings.of(engine, pushed or {}) if any(reason for reason, _before in reasons) else Holdings(engine.store)
    plans = []
    for image, (reason, before) in zip(images, reasons):
        plans.append(plan_image(engine, image, holdings, reason, before, image["name"] in whole))
        holdings.add([layer["diff_id"] for layer in image["layers"]], [layer["digest"] for layer in image["layers"]])
    return Plan(tuple(plans), engine.store, unpacks_zstd(engine))


def reason_to_load(engine: EngineLike, image: t.Mapping[str, t.Any]) -> tuple[str | None, str | None]:
    """Why C(image) must be loaded, or None; and what the engine calls the image that has its name now."""
    found = engine.image(image["name"])
    if found is None:
        return "the engine does not hold it", None
    if found.id != expected_id(image, engine.store):
        return "the engine holds another image of this name", found.id
    return (None if found.complete else "the engine holds only a part of it"), found.id


def plan_image(engine: EngineLike, image: t.Mapping[str, t.Any], holdings: Holdings, reason: str | None, before: str | None, whole: bool) -> ImagePlan:
    """The plan for one image, given what the engine holds."""
    if reason is None:
        return ImagePlan(image, None, before=before)
    if whole:
        return ImagePlan(image, reason, tuple(image["layers"]), before=before)
    if _has_under_other_name(engine, image):
        return ImagePlan(image, reason, tag_only=True, before=before)
    return ImagePlan(image, reason, tuple(holdings.missing(image["layers"])), before=before)


def _has_under_other_name(engine: EngineLike, image: t.Mapping[str, t.Any]) -> bool:
    found = engine.image(expected_id(image, engine.store))
    if found is None or not found.complete:
        return False
    # The containerd store may hold an image that was never unpacked, from a push that broke.
    return engine.store == "classic" or any(ARRIVING not in tag for tag in found.tags)


def _raw_size(layer: t.Mapping[str, t.Any]) -> int:
    return int(layer.get("raw_size") or layer["size"] * _USUAL_GROWTH)
