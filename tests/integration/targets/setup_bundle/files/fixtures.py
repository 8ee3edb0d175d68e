#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make in DIRECTORY what the tests of bundles need, small and never the same twice; say on standard output what there is.

Two versions of an image of two layers, of which the first is shared; an image of another content with the name of the second to come;
a license of version 1 with its record; a signing key, a stranger's key, and who may sign.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path


def call(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def build(context: Path, name: str, content: bytes) -> dict[str, object]:
    (context / "top").write_bytes(content)
    call("docker", "build", "--quiet", "--network", "none", "--tag", name, str(context))
    found = json.loads(call("docker", "image", "inspect", name))[0]
    return {"name": name, "id": found["Id"], "diff_ids": found["RootFS"]["Layers"]}


def write_license(root: Path, image: dict[str, object]) -> None:
    files = {"license.dat": os.urandom(600), "deep/er/key": b"opaque\x00bytes\n", "empty": b""}
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    record = {
        "family": "sentiment",
        "tag": "1",
        "image": image["name"],
        "image_id": image["id"],
        "diff_ids": image["diff_ids"],
        "repo_digests": [],
        "downloaded": "2026-11-24T22:00:00Z",
        "ends": "2027-03-31",
        "files": {path: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} for path, content in files.items()},
    }
    Path(f"{root}.json").write_text(json.dumps(record), encoding="utf-8")


def main(directory: Path) -> None:
    repository = "airgap-cognitive-test/" + os.urandom(6).hex()
    context = directory / "context"
    context.mkdir()
    (context / "base").write_bytes(os.urandom(400_000))
    (context / "Dockerfile").write_text('FROM scratch\nCOPY base /base\nCOPY top /top\nCMD ["/top"]\n', encoding="utf-8")
    images = [build(context, f"{repository}:{version}", f"version {version}\n".encode() * 500) for version in (1, 2)]
    write_license(directory / "license", images[0])
    for key in ("key", "stranger"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(directory / key))
        public = (directory / f"{key}.pub").read_text(encoding="utf-8").strip()
        (directory / f"signers-{key}").write_text(f'{key}@example.com namespaces="airgap.cognitive.bundle" {public}\n', encoding="utf-8")
    print(json.dumps({"dir": str(directory), "repository": repository, "one": images[0], "two": images[1]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
