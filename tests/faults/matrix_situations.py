# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The situations of the matrix, each on a host that nobody used. Runs on a nested host.

    matrix_situations.py [WORD ...]    those whose title has a word; one line of JSON for each: title, verdict, detail
"""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t

from matrix_host import (
    SPOOL,
    Made,
    base_layer,
    check_clean,
    check_held,
    check_runs,
    command,
    digest_of,
    expect,
    kill_engine,
    load_plainly,
    make,
    message_layer,
    push,
    receive,
    reset,
    sentence,
    settings,
    small_root,
    start_engine,
    store_settings,
    tar_of,
)

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export, WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

SITUATIONS: dict[str, t.Callable[[], None]] = {}
MIB = 1 << 20


class NotHere(Exception):
    """The situation cannot be on this engine."""


def situation(title: str) -> t.Callable[[t.Callable[[], None]], t.Callable[[], None]]:
    def keep(function: t.Callable[[], None]) -> t.Callable[[], None]:
        SITUATIONS[title] = function
        return function

    return keep


def containerd() -> bool:
    return Engine().store == "containerd"


def two_versions(size: int = 300_000) -> tuple[Made, Made]:
    """One base, two tops."""
    base = base_layer("base", size)
    return make("service:1", [base, message_layer("one")], "one"), make("service:2", [base, message_layer("two")], "two")


def pushed_whole(made: Made) -> None:
    answer = push(made)
    expect(answer.loaded == [made.name] and answer.sent == sum({layer["digest"]: layer["size"] for layer in made.layers}.values()), f"{answer}")
    check_held(made)


@situation("all layers, plain")
def plain() -> None:
    pushed_whole(make("service:1", [base_layer("a"), message_layer("plain")], "plain", kind="plain"))


@situation("all layers, gzip")
def gzipped() -> None:
    pushed_whole(make("service:1", [base_layer("a"), message_layer("gzip")], "gzip", kind="gzip"))


@situation("all layers, zstd")
def zstd() -> None:
    pushed_whole(make("service:1", [base_layer("a"), message_layer("zstd")], "zstd"))


@situation("manifest of Docker's, schema 2")
def schema2() -> None:
    pushed_whole(make("service:1", [base_layer("a"), message_layer("docker")], "docker", kind="gzip", docker=True))


@situation("pushed again: nothing to do")
def again() -> None:
    made = make("service:1", [base_layer("a"), message_layer("again")], "again")
    push(made)
    answer = push(made)
    expect(answer.loaded == [] and answer.sent == 0 and answer.rounds == 0, f"{answer}")
    check_held(made)


@situation("index of two platforms in the source")
def index_in_source() -> None:
    made = make("service:1", [base_layer("a"), message_layer("amd64")], "amd64", kind="gzip")
    load_plainly(made, with_index(made))
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{directory}/key"], check=True)
        with BundleDirectory(f"{directory}/bundle", write=True) as place:
            Export(place, Engine(), [WantedImage(made.name, "sentiment", "1")], [], SshSigner(f"{directory}/key"), True).run()
        with BundleDirectory(f"{directory}/bundle", write=False) as place:
            expect(place.bundle is not None, "there is no bundle")
            bundle = t.cast(t.Any, place.bundle)
            entry = bundle.image(made.name)
            blobs = {}
            for digest in [entry["manifest"], entry["config"], *(layer["digest"] for layer in entry["layers"])]:
                with open(bundle.blob_path(digest), "rb") as stream:
                    blobs[digest] = stream.read()
    expect(entry["config"] == made.entry["config"], "another platform was exported")
    # Where the engine gives out what it got, the registry's manifest survives.
    expect(not containerd() or entry["manifest"] == made.entry["manifest"], "the manifest did not survive")
    command("docker", "image", "rm", "--force", made.name)
    pushed_whole(Made(entry, blobs, "amd64"))


@situation("host has the index of that name")
def index_on_host() -> None:
    made = make("service:1", [base_layer("a"), message_layer("amd64")], "amd64", kind="gzip")
    load_plainly(made, with_index(made))
    answer = push(made)
    expect(answer.loaded == ([made.name] if containerd() else []), f"{answer}")
    # An engine keeps the image whose name went to another, as it does after every load.
    check_held(made, nameless=1 if containerd() else 0)


def with_index(made: Made) -> bytes:
    """An archive in which the image is one of an index of two platforms; nothing of the other is there."""
    entry = made.entry
    parts = [
        _oci.descriptor(entry["manifest_media_type"], entry["manifest"], entry["manifest_size"], platform={"os": "linux", "architecture": "amd64"}),
        _oci.descriptor(entry["manifest_media_type"], digest_of(b"other"), 500, platform={"os": "linux", "architecture": "arm64"}),
    ]
    index = _oci.encode({"schemaVersion": 2, "mediaType": _oci.INDEX, "manifests": parts})
    names = {_oci.CONTAINERD_NAME: made.name, _oci.REF_NAME: made.name.rpartition(":")[2]}
    outer = {"schemaVersion": 2, "mediaType": _oci.INDEX, "manifests": [_oci.descriptor(_oci.INDEX, digest_of(index), len(index), annotations=names)]}

    def member(digest: str) -> str:
        return "blobs/sha256/" + digest.partition(":")[2]

    manifest = [{"Config": member(entry["config"]), "RepoTags": [made.name], "Layers": [member(layer["digest"]) for layer in made.layers]}]
    documents = {"oci-layout": _oci.LAYOUT, "index.json": _oci.encode(outer), "manifest.json": _oci.encode(manifest), member(digest_of(index)): index}
    return tar_of({**documents, **{member(digest): content for digest, content in made.blobs.items()}})


@situation("difference, base present")
def difference() -> None:
    one, two = two_versions()
    push(one)
    answer = push(two)
    expect(answer.sent == two.sizes(1) and answer.rounds == 1, f"{answer}")
    check_held(one, two)


@situation("difference, base removed behind our back")
def base_removed() -> None:
    one, two = two_versions()
    push(one)
    command("docker", "image", "rm", "--force", one.name)
    expect(Spool(str(SPOOL)).pushed(), "the record says nothing")
    pushed_whole(two)


@situation("difference, base removed after the plan")
def base_removed_late() -> None:
    one, two = two_versions()
    push(one)
    # As if the plan had been made before: only the difference is here.
    receive({two.layers[1]["digest"]: two.blobs[two.layers[1]["digest"]]})
    command("docker", "image", "rm", "--force", one.name)
    answer = push(two, plan=False)
    expect(answer.sent == two.sizes(0) and answer.loaded == [two.name], f"{answer}")
    check_held(two)


@situation("difference, blob of the base gone from the store")
def blob_gone() -> None:
    if not containerd():
        raise NotHere
    one, two = two_versions()
    push(one)
    socket = "/run/docker/containerd/containerd.sock"
    command("ctr", "--address", socket, "--namespace", "moby", "content", "rm", one.layers[0]["digest"])
    answer = push(one, two)
    if Engine().major < 28:
        # It cannot say that a blob is gone, and runs the image from what it unpacked.
        check_runs(two)
        return
    expect(two.name in answer.loaded and answer.sent >= two.sizes(0, 1), f"{answer}")
    check_held(one, two)


@situation("layers present on another parent")
def other_parent() -> None:
    top = message_layer("top")
    one = make("service:1", [base_layer("one"), top], "top")
    two = make("service:2", [base_layer("two"), top], "top")
    push(one)
    answer = push(two)
    expect(answer.sent == (two.sizes(0) if containerd() else two.sizes(0, 1)), f"{answer}")
    check_held(one, two)


@situation("base loaded by docker load, then a difference")
def loaded_plainly() -> None:
    one, two = two_versions()
    plain_one = make("other:1", [base_layer("base"), message_layer("one")], "one", kind="plain")
    load_plainly(plain_one)
    answer = push(two)
    expect(answer.sent == (two.sizes(0, 1) if containerd() else two.sizes(1)), f"{answer}")
    check_held(plain_one, two)
    push(one)
    check_held(plain_one, one, two)


@situation("blob altered on its way")
def altered_on_the_way() -> None:
    one, _two = two_versions()
    digest = one.layers[0]["digest"]
    receive({digest: one.blobs[digest][:-1] + bytes([one.blobs[digest][-1] ^ 1])})
    answer = push(one)
    expect(answer.loaded == [one.name], f"{answer}")
    check_held(one)


@situation("blob altered in the spool")
def altered_in_spool() -> None:
    one, _two = two_versions()
    digest = one.layers[0]["digest"]
    receive({layer["digest"]: one.blobs[layer["digest"]] for layer in one.layers})
    spool = Spool(str(SPOOL))
    with spool.locked():
        spool.accept({layer["digest"]: layer["size"] for layer in one.layers})
    with open(spool.path(digest), "r+b") as stream:
        stream.seek(one.layers[0]["size"] // 2)
        stream.write(b"altered")
    answer = push(one)
    expect(answer.sent == one.sizes(0) and answer.loaded == [one.name], f"{answer}")
    check_held(one)


@situation("other content under the same name")
def other_content() -> None:
    one, two = two_versions()
    push(one)
    command("docker", "image", "tag", one.name, two.name)
    answer = push(two)
    expect(answer.loaded == [two.name] and answer.sent == two.sizes(1), f"{answer}")
    check_held(one, two)


@situation("image present under another name")
def other_name() -> None:
    one, _two = two_versions()
    push(one)
    command("docker", "image", "tag", one.name, "kept:1")
    command("docker", "image", "rm", one.name)
    answer = push(one)
    expect(answer.loaded == [one.name] and answer.sent == 0, f"{answer}")
    check_held(one)


@situation("two that share layers, the second broken")
def second_broken() -> None:
    one, two = two_versions()
    broken = make("service:2", [base_layer("base"), message_layer("two")], "two", lies=True)
    with sentence(broken.name):
        push(one, broken)
    expect(Engine().image(broken.name) is None, "the broken one has its name")
    check_clean(spool=False)
    answer = push(one, two)
    expect(answer.loaded == [two.name], f"{answer}")
    check_held(one, two)


@situation("an empty layer and one that comes twice")
def odd_layers() -> None:
    empty, twice = bytes(1024), tar_of({"twice": b"twice"})
    pushed_whole(make("service:1", [base_layer("a"), empty, twice, twice, empty, message_layer("odd")], "odd"))


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
        reset_images(one, two)
    answer = push(one, two)
    expect(answer.loaded == [two.name], f"{answer}")
    check_held(one, two)


def reset_images(*images: Made) -> None:
    command("docker", "image", "rm", "--force", *(made.name for made in images))


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


@situation("plain docker load where nobody heard of us")
def never_heard() -> None:
    made = make("service:1", [base_layer("a"), message_layer("alone")], "alone")
    load_plainly(made)
    check_held(made)
    expect(not SPOOL.exists(), "there is a spool")
    expect(push(made).loaded == [], "a push would load it again")


@situation("difference to the engine that lacks its base")
def lacks_base() -> None:
    one, two = two_versions()
    push(one)
    reset_images(one)
    # The record of a host that lies: it holds an image of these layers, under an ID that is not theirs.
    other = make("other:1", [base_layer("other"), message_layer("other")], "other")
    push(other)
    spool = Spool(str(SPOOL))
    with spool.locked():
        spool.remember({image: [layer["digest"] for layer in one.layers] for image in spool.pushed()})
    answer = push(two)
    expect(answer.loaded == [two.name] and answer.sent == two.sizes(0, 1), f"{answer}")
    check_held(other, two)


def main(words: list[str]) -> int:
    """Each on its own; a failure stops none of the others."""
    failed = 0
    for title, function in SITUATIONS.items():
        if words and not any(word in title for word in words):
            continue
        began = time.monotonic()
        verdict, detail = "passed", ""
        try:
            reset()
            function()
        except NotHere:
            verdict = "-"
        except Exception as error:  # pylint: disable=broad-exception-caught # it is the verdict
            verdict, detail = "failed", f"{type(error).__name__}: {error}"
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            failed += 1
        print(json.dumps({"title": title, "verdict": verdict, "detail": detail, "seconds": round(time.monotonic() - began, 1)}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
