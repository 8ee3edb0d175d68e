# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the situations of the matrix are made of: real images with a program in them, pushes, and an engine that is stopped, killed and set up otherwise.

Runs on a nested host, as root, with the host's own Python.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import tarfile
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.airgap.cognitive.plugins.module_utils import _oci
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._ladder import make_rung
from ansible_collections.airgap.cognitive.plugins.module_utils._load import hybrid_archive
from ansible_collections.airgap.cognitive.plugins.module_utils._plan import unpacks_zstd
from ansible_collections.airgap.cognitive.plugins.module_utils._push import load_images, survey
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import INCOMING, Spool

SPOOL = Path("/var/lib/cognitive/.spool")
SETTINGS = Path("/etc/docker/daemon.json")
SMALL_ROOT = Path("/mnt/small")
PATIENCE = 60
MIB = 1 << 20
SITUATIONS: dict[str, t.Callable[[], None]] = {}
DOCKER = "application/vnd.docker."
# Prints the file /message: open, read, write, exit.
_CODE = bytes.fromhex(
    "b802000000488d3d3300000031f60f0589c74881ec0010000031c04889e6ba001000000f0589c2b801000000bf010000004889e60f05b83c00000031ff0f052f6d65737361676500"
)


class NotHere(Exception):
    """The situation cannot be on this engine."""


class Wrong(Exception):
    """What was seen is not what was expected."""


def situation(title: str) -> t.Callable[[t.Callable[[], None]], t.Callable[[], None]]:
    def keep(function: t.Callable[[], None]) -> t.Callable[[], None]:
        SITUATIONS[title] = function
        return function

    return keep


def expect(truth: object, otherwise: str) -> None:
    if not truth:
        raise Wrong(otherwise)


def command(*words: str, check: bool = True, **options: t.Any) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if check and done.returncode:
        raise Wrong(f"{' '.join(words)}: {done.stdout.decode(errors='replace').strip()}")
    return done


# ---- images ----


def tar_of(files: t.Mapping[str, bytes]) -> bytes:
    """A layer with C(files) in it."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


def program() -> bytes:
    """An ELF file of one segment."""
    size = 120 + len(_CODE)
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, size, size, 4096) + _CODE


def base_layer(seed: str, size: int = 300_000) -> bytes:
    """The program beside C(size) bytes that come again with C(seed)."""
    return tar_of({"say": program(), "data": random.Random(seed).randbytes(size)})


def message_layer(message: str) -> bytes:
    return tar_of({"message": message.encode()})


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Made:
    """An image as a bundle describes it, the content of its blobs, and what it prints."""

    entry: dict[str, t.Any]
    blobs: dict[str, bytes]
    says: str

    @property
    def name(self) -> str:
        return str(self.entry["name"])

    @property
    def layers(self) -> list[dict[str, t.Any]]:
        return list(self.entry["layers"])

    def sizes(self, *numbers: int) -> int:
        """Bytes of the blobs of these layers."""
        return sum(self.layers[number]["size"] for number in numbers)

    def path(self, digest: str) -> str:
        """As a source of an archive: the blob as a file."""
        place = Path("/tmp/matrix-blobs") / digest.partition(":")[2]
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(self.blobs[digest])
        return str(place)

    def document(self, digest: str) -> bytes:
        return self.blobs[digest]


def make(name: str, contents: t.Sequence[bytes], says: str, kind: str = "zstd", docker: bool = False, lies: bool = False) -> Made:
    """An image of C(contents), its blobs plain, gzip or zstd, by a manifest of OCI's or of Docker's; one that C(lies) has another top layer than it says."""
    name = f"registry.example.com/matrix/{name}"
    layers: list[_oci.Layer] = []
    blobs = {}
    for content in contents:
        blob = {"plain": bytes, "gzip": lambda raw: gzip.compress(raw, 1, mtime=0), "zstd": _zstd}[kind](content)
        media_type = DOCKER + "image.rootfs.diff.tar.gzip" if docker else _oci.LAYER + ("" if kind == "plain" else "+" + kind)
        layers.append({"digest": digest_of(blob), "diff_id": digest_of(content), "size": len(blob), "media_type": media_type, "raw_size": len(content)})
        blobs[digest_of(blob)] = blob
    if lies:
        layers[-1]["diff_id"] = digest_of(b"something else")
    rootfs = {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]}
    config = _oci.encode({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/say"]}, "rootfs": rootfs, "history": [{"comment": name}]})
    manifest = _oci.image_manifest(config, layers, made_here=False)
    if docker:
        described = {**json.loads(manifest), "mediaType": _oci.DOCKER_MANIFEST}
        described["config"]["mediaType"] = DOCKER + "container.image.v1+json"
        manifest = _oci.encode(described)
    blobs.update({digest_of(config): config, digest_of(manifest): manifest})
    entry = {
        "name": name,
        "platform": _oci.PLATFORM,
        "manifest": digest_of(manifest),
        "manifest_size": len(manifest),
        "manifest_media_type": _oci.DOCKER_MANIFEST if docker else _oci.MANIFEST,
        "config": digest_of(config),
        "layers": layers,
    }
    return Made(entry, blobs, says)


def _zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-c", "-q"], input=content, stdout=subprocess.PIPE, check=True).stdout


def archive_of(made: Made, unpack: bool) -> bytes:
    """What a plain C(docker load) gets."""
    return b"".join(hybrid_archive(made.entry, made.layers, made, made.name, unpack))


def load_plainly(made: Made, archive: bytes | None = None) -> None:
    """As somebody does who has no collection."""
    content = archive_of(made, unpack=not unpacks_zstd(Engine())) if archive is None else archive
    answer = command("docker", "load", input=content).stdout.decode()
    expect("Loaded image" in answer and "Error" not in answer, f"docker load: {answer}")


def two_versions(size: int = 300_000) -> tuple[Made, Made]:
    """One base, two tops."""
    base = base_layer("base", size)
    return make("service:1", [base, message_layer("one")], "one"), make("service:2", [base, message_layer("two")], "two")


# ---- pushes ----


class Pushed(t.NamedTuple):
    """What came of a push."""

    loaded: list[str]
    sent: int
    rounds: int


def receive(blobs: t.Mapping[str, bytes]) -> None:
    """What a controller sends."""
    incoming = SPOOL / INCOMING
    incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
    for digest, content in blobs.items():
        (incoming / digest.partition(":")[2]).write_bytes(content)


def push(*images: Made, engine: Engine | None = None, plan: bool = True, ladder: str = "auto") -> Pushed:
    """The push as the controller leads it; without C(plan) whatever the host says about its room."""
    engine, spool = engine or Engine(), Spool(str(SPOOL))
    entries = [made.entry for made in images]
    blobs = {digest: content for made in images for digest, content in made.blobs.items()}
    spool.learn({digest: base64.b64encode(blobs[digest]).decode() for entry in entries for digest in (entry["manifest"], entry["config"])})
    if not plan:
        return _send_and_load(engine, spool, entries, blobs, {})
    found = survey(engine, spool, entries, ladder)
    if not any(image["reason"] for image in found["images"]) and not found["leftovers"]:
        return Pushed([], 0, 0)
    if not found["ladder"]:
        return _send_and_load(engine, spool, entries, blobs, found["lacking"])
    climbed = []
    for entry in entries:
        for count in found["ladder"].get(entry["name"], []):
            rung, documents = make_rung(entry, json.loads(blobs[entry["config"]]), count)
            spool.learn(documents)
            climbed.append(_send_and_load(engine, spool, [rung], blobs, survey(engine, spool, [rung], "never")["lacking"])._replace(loaded=[]))
        climbed.append(_send_and_load(engine, spool, [entry], blobs, survey(engine, spool, [entry], "never")["lacking"]))
    return Pushed([name for step in climbed for name in step.loaded], sum(step.sent for step in climbed), sum(step.rounds for step in climbed))


def _send_and_load(engine: Engine, spool: Spool, entries: list[dict[str, t.Any]], blobs: t.Mapping[str, bytes], lacking: t.Mapping[str, int]) -> Pushed:
    whole: list[str] = []
    loaded: list[str] = []
    sent = 0
    for count in range(4 + len(entries)):
        receive({digest: blobs[digest] for digest in lacking})
        sent += sum(lacking.values())
        answer = load_images(engine, spool, entries, whole)
        loaded += answer["loaded"]
        lacking, whole = answer["lacking"], answer["whole"]
        if not lacking:
            return Pushed(loaded, sent, count + 1)
    raise Wrong("the push asks for blobs again and again")


def check_held(*images: Made, nameless: int = 0, saved: bool = True) -> None:
    """The engine holds these images, whole, by their ID in its store and by their layers, and runs them."""
    engine = Engine()
    for made in images:
        found = engine.image(made.name)
        if found is None:
            raise Wrong(f"{made.name} is not there")
        identity = made.entry["manifest" if engine.store == "containerd" else "config"]
        expect(found.id == identity, f"{made.name} is {found.id} and not {identity}")
        diff_ids = [layer["diff_id"] for layer in made.layers]
        expect(list(found.diff_ids) == diff_ids, f"{made.name} has the layers {found.diff_ids}")
        expect(found.complete, f"a part of {made.name} lacks")
        check_runs(made)
        if saved:
            check_saved(made)
    check_clean(nameless=nameless)


def check_runs(made: Made) -> None:
    """The program of its lowest layer reads the message of its highest."""
    said = command("docker", "run", "--rm", "--network", "none", made.name).stdout.decode()
    expect(said == made.says, f"{made.name} says {said!r}")


def check_saved(made: Made) -> None:
    """Nothing of the image lacks: what the engine gives out is whole."""
    names, layers = set(), []
    with tarfile.open(fileobj=io.BytesIO(b"".join(Engine().save([made.name])))) as archive:
        for member in archive:
            names.add(member.name)
            if member.name == "manifest.json":
                layers = json.load(t.cast(t.IO[bytes], archive.extractfile(member)))[0]["Layers"]
    expect(len(layers) == len(made.layers) and names.issuperset(layers), f"docker save of {made.name} lacks {sorted(set(layers) - names)}")


def check_clean(spool: bool = True, nameless: int = 0) -> None:
    """Nothing of ours is left, and only so many images C(nameless) whose name another got."""
    images = Engine().images()
    without = [image.id for image in images if not image.tags]
    expect(len(without) == nameless, f"without a name are {without}")
    expect(not any("airgap-cognitive/" in tag for image in images for tag in image.tags), f"left are {[image.tags for image in images]}")
    left = [path.name for directory in ("blobs", INCOMING) for path in (SPOOL / directory).glob("*")]
    expect(not (spool and left), f"left in the spool: {left}")


@contextlib.contextmanager
def sentence(*words: str) -> t.Iterator[None]:
    """What is in here ends with one sentence in which C(words) are."""
    # The class by its name, because it is what reaches a user.
    try:
        yield
    except Exception as error:  # pylint: disable=broad-exception-caught # judged here
        text = str(error)
        expect(any(kind.__name__ == "CognitiveError" for kind in type(error).__mro__), f"{type(error).__name__}: {text}")
        expect("\n" not in text and all(word in text for word in words), f"the sentence is: {text}")
        return
    raise Wrong("it went through")


# ---- the engine ----


def containerd() -> bool:
    return Engine().store == "containerd"


def remove_images(*images: Made) -> None:
    """Behind our back."""
    command("docker", "image", "rm", "--force", *(made.name for made in images))


def start_engine() -> Engine:
    command("engine", "start", stdin=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    while command("docker", "info", check=False).returncode:
        expect(time.monotonic() < until, "the engine does not start: " + Path("/var/log/dockerd.log").read_text(errors="replace")[-600:])
        time.sleep(0.2)
    return Engine()


def kill_engine() -> None:
    """As a power cut does."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "comm").read_text().strip() in ("dockerd", "containerd"):
                os.kill(int(process.name), 9)
    while any(_comm(process) in ("dockerd", "containerd") for process in Path("/proc").glob("[0-9]*")):
        time.sleep(0.05)


def _comm(process: Path) -> str:
    with contextlib.suppress(OSError):
        # A process that ended and was not yet taken in counts no more.
        return "" if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z" else (process / "comm").read_text().strip()
    return ""


@contextlib.contextmanager
def settings(**changed: t.Any) -> t.Iterator[Engine]:
    """The engine with other settings, and afterwards as it was."""
    before = SETTINGS.read_text()
    try:
        _restart(json.dumps({**json.loads(before), **changed}))
        yield Engine()
    finally:
        _restart(before)


def _restart(content: str) -> None:
    command("engine", "stop")
    SETTINGS.write_text(content)
    start_engine()


def store_settings(containerd: bool) -> dict[str, t.Any]:
    return {"features": {"containerd-snapshotter": containerd}}


@contextlib.contextmanager
def small_root(size: int) -> t.Iterator[Engine]:
    """The engine with its data on a file system of C(size) bytes."""
    SMALL_ROOT.mkdir(exist_ok=True)
    command("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(SMALL_ROOT))
    try:
        with settings(**{"data-root": str(SMALL_ROOT)}) as engine:
            yield engine
    finally:
        command("umount", "--lazy", str(SMALL_ROOT))


def reset() -> None:
    """A host that nobody used."""
    for image in Engine().images():
        for name in image.tags or (image.id,):
            command("docker", "image", "rm", "--force", name)
    # What lost its last name just now stays without one in some engines.
    command("docker", "image", "prune", "--force")
    expect(not Engine().images(), "images of the situation before are left")
    shutil.rmtree(SPOOL, ignore_errors=True)
    shutil.rmtree("/tmp/matrix-blobs", ignore_errors=True)
