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

# What a compressed layer grows to, where the bundle does not say.
_USUAL_GROWTH = 3


class EngineLike(t.Protocol):
    """What a plan asks of an engine."""

    store: str

    def image(self, name: str) -> t.Any: ...

    def images(self) -> list[t.Any]: ...


@dataclass(frozen=True)
class ImagePlan:
    """What one image needs: nothing where C(reason) is None, only its name where C(tag_only)."""

    image: t.Mapping[str, t.Any]
    reason: str | None
    missing: tuple[t.Mapping[str, t.Any], ...] = ()
    tag_only: bool = False

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
    def of(cls, engine: EngineLike, pushed: t.Mapping[str, t.Sequence[str]]) -> Holdings:
        """C(pushed) are, by image ID, the blobs that were pushed for it."""
        found = cls(engine.store)
        for image in engine.images():
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
        known = next((count for count in range(len(layers), 0, -1) if tuple(diff_ids[:count]) in self.chains), 0)
        return list(layers[known:])


@dataclass(frozen=True)
class Plan:
    """What all images of a host need, in the order in which they are loaded."""

    images: tuple[ImagePlan, ...]
    store: str

    @property
    def missing_blobs(self) -> dict[str, int]:
        """Size by digest of the layers to send, each once."""
        return {layer["digest"]: layer["size"] for plan in self.images for layer in plan.missing}

    @property
    def spool_bytes(self) -> int:
        """Room for the layers while they wait for the engine."""
        return sum(self.missing_blobs.values())

    @property
    def engine_bytes(self) -> int:
        """Room that the engine needs at the peak: one archive at a time, and all new layers unpacked."""
        archives = [sum(layer["size"] for layer in plan.missing) for plan in self.images]
        unpacked = sum(_raw_size(layer) for plan in self.images for layer in plan.missing)
        # The containerd store keeps the blobs; the classic one unpacks the archive beside its data first.
        return unpacked + (sum(archives) if self.store == "containerd" else max(archives, default=0))


def expected_id(image: t.Mapping[str, t.Any], store: str) -> str:
    """What an engine calls C(image): by its config in the classic store, by its manifest in the containerd store."""
    return str(image["manifest"] if store == "containerd" else image["config"])


def plan_images(engine: EngineLike, images: t.Sequence[t.Mapping[str, t.Any]], pushed: t.Mapping[str, t.Sequence[str]] | None = None) -> Plan:
    """The plan for C(images); a layer that two of them share is sent for the first."""
    holdings = Holdings.of(engine, pushed or {})
    plans = []
    for image in images:
        plan = plan_image(engine, image, holdings)
        plans.append(plan)
        holdings.add([layer["diff_id"] for layer in image["layers"]], [layer["digest"] for layer in image["layers"]])
    return Plan(tuple(plans), engine.store)


def plan_image(engine: EngineLike, image: t.Mapping[str, t.Any], holdings: Holdings) -> ImagePlan:
    """The plan for one image, given what the engine holds."""
    expected = expected_id(image, engine.store)
    found = engine.image(image["name"])
    if found is not None and found.id == expected:
        return ImagePlan(image, None)
    reason = "the engine does not hold it" if found is None else "the engine holds another image of this name"
    if engine.image(expected) is not None:
        return ImagePlan(image, reason, tag_only=True)
    return ImagePlan(image, reason, tuple(holdings.missing(image["layers"])))


def _raw_size(layer: t.Mapping[str, t.Any]) -> int:
    return int(layer.get("raw_size") or layer["size"] * _USUAL_GROWTH)
