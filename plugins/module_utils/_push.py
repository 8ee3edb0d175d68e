# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The host's half of a push of images: say what lacks, then load what came.

An image is loaded under a name of passage, compared with the bundle, and only then gets its own. So
a load that fails, or a machine that stops, never takes a name from the image that has it.
"""

from __future__ import annotations

import contextlib
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage, LoadRefused
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._ladder import is_rung_of, rung_counts
from ansible_collections.airgap.cognitive.plugins.module_utils._load import hybrid_archive
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import (
    ARRIVING,
    RUNG,
    ZSTD_SINCE,
    Holdings,
    ImagePlan,
    Plan,
    expected_id,
    plan_image,
    plan_images,
    reason_to_load,
    unpacks_zstd,
)
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, check_room, free_room, is_short

Images = t.Sequence[t.Mapping[str, t.Any]]


def survey(engine: Engine, spool: Spool, images: Images, ladder: str = "auto") -> dict[str, t.Any]:
    """What must be sent and loaded, and how; nothing is made or changed on the host."""
    plan = plan_images(engine, images, spool.pushed())
    if plan.needs_zstd and shutil.which("zstd") is None:
        raise CognitiveError(
            f"The program zstd is missing, and Docker Engine before {ZSTD_SINCE} ({engine.version} is here) cannot unpack layers without it; install the package zstd."
        )
    lacking = spool.lacking(plan.missing_blobs)
    needs, climb = choose_way(plan, engine, spool, ladder)
    return {
        "engine": {"version": engine.version, "store": engine.store, "root": engine.root},
        "images": [describe(entry, engine.store) for entry in plan.images],
        "room": check_room(needs, "the push"),
        "ladder": {entry.image["name"]: rung_counts(entry) for entry in plan.images if climb and len(entry.missing) > 1},
        "lacking": lacking,
        "begun": spool.begun(lacking),
        "leftovers": spool.leftovers(_layers_of(images)),
    }


def holdings(engine: Engine, spool: Spool) -> dict[str, t.Any]:
    """What the host holds, for its receipt."""
    record = spool.pushed()
    images = [
        {"id": image.id, "names": sorted(image.tags), "diff_ids": list(image.diff_ids), "blobs": record.get(image.id, [])}
        for image in engine.images()
        if image.complete and not any(ARRIVING in tag or RUNG in tag for tag in image.tags)
    ]
    root = engine.content_root
    return {
        "engine": {"version": engine.version, "api": str(engine.api_version), "store": engine.store, "root": engine.root},
        "room": {root: free_room(root)} if engine.local else {},
        "images": sorted(images, key=lambda image: image["id"]),
    }


def choose_way(plan: Plan, engine: Engine, spool: Spool, ladder: str) -> tuple[list[tuple[str, int]], bool]:
    """By directory, the bytes that a push takes at its peak, and whether it goes layer by layer.

    C(ladder) is V(always), V(never), or V(auto) for where the room does not do otherwise. What an engine on another machine needs cannot be asked.
    """
    lacking = spool.lacking(plan.missing_blobs)
    begun = sum(spool.begun(lacking).values())
    whole = _needs(engine, spool, sum(lacking.values()) - begun, plan.engine_bytes)
    climbing = _needs(engine, spool, max(lacking.values(), default=0), plan.ladder_engine_bytes)
    climb = ladder == "always" or (ladder == "auto" and is_short(whole) and not is_short(climbing))
    return climbing if climb else whole, climb


def _needs(engine: Engine, spool: Spool, spooled: int, loaded: int) -> list[tuple[str, int]]:
    return [(path, need) for path, need in ((spool.root, spooled), (engine.content_root, loaded if engine.local else 0)) if need > 0]


def describe(plan: ImagePlan, store: str) -> dict[str, t.Any]:
    """One image of a plan, for the result and the diff."""
    return {
        "name": plan.image["name"],
        "id": expected_id(plan.image, store),
        "before": plan.before,
        "reason": plan.reason,
        "layers": len(plan.image["layers"]),
        "present": plan.present,
        "to_load": len(plan.missing),
        "bytes": sum(layer["size"] for layer in plan.missing),
    }


def load_images(engine: Engine, spool: Spool, images: Images, whole: t.Collection[str]) -> dict[str, t.Any]:
    """Load each image whose layers are here.

    C(lacking) are blobs that must be sent after all, C(whole) the images of which nothing may be left
    out any more, because the engine did not take them otherwise.
    """
    loaded: list[str] = []
    with spool.locked():
        spool.accept({layer["digest"]: layer["size"] for image in images for layer in image["layers"]})
        holdings = _prepare(engine, spool, images)
        for image in images:
            reason, before = reason_to_load(engine, image)
            plan = plan_image(engine, image, holdings, reason, before, image["name"] in whole)
            if reason is not None:
                lacking = _load(engine, spool, plan)
                if lacking is not None:
                    again = sorted({*whole, image["name"]}) if lacking.keys() - {layer["digest"] for layer in plan.missing} else sorted(whole)
                    return {"loaded": loaded, "lacking": lacking, "begun": spool.begun(lacking), "whole": again}
                loaded.append(image["name"])
                _drop_rungs(engine, image)
                spool.remember({**spool.pushed(), expected_id(image, engine.store): [layer["digest"] for layer in image["layers"]]})
            holdings.add([layer["diff_id"] for layer in image["layers"]], [layer["digest"] for layer in image["layers"]])
        spool.drop(_layers_of(images))
    return {"loaded": loaded, "lacking": {}, "begun": {}, "whole": []}


def _prepare(engine: Engine, spool: Spool, images: Images) -> Holdings:
    """Clear what a broken push left in the engine and the record, then say what the engine holds."""
    for tag in engine.tags():
        # The rungs of the image that is on its way are what it goes on from.
        if ARRIVING in tag or (RUNG in tag and not any(is_rung_of(tag, image) for image in images)):
            engine.remove_image(tag)
    held = engine.images()
    record = spool.pushed()
    kept = {image.id: record[image.id] for image in held if image.id in record}
    if kept != record:
        spool.remember(kept)
    return Holdings.of(engine, kept, held)


def _drop_rungs(engine: Engine, image: t.Mapping[str, t.Any]) -> None:
    """Take away what the whole image came by; its layers stay, because they are the image's."""
    if RUNG not in image["name"]:
        for tag in [tag for tag in engine.tags() if is_rung_of(tag, image)]:
            engine.remove_image(tag)


def _load(engine: Engine, spool: Spool, plan: ImagePlan) -> dict[str, int] | None:
    """Let the engine hold the image of C(plan) under its name; the blobs that lack for that, or None."""
    image = plan.image
    if plan.tag_only:
        engine.tag(expected_id(image, engine.store), image["name"])
        return None
    every = tuple(image["layers"])
    for layers in [plan.missing] if plan.missing == every else [plan.missing, every]:
        sizes = {layer["digest"]: layer["size"] for layer in layers}
        lacking = spool.lacking(sizes)
        if lacking:
            return lacking
        try:
            _load_checked(engine, spool, image, layers)
            return None
        except CognitiveError as error:
            # Whether the engine did not take it, or zstd could not unpack it for the engine.
            altered = spool.verify(sizes)
            if altered:
                return {digest: sizes[digest] for digest in altered}
            if not isinstance(error, LoadRefused):
                raise
            if layers == every:
                raise CognitiveError(f"Image {image['name']}: {error}") from error
    return None


def _load_checked(engine: Engine, spool: Spool, image: t.Mapping[str, t.Any], layers: Images) -> None:
    passage = f"{ARRIVING}:{image['manifest'].partition(':')[2][:32]}"
    try:
        engine.load(hybrid_archive(image, layers, spool, passage, unpack_zstd=not unpacks_zstd(engine)))
        problem = mismatch(engine.image(passage), image, engine.store)
        if problem:
            raise LoadRefused(problem)
        engine.tag(passage, image["name"])
    except CognitiveError:
        # The containerd store keeps the tag of an image that it could not unpack.
        with contextlib.suppress(CognitiveError):
            engine.remove_image(passage)
        raise
    engine.remove_image(passage)


def mismatch(found: EngineImage | None, image: t.Mapping[str, t.Any], store: str) -> str | None:
    """How what the engine holds differs from what the bundle says, or None."""
    if found is None:
        return "the engine does not hold it although it said that it loaded it; look at the log of the engine."
    if list(found.diff_ids) != [layer["diff_id"] for layer in image["layers"]]:
        return "the engine made other layers of it than the bundle says; verify the bundle, and look at the log of the engine."
    expected = expected_id(image, store)
    if found.id != expected:
        return f"the engine calls it {found.id} and the bundle {expected}; verify the bundle."
    return None if found.complete else "the engine says that a part of it is missing; look at the log of the engine."


def _layers_of(images: Images) -> set[str]:
    return {layer["digest"] for image in images for layer in image["layers"]}
