#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection takes for its work, beside what a user would take instead. Timings are shown here, and never decide whether a test passes.

    bench.py [ROW ...]      rows: export small push difference again memory plan (without a word: all)

The data are files of this machine, drawn with fixed seeds: three images on a base of 1.1 GB, one of which comes in two versions that
differ in a layer of 0.5 GB; twelve images of eight layers of 1 MB; for the memory, a layer of 4 GB; for the plan, 200 images of six layers.
SCALE=0.2 makes all but the last smaller; at SCALE=1 the whole takes about half an hour and 20 GB of disk. ROUNDS (3, and not less) is how often
each is measured; the table shows medians. Peers that decide no reach and are slow are measured once, and marked so.

The hosts are nested engines (26.1) on this machine, reached over SSH; a registry serves from this machine. So the network is faster than any that a
site has, which favours whoever sends more. Measured are: wall time of the whole command, of Ansible too with its start; processor time of the client
with all that it starts, and of the engine; the peak memory of a client's largest process and of the host's half of a module; bytes that came in
at the host's network interface; how much more of this machine's disk was in use at the peak, which others on this machine disturb.
"""

from __future__ import annotations

import collections
import fcntl
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / ".build" / "collections"), str(Path(__file__).resolve().parents[1] / "setup")]

import prepare
from data import BASE, MB, SHARED_BASE, SMALL, VERSION_1, VERSION_2, ensure_images, name_of, write_bundle
from place import KEY, PEERS_SSH, ROOM, ROUNDS, SCALE, BenchError, Figures, Place, docker, fleet, median, registry, say

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle

OURS = "airgap.cognitive"
Contender = t.Callable[[], Figures]


class Reach(t.NamedTuple):
    """One line of the table: what we took, what the peer took, and how much of it we may."""

    what: str
    ours: str
    peer: str
    ratio: str
    reach: str
    met: bool


class Bench:
    """The rows, and what came of them."""

    def __init__(self) -> None:
        self.reaches: list[Reach] = []
        self.figures: list[tuple[str, str, int, Figures]] = []

    # ---- measuring ----

    def contend(
        self, row: str, contenders: t.Mapping[str, Contender], before: t.Callable[[], None] | None = None, once: t.Collection[str] = ()
    ) -> dict[str, Figures]:
        """Each in turn, and again; C(before) each, something that is not measured."""
        found: dict[str, list[Figures]] = collections.defaultdict(list)
        for number in range(ROUNDS):
            for name, contender in contenders.items():
                if number and name in once:
                    continue
                if before:
                    before()
                figures = contender()
                say(f"{row}: {name}, {number + 1} of {1 if name in once else ROUNDS}: {figures.wall:.1f} s")
                found[name].append(figures)
        medians = {name: median(each) for name, each in found.items()}
        self.figures += [(row, name, len(found[name]), figures) for name, figures in medians.items()]
        return medians

    def ratio(self, what: str, ours: float, peer: float, peer_name: str, most: float) -> None:
        """Ours against a peer, in seconds."""
        self.reaches.append(Reach(what, f"{ours:.1f} s", f"{peer:.1f} s {peer_name}", f"{ours / peer:.2f}", f"<= {most:.2f} x", ours <= most * peer))

    def limit(self, what: str, ours: float, most: float, unit: str, peer: str = "") -> None:
        """Ours against a number."""
        digits = 2 if unit == "s" else 1
        share = f"{ours / most:.2f}" if most and ours > 0 else ""
        self.reaches.append(Reach(what, f"{ours:.{digits}f} {unit}", peer, share, f"<= {most:.{digits}f} {unit}", ours <= most))

    # ---- what several rows need ----

    def bundle(self, place: Place, name: str, images: t.Iterable[str]) -> Path:
        """A bundle of these images, from this machine's engine."""
        path = ROOM / f"{name}-{SCALE}"
        self.export(place, path, images)
        return path

    def export(self, place: Place, path: Path, images: t.Iterable[str]) -> Figures:
        wanted = [{"name": name_of(image), "family": "sentiment", "tag": image.replace(":", "-")} for image in images]
        return place.ansible("airgap.cognitive.bundle_export", {"path": str(path), "signing_key": str(KEY), "images": wanted}, host="staging")

    def push(self, place: Place, bundle: Path, images: t.Iterable[str], check: bool = False) -> Figures:
        return place.ansible("airgap.cognitive.image_push", {"bundle": str(bundle), "images": [name_of(image) for image in images]}, check=check)

    def empty_call(self, place: Place, host: str | None = None) -> float:
        """Seconds of a module that does nothing."""
        return median([place.ansible("ansible.builtin.ping", host=host) for _round in range(ROUNDS)]).wall

    # ---- rows ----

    def row_export(self) -> None:
        ensure_images(SHARED_BASE)
        path, layout, archive = ROOM / "export", ROOM / "layout", ROOM / "archive"
        names = " ".join(name_of(image) for image in VERSION_1)

        def clean() -> None:
            for place_of in (path, layout, archive):
                shutil.rmtree(place_of, ignore_errors=True)
            archive.mkdir()

        def shell(command: str) -> Contender:
            return lambda: place.measured(["bash", "-o", "pipefail", "-ec", command], on_host=False)

        def whole(contender: Contender, where: Path) -> Contender:
            def run() -> Figures:
                found = contender()
                sizes[where.name] = sum(file.stat().st_size for file in where.rglob("*") if file.is_file())
                return found

            return run

        sizes: dict[str, int] = {}
        skopeo = "; ".join(f"skopeo --insecure-policy copy --quiet docker-daemon:{name_of(image)} oci:{layout}:{name_of(image)}" for image in VERSION_1)
        with Place("classic") as place:
            zstd, gzip = "docker save | zstd -T0 -3", "docker save | gzip"
            contenders = {
                OURS: whole(lambda: self.export(place, path, VERSION_1), path),
                zstd: shell(f"docker save {names} | zstd -q -T0 -3 -o {archive}/images.tar.zst"),
                gzip: shell(f"docker save {names} | gzip >{archive}/images.tar.gz"),
                "skopeo to an OCI layout": whole(shell(skopeo), layout),
            }
            found = self.contend("export", contenders, before=clean, once=(gzip, "skopeo to an OCI layout"))
            self.ratio("export three images that share a base: time", found[OURS].wall, found[zstd].wall, zstd, 1.1)
            layout_size = sizes[layout.name] / MB
            self.limit("export three images that share a base: size", sizes[path.name] / MB, layout_size, "MB", f"{layout_size:.1f} MB skopeo's OCI layout")
            clean()
            first = self.export(place, path, VERSION_1).answer["written_bytes"]
            again = self.contend("export again", {OURS: lambda: self.export(place, path, VERSION_1)})[OURS]
            if again.answer["changed"] or again.answer["written_bytes"]:
                raise BenchError("an export of what is there already wrote something.")
            self.limit("export again, nothing new: beyond an empty module's call", again.wall - self.empty_call(place, "staging"), 1, "s")
            second = self.export(place, path, VERSION_2)
            self.figures.append(("export of version 2", OURS, 1, second))
            changed = Bundle(str(path)).image(name_of("speech:2"))["layers"][-1]["size"]
            written = second.answer["written_bytes"]
            self.limit("export of version 2 against version 1", written / 1000, changed / 1000 + 100, "kB", f"{first / 1000:.1f} kB a whole bundle")
            clean()

    def row_small(self) -> None:
        ensure_images(SMALL)
        with Place("classic") as place:
            shutil.rmtree(ROOM / f"small-{SCALE}", ignore_errors=True)
            self._push_whole(place, "push of twelve small images", self.bundle(place, "small", SMALL), tuple(SMALL))

    def row_push(self) -> None:
        ensure_images(SHARED_BASE)
        for store in ("classic", "containerd"):
            with Place(store) as place:
                bundle = self.bundle(place, "version-1", VERSION_1)
                # Copying takes the same time to either store, and the longest of all.
                self._push_whole(place, f"push to a host that has nothing, {store} store", bundle, VERSION_1, copies=store == "classic")

    def _push_whole(self, place: Place, what: str, bundle: Path, images: t.Sequence[str], copies: bool = True) -> None:
        archive = ROOM / "images.tar"
        docker("save", "--output", str(archive), *(name_of(image) for image in images))
        load, plain, with_c = "ssh docker load", "copy + docker_image_load", "copy with ssh -C + docker_image_load"

        def copied(ssh_args: str) -> Contender:
            def run() -> Figures:
                copy = place.ansible("ansible.builtin.copy", {"src": str(archive), "dest": "/var/tmp/bench.tar"}, ssh_args=ssh_args)
                return added(copy, place.ansible("community.docker.docker_image_load", {"path": "/var/tmp/bench.tar"}, ssh_args=ssh_args))

            return run

        contenders = {
            OURS: lambda: self.push(place, bundle, images),
            load: lambda: place.measured(place.ssh("docker load --quiet"), stdin=archive),
            **({plain: copied(PEERS_SSH), with_c: copied(f"-C {PEERS_SSH}")} if copies else {}),
        }
        found = self.contend(what, contenders, before=place.clear, once=(with_c,))
        archive.unlink()
        if copies:
            self.ratio(what, found[OURS].wall, found[plain].wall, plain, 0.5)
        self.ratio(what, found[OURS].wall, found[load].wall, load, 1.15)

    def row_difference(self) -> None:
        ensure_images(SHARED_BASE)
        for store in ("classic", "containerd"):
            with Place(store) as place:
                self._difference(place, f"push of version 2 where version 1 is, {store} store")

    def _difference(self, place: Place, what: str) -> None:
        before, after = self.bundle(place, "version-1", VERSION_1), self.bundle(place, "version-2", VERSION_2)
        name = name_of("speech:2")
        changed = Bundle(str(after)).image(name)["layers"][-1]["size"]
        self.push(place, before, VERSION_1)

        def without(image: str) -> t.Callable[[], None]:
            def remove() -> None:
                place.shell(f"docker image rm --force {image} 2>/dev/null; sync")

            return remove

        ours = self.contend(what, {OURS: lambda: self.push(place, after, VERSION_2)}, before=without(name))[OURS]
        self.limit(f"{what}: bytes", (ours.received or 0) / MB, changed * 1.01 / MB, "MB")
        place.clear()
        pull = "docker pull from a registry"
        with registry() as address:
            self._fill(address, before, after)
            place.allow_registry(address)
            for image in VERSION_1:
                place.shell(f"docker pull --quiet {address}/{name_of(image)}")
            remote = f"{address}/{name}"
            pulled = self.contend(what, {pull: lambda: place.measured(place.ssh(f"docker pull --quiet {remote}"))}, before=without(remote))[pull]
        self.ratio(f"{what}: time", ours.wall, pulled.wall, pull, 1)

    def _fill(self, address: str, *bundles: Path) -> None:
        """Give the registry the very blobs of the bundles."""
        for bundle in bundles:
            for image in Bundle(str(bundle)).images():
                command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]
                places = [f"oci:{bundle}:{image['name']}", f"docker://{address}/{image['name']}"]
                done = subprocess.run([*command, *places], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise BenchError(f"the registry does not take {image['name']}: {done.stderr.strip()}")

    def row_again(self) -> None:
        ensure_images(SHARED_BASE)
        with Place("classic") as place:
            bundle = self.bundle(place, "version-1", VERSION_1)
            self.push(place, bundle, VERSION_1)
            contenders = {OURS: lambda: self.push(place, bundle, VERSION_1), "an empty module": lambda: place.ansible("ansible.builtin.ping")}
            found = self.contend("push where it is already", contenders)
            if found[OURS].answer["changed"]:
                raise BenchError("a push of what is there already changed something.")
            self.limit("push where it is already: beyond an empty module's call", found[OURS].wall - found["an empty module"].wall, 0.3, "s")
            self.limit("push where it is already: bytes of layers sent", found[OURS].answer["sent_bytes"], 0, "B")

    def row_memory(self) -> None:
        bundle = ROOM / "large"
        shutil.rmtree(bundle, ignore_errors=True)
        say("making a layer for the memory")
        write_bundle(bundle, {"large:1": [("large", int(4000 * MB * SCALE))]})
        with Place("classic") as place:
            place.ansible("ansible.builtin.ping")
            # Memory does not vary as time does, and this is large.
            figures = self.push(place, bundle, ["large:1"])
            self.figures.append(("push of one large layer", OURS, 1, figures))
        shutil.rmtree(bundle)
        self.limit("memory for a layer of 4 GB: a process of the controller", figures.client_memory / MB, 100, "MB")
        self.limit("memory for a layer of 4 GB: the host's module", (figures.host_memory or 0) / MB, 64, "MB")

    def row_plan(self) -> None:
        bundle = ROOM / "many"
        shutil.rmtree(bundle, ignore_errors=True)
        images = {f"many-{number}:1": [*((f"many-{number % 20}-{layer}", 20000) for layer in range(5)), (f"many-{number}", 20000)] for number in range(200)}
        write_bundle(bundle, images)
        with Place("classic") as place:
            self.push(place, bundle, list(images)[:50])
            found = self.contend("plan", {OURS: lambda: self.push(place, bundle, images, check=True), "an empty module": lambda: place.ansible("ansible.builtin.ping")})
            if sum(1 for image in found[OURS].answer["images"] if image["reason"]) != 150:
                raise BenchError("the plan is not the one that was expected.")
            self.limit("plan of 200 images, 50 of them on the host: beyond an empty call", found[OURS].wall - found["an empty module"].wall, 2, "s")
        shutil.rmtree(bundle)

    # ---- tables ----

    def show(self) -> None:
        """All figures, then the table of reaches."""
        columns = ["row", "who", "n", "wall s", "client cpu s", "engine cpu s", "client MB", "host MB", "received MB", "disk MB"]
        rows = []
        for row, who, count, figures in self.figures:
            seconds = [f"{value:.1f}" for value in figures[:3]]
            rows.append([row, who, str(count), *seconds, *("" if value is None else f"{value / MB:.1f}" for value in figures[3:7])])
        print_table(columns, rows)
        print()
        print_table(["what", "ours", "peer", "ratio", "reach", ""], [[*reach[:5], "met" if reach.met else "NOT MET"] for reach in self.reaches])


def added(first: Figures, second: Figures) -> Figures:
    """One call after the other."""
    return Figures(
        first.wall + second.wall,
        first.client_cpu + second.client_cpu,
        first.engine_cpu + second.engine_cpu,
        max(first.client_memory, second.client_memory),
        max(first.host_memory or 0, second.host_memory or 0),
        (first.received or 0) + (second.received or 0),
        # What the first wrote is there while the second writes.
        first.disk + second.disk,
        second.answer,
    )


def print_table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> None:
    """Columns as wide as what is in them."""
    widths = [max(len(row[number]) for row in [head, *rows]) for number in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())


def main(words: list[str]) -> int:
    """Measure, show; what is not met is no failure."""
    bench = Bench()
    rows = {name.removeprefix("row_"): getattr(bench, name) for name in vars(Bench) if name.startswith("row_")}
    unknown = sorted(set(words) - set(rows))
    if unknown:
        print(f"bench: there is no row {unknown[0]}; there are {', '.join(rows)}.", file=sys.stderr)
        return 2
    began = time.monotonic()
    shown = 0
    try:
        prepare.prepare_registry()
        ROOM.mkdir(parents=True, exist_ok=True)
        # Two at once would take each other's hosts, and time each other.
        lock = (ROOM / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not KEY.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEY)], check=True)
        for name, row in rows.items():
            if not words or name in words:
                say(f"row {name}, {time.monotonic() - began:.0f} s after the start")
                row()
                for reach in bench.reaches[shown:]:
                    say(f"{'met' if reach.met else 'NOT MET'}: {reach.what}: {reach.ours}, {reach.reach} {reach.peer}")
                shown = len(bench.reaches)
    except BlockingIOError:
        say("another bench of this checkout is at work; wait until it has ended.")
        return 1
    except (BenchError, fleet.FleetError, prepare.SetupError) as error:
        say(str(error))
        return 1
    finally:
        if bench.figures:
            print(f"\nSCALE={SCALE:g}, medians of {ROUNDS}, {sum(size for _seed, size in BASE) * SCALE / MB:.0f} MB of base\n")
            bench.show()
    say(f"done in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
