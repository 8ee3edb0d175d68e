#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the images of the simulator, and prints their names.

    build.py [--family FAMILY ...] [--base IMAGE]

An image whose inputs are those of its label is left as it is, so a second call does nothing but look.
Layers, from below: Debian with Python, the authority's certificate and the account C(nonroot), code, the family's model, the version.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "src")]

import ca
from simulator.profiles import PROFILES, TAGS, Profile

LABEL = "airgap.cognitive.inputs"
BILLING = "airgap-cognitive/billing:latest"
MODEL_BYTES = 4 << 20
VERSION_BYTES = 512 << 10
# Goes into the hash: a change of what this file makes must change it.
RECIPE = 1


def dockerfile(base: str, profile: Profile | None) -> str:
    """The steps of one image; what images share comes first."""
    lines = [
        f"FROM {base}",
        "COPY certificate /usr/lib/ssl/cert.pem",
        "RUN groupadd -g 65532 nonroot && useradd -u 65532 -g 65532 -d /app -M -s /usr/sbin/nologin nonroot && rm -f /etc/*-",
        "WORKDIR /app",
        "COPY src /app",
    ]
    if profile is None:
        return "\n".join([*lines, "USER 65532", 'ENTRYPOINT ["python3", "-m", "billing"]'])
    lines.append("COPY model /app/model")
    if profile.volume:
        lines += ["RUN mkdir /output && chown 65532:65532 /output", "VOLUME /output"]
    lines += ["COPY version /app", *(f"ENV {name}={value}" for name, value in profile.environment)]
    lines += [f"ENV ASPNETCORE_URLS=http://*:{profile.port}"]
    lines += [f"EXPOSE {profile.port}"] if profile.exposed else []
    return "\n".join([*lines, "USER nonroot", 'ENTRYPOINT ["python3", "-m", "simulator"]', "CMD []"])


def context(profile: Profile | None, tag: str) -> dict[str, bytes]:
    """The files that go in, by path. Model and version are noise of a fixed seed: layers of some size that no compression hides."""
    files = {f"src/{path.relative_to(HERE / 'src')}": path.read_bytes() for path in sorted((HERE / "src").rglob("*.py"))}
    files["certificate"] = ca.ca_certificate().read_bytes()
    if profile:
        files["model/model.bin"] = random.Random(profile.layer).randbytes(MODEL_BYTES)
        files["version/model-update.bin"] = random.Random(f"{profile.layer} {tag}").randbytes(VERSION_BYTES)
        files["version/image.json"] = json.dumps({"family": profile.family, "version": tag}).encode()
    return files


def pack(files: dict[str, bytes]) -> bytes:
    """A tar archive that depends on the files alone, so that the engine's cache holds from one machine's build to the next."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def present(names: list[str]) -> dict[str, tuple[str, str]]:
    """The ID and input hash of each image that the engine holds."""
    form = "{{range .RepoTags}}{{.}} {{end}}|{{.Id}} {{with .Config.Labels}}{{index . " + json.dumps(LABEL) + "}}{{end}}"
    answer = subprocess.run(["docker", "image", "inspect", "--format", form, *names], capture_output=True, text=True, check=False)
    found = {}
    for line in answer.stdout.splitlines():
        tags, _bar, rest = line.partition("|")
        identity, _blank, label = rest.partition(" ")
        found.update(dict.fromkeys(tags.split(), (identity, label)))
    return found


def build(name: str, inputs: str, profile: Profile | None, files: dict[str, bytes], steps: str) -> None:
    labels = {LABEL: inputs, **({"airgap.cognitive.family": profile.family} if profile else {})}
    command = ["docker", "build", "--quiet", "--network", "none", "--tag", name, *(f"--label={key}={value}" for key, value in labels.items()), "-"]
    archive = pack({"Dockerfile": steps.encode(), **files})
    done = subprocess.run(command, input=archive, capture_output=True, check=False, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    if done.returncode:
        raise SystemExit(f"simulator: building {name} failed: {done.stderr.decode(errors='replace').strip()[-2000:]}")
    print(f"simulator: built {name}", file=sys.stderr, flush=True)


def base_image() -> str:
    done = subprocess.run([HERE.parent / "setup" / "base-image.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout.split()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--family", action="append", choices=sorted(PROFILES), help="Only this family, and billing; may be given again.")
    parser.add_argument("--base", help="Image to build upon; by default the one that tests/setup/base-image.sh makes.")
    arguments = parser.parse_args()
    base = arguments.base or base_image()
    families = arguments.family or list(PROFILES)
    images: list[tuple[str, Profile | None, str]] = [(BILLING, None, "")]
    images += [(f"{PROFILES[family].repository}:{tag}", PROFILES[family], tag) for family in families for tag in TAGS[family]]
    # One build at a time on a machine: the images of all checkouts have the same names.
    with (ca.ca_certificate().parent.parent / "simulator-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        held = present([name for name, _profile, _tag in images])
        for name, profile, tag in images:
            files, steps = context(profile, tag), dockerfile(base, profile)
            inputs = hashlib.sha256(pack(files) + f"{steps}\n{RECIPE}".encode()).hexdigest()[:16]
            identity, label = held.get(name, ("", ""))
            if label != inputs:
                build(name, inputs, profile, files, steps)
                if identity:
                    # What it replaces, unless something still runs from it or names it.
                    subprocess.run(["docker", "image", "rm", identity], capture_output=True, check=False)
            print(name)


if __name__ == "__main__":
    main()
