# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The situations of the matrix in which the engine itself is in trouble: switched, killed, full, asked twice at once. Runs on a nested host."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
import typing as t

from matrix_host import (
    MIB,
    SPOOL,
    Made,
    NotHere,
    base_layer,
    check_held,
    command,
    containerd,
    expect,
    kill_engine,
    make,
    message_layer,
    push,
    remove_images,
    sentence,
    settings,
    situation,
    small_root,
    start_engine,
    store_settings,
    two_versions,
)

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool


@situation("store switched between two pushes, and back")
def store_switched() -> None:
    engine = Engine()
    if engine.major < 23:
        raise NotHere
    one, two = two_versions()
    push(one)
    with settings(**store_settings(engine.store == "classic")) as other:
        expect(other.store != engine.store, "the store is the same")
        answer = push(one, two)
        expect(answer.loaded == [one.name, two.name] and answer.sent == one.sizes(0, 1) + two.sizes(1), f"{answer}")
        check_held(one, two)
        remove_images(one, two)
    answer = push(one, two)
    expect(answer.loaded == [two.name], f"{answer}")
    check_held(one, two)


class _Dying(Engine):
    """An engine that is killed when it got C(share) of an archive."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def load(self, archive: t.Iterator[bytes]) -> list[str]:
        blocks = list(archive)

        def dying() -> t.Iterator[bytes]:
            for count, block in enumerate(blocks):
                if count == int(len(blocks) * self._share):
                    kill_engine()
                yield block
            if self._share >= 1:
                # It has it all, and is at work.
                time.sleep(0.05)
                kill_engine()

        return super().load(dying())


def killed_while_loading(share: float) -> None:
    one, two = two_versions(size=24 * MIB)
    push(one)
    command("docker", "image", "tag", one.name, two.name)
    three = make("service:2", [base_layer("other", 24 * MIB), message_layer("three")], "three")
    try:
        with sentence("broke off"):
            push(three, engine=_Dying(share))
    finally:
        start_engine()
    # The name stays with the image that has it.
    expect(t.cast(t.Any, Engine().image(two.name)).id == t.cast(t.Any, Engine().image(one.name)).id, "the name went to a broken image")
    answer = push(three)
    expect(answer.loaded == [three.name] and answer.sent == 0, f"{answer}")
    check_held(one, three)


@situation("engine killed while it gets the archive")
def killed_halfway() -> None:
    killed_while_loading(0.5)


@situation("engine killed when it has the archive")
def killed_at_the_end() -> None:
    killed_while_loading(1)


@situation("engine's root too small: refused before")
def too_small() -> None:
    large = make("service:1", [base_layer("large", 50 * MIB), message_layer("large")], "large")
    with small_root(72 * MIB) as engine:
        with sentence(engine.content_root, "the push needs", "are free"):
            push(large)
        expect(not SPOOL.exists(), "something was sent")


@situation("engine's root too small but for one layer at a time")
def short_of_room() -> None:
    if containerd():
        # It keeps the blobs beside what it unpacks, so one layer at a time needs as much.
        raise NotHere
    layers = [base_layer("large-1", 18 * MIB), base_layer("large-2", 18 * MIB), base_layer("large-3", 18 * MIB), message_layer("large")]
    large = make("service:1", layers, "large")
    with small_root(104 * MIB):
        with sentence("the push needs"):
            push(large, ladder="never")
        answer = push(large)
        expect(answer.loaded == [large.name] and answer.rounds == 4, f"{answer}")
        # An engine saves into a file of its own first, and there is no room for that.
        check_held(large, saved=False)


@situation("engine's root full while it loads")
def full() -> None:
    small = make("service:1", [base_layer("small"), message_layer("small")], "small")
    large = make("service:2", [base_layer("large", 50 * MIB), message_layer("large")], "large")
    with small_root(72 * MIB):
        with sentence("ran out of room"):
            push(small, large, plan=False)
        expect(Engine().image(large.name) is None, "the image is there")
        check_held_beside_leftovers(small)


def check_held_beside_leftovers(made: Made) -> None:
    """What was sent waits for the next push; the engine is as it should be."""
    sizes = Spool(str(SPOOL))
    expect(list((SPOOL / "blobs").glob("*")), "what was sent is gone")
    with sizes.locked():
        sizes.drop("sha256:" + path.name for path in (SPOOL / "blobs").glob("*"))
    check_held(made)


@situation("two pushes at once")
def two_at_once() -> None:
    one, two = two_versions(size=4 * MIB)
    context = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        answers = [pool.submit(push, *images) for images in ((one, two), (two, one))]
        loaded = [name for answer in answers for name in answer.result().loaded]
    expect(sorted(loaded) == [one.name, two.name], f"loaded were {loaded}")
    check_held(one, two)
