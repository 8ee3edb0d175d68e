# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The situations of the matrix, each on a host that nobody used. Runs on a nested host.

    matrix_situations.py [WORD ...]    those whose title has a word; one line of JSON for each: title, verdict, detail
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import traceback
import typing as t

import matrix_troubles  # noqa: F401 # the other half of the situations
from matrix_host import (
    SITUATIONS,
    SPOOL,
    Made,
    NotHere,
    base_layer,
    check_clean,
    check_held,
    check_runs,
    command,
    containerd,
    digest_of,
    expect,
    load_plainly,
    make,
    message_layer,
    push,
    receive,
    remove_images,
    reset,
    sentence,
    situation,
    tar_of,
    two_versions,
)

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_directory import BundleDirectory
from ansible_collections.airgap.cognitive.plugins.module_utils._bundle_export import Export
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._signature import SshSigner
from ansible_collections.airgap.cognitive.plugins.module_utils._source import WantedImage
from ansible_collections.airgap.cognitive.plugins.module_utils._source_engine import EngineSource
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool
from ansible_collections.airgap.cognitive.plugins.module_utils._terms import Terms


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
            wanted = [WantedImage(made.name, "sentiment", "1", EngineSource(Engine()))]
            Export(place, wanted, [], [SshSigner(f"{directory}/key")], True, Terms()).run()
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


@situation("layer by layer, because it is asked for")
def layer_by_layer() -> None:
    one, _two = two_versions()
    three = make("service:3", [base_layer("base"), message_layer("two"), tar_of({"more": b"more"}), message_layer("three")], "three")
    push(one)
    answer = push(three, ladder="always")
    expect(answer.loaded == [three.name] and answer.sent == three.sizes(1, 2, 3) and answer.rounds == 3, f"{answer}")
    check_held(one, three)


@situation("an empty layer and one that comes twice")
def odd_layers() -> None:
    empty, twice = bytes(1024), tar_of({"twice": b"twice"})
    pushed_whole(make("service:1", [base_layer("a"), empty, twice, twice, empty, message_layer("odd")], "odd"))


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
    remove_images(one)
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
