#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts and stops a simulated billing endpoint.

    billing.py start --name NAME --network NETWORK --resources FILE [--http]
    billing.py stop --name NAME

FILE (0600 is right) holds C({"resources": [{"endpoint": "https://HOST", "api_key": "...", "families": ["sentiment"], "days": 365}]}). Within NETWORK
each HOST of an endpoint is the name of this container, and its certificate is good for each. Keys are in FILE alone: it is mounted, never passed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import ca

IMAGE = "airgap-cognitive/billing:latest"


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"billing: docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout + done.stderr


def start(name: str, network: str, resources: Path, http: bool) -> None:
    stop(name)
    entries = json.loads(resources.read_text())["resources"]
    hosts = sorted({str(urllib.parse.urlsplit(entry["endpoint"]).hostname) for entry in entries})
    mounts = [f"{resources.resolve()}:/resources.json:ro"]
    if not http:
        directory = _tls_directory(name)
        directory.mkdir(parents=True, mode=0o700)
        ca.server_certificate(hosts, directory / "server.pem")
        mounts.append(f"{directory}:/tls:ro")
    # As the owner of the files, so that they need to be readable for nobody else.
    owner = resources.stat()
    docker(
        *("run", "--detach", "--name", name, "--network", network, "--user", f"{owner.st_uid}:{owner.st_gid}", "--restart", "no"),
        *(f"--network-alias={host}" for host in hosts),
        *(f"--volume={mount}" for mount in mounts),
        IMAGE,
    )
    for _attempt in range(100):
        log = docker("logs", name, check=False)
        if "billing endpoint over" in log:
            print(name)
            return
        if docker("inspect", "--format", "{{.State.Running}}", name).strip() != "true":
            break
        time.sleep(0.1)
    stop(name)
    raise SystemExit(f"billing: {name} did not start: {log.strip()[-500:]}")


def stop(name: str) -> None:
    docker("rm", "--force", name, check=False)
    shutil.rmtree(_tls_directory(name), ignore_errors=True)


def _tls_directory(name: str) -> Path:
    return ca.CACHE / "simulator-tls" / name


def main() -> None:
    os.umask(0o077)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    starting = actions.add_parser("start")
    starting.add_argument("--network", required=True)
    starting.add_argument("--resources", required=True, type=Path)
    starting.add_argument("--http", action="store_true", help="Serve over HTTP instead of HTTPS.")
    for action in (starting, actions.add_parser("stop")):
        action.add_argument("--name", required=True)
    arguments = parser.parse_args()
    if arguments.action == "start":
        start(arguments.name, arguments.network, arguments.resources, arguments.http)
    else:
        stop(arguments.name)


if __name__ == "__main__":
    main()
