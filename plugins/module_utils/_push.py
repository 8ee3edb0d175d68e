# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The host's half of a push of images: say what lacks, then load what came."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._load import ZSTD_SINCE, hybrid_archive
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import Holdings, ImagePlan, Plan, expected_id, plan_image, plan_images
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool, free_room
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

Images = t.Sequence[t.Mapping[str, t.Any]]


def survey(engine: Engine, spool: Spool, images: Images, login_user: int | None) -> dict[str, t.Any]:
    """What must be sent and loaded; without C(login_user) (check mode) nothing is made on the host."""
    plan = plan_images(engine, images, spool.pushed())
    todo = [entry for entry in plan.images if entry.reason]
    answer: dict[str, t.Any] = {
        "engine": {"version": engine.version, "store": engine.store, "root": engine.root},
        "images": [describe(entry) for entry in plan.images],
        "room": {"spool": plan.spool_bytes, "engine": plan.engine_bytes},
        "incoming": None,
        "lacking": {},
    }
    if todo:
        check_room(plan, engine.root, spool)
    if todo and login_user is not None:
        answer["incoming"] = spool.prepare(login_user)
        with spool.locked():
            spool.accept()
    answer["lacking"] = spool.lacking(plan.missing_blobs)
    return answer


def describe(plan: ImagePlan) -> dict[str, t.Any]:
    """One image of a plan, for the result and the diff."""
    return {
        "name": plan.image["name"],
        "reason": plan.reason,
        "layers": len(plan.image["layers"]),
        "present": plan.present,
        "to_load": len(plan.missing),
        "bytes": sum(layer["size"] for layer in plan.missing),
    }


def check_room(plan: Plan, engine_root: str, spool: Spool) -> None:
    """Refuse before anything is sent when the host has too little room."""
    needed = {engine_root: plan.engine_bytes, spool.root: sum(spool.lacking(plan.missing_blobs).values())}
    for path, need in needed.items():
        free = free_room(path)
        if need > free:
            raise CognitiveError(f"{path}: the push needs {format_size(need)} and {format_size(free)} are free; make room, then run again.")


def load_images(engine: Engine, spool: Spool, images: Images) -> dict[str, t.Any]:
    """Load each image whose layers are here; C(lacking) are blobs that must be sent after all."""
    loaded: list[dict[str, t.Any]] = []
    done: set[str] = set()
    with spool.locked():
        spool.accept()
        for image in images:
            holdings = Holdings.of(engine, spool.pushed())
            plan = plan_image(engine, image, holdings)
            if plan.reason is None:
                continue
            if plan.tag_only:
                engine.tag(expected_id(image, engine.store), image["name"])
            else:
                lacking = _load(engine, spool, plan)
                if lacking:
                    return {"loaded": loaded, "lacking": lacking}
            blobs = [layer["digest"] for layer in image["layers"]]
            spool.remember(expected_id(image, engine.store), blobs, {held.id for held in engine.images()})
            done.update(blobs)
            loaded.append(describe(plan))
        spool.drop(done)
    return {"loaded": loaded, "lacking": {}}


def _load(engine: Engine, spool: Spool, plan: ImagePlan) -> dict[str, int]:
    """Load one image; where the layers that were left out did not do, the blobs of all its layers that are not here."""
    every = tuple(plan.image["layers"])
    before = engine.image(plan.image["name"])
    attempts = [plan.missing] if plan.missing == every else [plan.missing, every]
    for layers in attempts:
        lacking = spool.lacking({layer["digest"]: layer["size"] for layer in layers})
        if lacking:
            return lacking
        problem = _try(engine, spool, plan.image, layers)
        if problem is None:
            return {}
        # The containerd store keeps the tag of an image that it could not unpack; an earlier image of this name stays.
        after = engine.image(plan.image["name"])
        if after is not None and (before is None or after.id != before.id):
            engine.remove_image(plan.image["name"])
        if layers == every:
            raise CognitiveError(f"Image {plan.image['name']}: {problem}")
    return {}


def _try(engine: Engine, spool: Spool, image: t.Mapping[str, t.Any], layers: Images) -> str | None:
    """Why the engine does not hold C(image) after it was given C(layers), or None."""
    try:
        engine.load(hybrid_archive(image, layers, spool, unpack_zstd=0 < engine.major < ZSTD_SINCE))
    except CognitiveError as error:
        return str(error)
    return mismatch(engine.image(image["name"]), image, engine.store)


def mismatch(found: EngineImage | None, image: t.Mapping[str, t.Any], store: str) -> str | None:
    """How what the engine holds differs from what the bundle says, or None."""
    if found is None:
        return "the engine does not hold it although it said that it loaded it; look at the log of the engine."
    if list(found.diff_ids) != [layer["diff_id"] for layer in image["layers"]]:
        return "the engine holds other layers under this name; look at the log of the engine."
    expected = expected_id(image, store)
    if found.id != expected:
        return f"the engine calls it {found.id} and the bundle {expected}; verify the bundle."
    return None
