#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Goes over the gap and back more than once, with the playbooks as they are: volumes, depot, receipts, a difference, a request, a top-up.

Two hosts of the demo's fleet, an old engine and one with the containerd store, get a service beside the demo's own. Its next version crosses as a
difference against what came back from the site; then the depot and a host lose what they had, and the site asks for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "fleet")]

import fleet
import run

WORK = CHECKOUT / ".build" / "loop"
DEPOT = WORK / "depot"
RECEIPTS = WORK / "receipts"
HOSTS = (fleet.HOSTS[0], fleet.HOSTS[2])
ROOT = "/var/lib/cognitive-loop"
SERVICE = "loop-speech"
REPOSITORY = "azure-cognitive-services/speechservices/speech-to-text"
VERSIONS = ("4.11.0-amd64-en-us", "4.12.0-amd64-en-us")
VOLUME = 12 << 20
LONGEST = 600


class Wrong(Exception):
    """What was not as it should be."""


def expect(truth: object, what: str) -> None:
    """Unlike an assertion, this is there in every Python."""
    if not truth:
        raise Wrong(what)


def play(playbook: str, tag: str, bundle: Path, **variables: t.Any) -> tuple[int, str]:
    """Run a playbook for a fleet whose hosts declare the service with C(tag); its exit code and what it said."""
    service = {"name": SERVICE, "family": "speech-to-text", "tag": tag, "port": 5951, "cpus": 0.5, "memory": "192m"}
    services = {host.name: {"cognitive_services": [service] if host in HOSTS else []} for host in fleet.HOSTS}
    (WORK / "inventory.yml").write_text(json.dumps({"fleet": {"hosts": services}}))
    places = {
        "cognitive_bundle_dir": str(bundle),
        "cognitive_staging_dir": str(WORK / "staging"),
        "cognitive_depot_dir": str(DEPOT),
        "cognitive_receipt_dir": str(RECEIPTS),
        "cognitive_series_record": str(WORK / "series.json"),
        "cognitive_root": ROOT,
        "cognitive_network": "cognitive-loop",
    }
    (WORK / "variables.yml").write_text(json.dumps({**places, **variables}))
    command = [str(run.BIN / "ansible-playbook"), "--inventory", str(CHECKOUT / ".build" / "demo" / "inventory"), "--inventory", str(WORK / "inventory.yml")]
    command += ["--extra-vars", f"@{WORK / 'variables.yml'}", "--limit", ",".join(["connected", *(host.name for host in HOSTS)])]
    done = subprocess.run(
        [*command, str(CHECKOUT / "playbooks" / f"{playbook}.yml")],
        cwd=WORK,
        env=run.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    expect("Traceback" not in done.stdout, f"{playbook} shows a traceback:\n{done.stdout[-3000:]}")
    (WORK / f"{playbook}.log").write_text(done.stdout)
    return done.returncode, done.stdout


def must(playbook: str, tag: str, bundle: Path, **variables: t.Any) -> str:
    """The same, where it must end well; what it said."""
    code, said = play(playbook, tag, bundle, **variables)
    expect(code == 0, f"{playbook} failed:\n{said[-3000:]}")
    return said


def must_fail(tag: str, bundle: Path, says: str) -> None:
    """A site that must stop with a sentence that has C(says), and without a change."""
    before = [state(host) for host in HOSTS]
    code, said = play("site", tag, bundle)
    expect(code != 0, "site ended as if all were well")
    expect(re.search(says, " ".join(said.split())), f"site does not say {says!r}:\n{said[-3000:]}")
    expect([state(host) for host in HOSTS] == before, "site changed a host")


def unchanged(said: str) -> bool:
    """Whether a run changed nothing on any host."""
    return not re.search(r"changed=[1-9]", said)


def on_host(host: fleet.Host, script: str) -> str:
    """What a shell on the host prints."""
    return subprocess.run(["docker", "exec", host.container, "sh", "-c", script], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.strip()


def state(host: fleet.Host) -> str:
    """Images and containers of the host, and what lies below the root of the service."""
    return on_host(host, f"docker images --no-trunc --all; docker ps --all --format '{{{{.ID}}}} {{{{.Image}}}}'; find {ROOT} ! -path '*/output/*' 2>/dev/null; true")


def image_of(host: fleet.Host) -> str:
    """What the service runs."""
    return on_host(host, f"docker inspect --format '{{{{.Config.Image}}}}' {SERVICE}")


def blobs(bundle: Path) -> dict[str, int]:
    """The blobs that lie in a bundle, with their sizes."""
    return {file.name: file.stat().st_size for file in (bundle / "blobs" / "sha256").iterdir()}


def catalogue(bundle: Path) -> dict[str, t.Any]:
    """What a bundle says of itself."""
    return dict(json.loads((bundle / "bundle.json").read_text()))


def first_version_crosses_in_volumes() -> None:
    """The bundle is cut; with its first volume the site says what lacks, with all it deploys."""
    first = WORK / "bundle-1"
    must("export", VERSIONS[0], first, cognitive_volume_size=VOLUME, cognitive_volume_dir=str(WORK / "volumes"))
    volumes = sorted((WORK / "volumes").iterdir())
    expect(len(volumes) > 1, f"it was cut into {len(volumes)}")
    expect(max(volume.stat().st_size for volume in volumes) <= VOLUME, "a volume is too large")
    some = WORK / "media"
    some.mkdir()
    shutil.copy(volumes[0], some)
    must_fail(VERSIONS[0], some, r"lacks a part of .* No host was touched")
    for volume in volumes[1:]:
        shutil.copy(volume, some)
    must("site", VERSIONS[0], some)
    expect(all(image_of(host) == f"{REPOSITORY}:{VERSIONS[0]}" for host in HOSTS), "it runs something else")
    expect(unchanged(must("site", VERSIONS[0], some)), "site changed something the second time")
    expect({file.name for file in RECEIPTS.iterdir()} == {"depot.json", *(f"{host.name}.json" for host in HOSTS)}, "receipts are missing")
    held = json.loads((RECEIPTS / "depot.json").read_text())["blobs"]
    expect({digest.partition(":")[2] for digest in held} == blobs(DEPOT).keys(), "the receipt of the depot does not say what it holds")


def second_version_crosses_as_a_difference() -> None:
    """Against the receipts only what is new crosses, and it is enough."""
    second = WORK / "bundle-2"
    must("export", VERSIONS[1], second, cognitive_against=[str(RECEIPTS)])
    expect(catalogue(second).get("absent"), "nothing was left out")
    there = blobs(WORK / "bundle-1")
    again = {name: size for name, size in blobs(second).items() if name in there and size > 1024}
    expect(not again, f"{len(again)} blobs cross a second time")
    expect(sum(blobs(second).values()) < sum(there.values()) / 4, f"{sum(blobs(second).values())} bytes cross, of {sum(there.values())}")
    expect(unchanged(must("export", VERSIONS[1], second, cognitive_against=[str(RECEIPTS)])), "export changed something the second time")
    must("site", VERSIONS[1], second)
    expect(all(image_of(host) == f"{REPOSITORY}:{VERSIONS[1]}" for host in HOSTS), "it runs something else")


def what_was_lost_is_asked_for_and_brought() -> None:
    """The depot is lost, and a host loses its images: the site asks for what the difference left out, and the top-up brings just that."""
    second, third = WORK / "bundle-2", WORK / "bundle-3"
    absent = {entry["digest"].partition(":")[2] for entry in catalogue(second)["absent"]}
    manifest = json.loads((second / "blobs" / "sha256" / catalogue(second)["images"][0]["manifest"].partition(":")[2]).read_text())
    lost = absent & {layer["digest"].partition(":")[2] for layer in manifest["layers"]}
    shutil.rmtree(DEPOT)
    host = HOSTS[1]
    on_host(host, f"docker rm --force {SERVICE}; docker image ls --quiet {REPOSITORY} | xargs docker image rm --force")
    shared = on_host(host, "docker image ls --quiet --filter reference='azure-cognitive-services/*/*' | sort -u | tr '\\n' ' '")
    if shared:
        # The demo's services share the lowest layers; without them the engine would still hold the layer.
        on_host(host, f"docker ps --quiet | xargs docker rm --force; docker image rm --force {shared}")
    must_fail(VERSIONS[1], second, rf"{host.name} lacks {len(lost)} blobs? .*request-{host.name}-images.json says what it needs")
    must("export", VERSIONS[1], third, cognitive_against=[str(RECEIPTS)])
    layers = set(blobs(third)) & {layer["digest"].partition(":")[2] for layer in manifest["layers"]}
    expect(layers == lost, f"the top-up brings {len(layers)} layers, and {len(lost)} were asked for")
    must("site", VERSIONS[1], third)
    expect(image_of(host) == f"{REPOSITORY}:{VERSIONS[1]}", "it runs something else")
    expect(not list(RECEIPTS.glob("request-*")), "the request is still there")


def an_older_bundle_does_not_turn_back_the_depot() -> None:
    """Media that come late go into the depot and change no host, and once more they change nothing."""
    before = [state(host) for host in HOSTS]
    must("site", VERSIONS[1], WORK / "media")
    expect([state(host) for host in HOSTS] == before, "the first volumes changed a host")
    expect(unchanged(must("site", VERSIONS[1], WORK / "media")), "site changed something the second time")
    expect(all(image_of(host) == f"{REPOSITORY}:{VERSIONS[1]}" for host in HOSTS), "it runs something else")


STEPS = (
    first_version_crosses_in_volumes,
    second_version_crosses_as_a_difference,
    what_was_lost_is_asked_for_and_brought,
    an_older_bundle_does_not_turn_back_the_depot,
)


def clean() -> None:
    """Take it all away."""
    for host in HOSTS:
        on_host(host, f"docker rm --force --volumes {SERVICE} >/dev/null 2>&1; docker network rm cognitive-loop >/dev/null 2>&1; rm -rf {ROOT}")
    shutil.rmtree(WORK, ignore_errors=True)


def main() -> int:
    """Each step goes on from the one before."""
    clean()
    WORK.mkdir(parents=True, mode=0o700)
    os.chdir(WORK)
    passed = 0
    try:
        for step in STEPS:
            step()
            passed += 1
            print(f"ok      {step.__name__.replace('_', ' ')}", flush=True)
    except Wrong as wrong:
        print(f"FAILED  {STEPS[passed].__name__.replace('_', ' ')}: {wrong}")
        print(f"{passed} passed, {len(STEPS) - passed} failed")
        return 1
    clean()
    print(f"{passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
