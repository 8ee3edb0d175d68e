#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every situation that an archive can meet, on real engines of each kind, with the code of a push that hosts run.

    matrix.py [WORD ...]    all situations, or those whose title has a word

Makes a nested host for each kind of engine, runs the situations on it with the host's own Python, removes the host,
and ends with a table and one line that counts.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fleet"))

import fleet

HERE = Path(__file__).resolve().parent
PLACE = "/opt/matrix"
COLLECTION = f"{PLACE}/ansible_collections/airgap/cognitive/plugins"
NEWER = "newer"
HOSTS = (
    fleet.Host("matrix-12-classic", "12", "classic"),
    fleet.Host("matrix-13-classic", "13", "classic"),
    fleet.Host("matrix-13-containerd", "13", "containerd"),
    fleet.Host("matrix-newer-classic", NEWER, "classic"),
    fleet.Host("matrix-newer-containerd", NEWER, "containerd"),
)
PATIENCE = 1800


class Column(t.NamedTuple):
    """What came of one engine: its name, and by title the verdict."""

    engine: str
    verdicts: dict[str, dict[str, t.Any]]
    problem: str


def examine(host: fleet.Host, image: str, public_key: str, words: list[str]) -> Column:
    """Make the host, run the situations, remove the host."""
    engine = f"{host.release} {host.store}"
    try:
        # What a killed run left may be in the middle of a situation.
        fleet.remove(host)
        fleet.bring_up(host, image, public_key)
        version = fleet.docker("exec", host.container, "docker", "version", "--format", "{{.Server.Version}}").stdout
        engine = f"{'.'.join(version.split('.')[:2])} {host.store}"
        fleet.docker("exec", host.container, "mkdir", "-p", COLLECTION)
        fleet.docker("cp", str(fleet.CHECKOUT / "plugins" / "module_utils"), f"{host.container}:{COLLECTION}/module_utils")
        for name in ("matrix_host.py", "matrix_situations.py", "matrix_troubles.py"):
            fleet.docker("cp", str(HERE / name), f"{host.container}:{PLACE}/{name}")
        return Column(engine, *situations(host, engine, words))
    except (fleet.FleetError, subprocess.TimeoutExpired) as error:
        return Column(engine, {}, str(error))
    finally:
        fleet.remove(host)


def situations(host: fleet.Host, engine: str, words: list[str]) -> tuple[dict[str, dict[str, t.Any]], str]:
    """By title what the host said of each, and what it said when it did not end as it should."""
    environment = ["--env", f"PYTHONPATH={PLACE}", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    command = ["docker", "exec", *environment, host.container, "python3", f"{PLACE}/matrix_situations.py", *words]
    verdicts = {}
    with subprocess.Popen(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            errors = pool.submit(process.stderr.read)
            for line in process.stdout:
                found = json.loads(line)
                verdicts[found["title"]] = found
                print(f"{engine:<18} {found['verdict']:<7} {found['seconds']:>6} s  {found['title']}  {found['detail']}", flush=True)
            said = errors.result()
    wanted_code = 1 if any(found["verdict"] == "failed" for found in verdicts.values()) else 0
    return verdicts, said.strip() if process.returncode != wanted_code or wanted_code or not verdicts else ""


def table(columns: list[Column]) -> tuple[int, int]:
    """Print it; how many passed and how many failed."""
    titles = list(dict.fromkeys(title for column in columns for title in column.verdicts))
    width = max([len(title) for title in titles] or [0])
    print("\n" + " " * width + "".join(f"  {column.engine:>16}" for column in columns))
    passed = failed = 0
    for title in titles:
        # A host that broke off before it came to this says nothing of it, and that is no success.
        verdicts = [column.verdicts.get(title, {"verdict": "failed"})["verdict"] for column in columns]
        passed += verdicts.count("passed")
        failed += verdicts.count("failed")
        print(f"{title:<{width}}" + "".join(f"  {verdict:>16}" for verdict in verdicts))
    return passed, failed


def main(words: list[str]) -> int:
    """All engines, as many at once as there are cores."""
    try:
        with fleet.lock():
            images = {**{release: fleet.host_image(release) for release in fleet.RELEASES}, NEWER: fleet.newer_host_image()}
            public_key = fleet.ensure_key()
            fleet.ensure_network(fleet.NETWORK)
    except fleet.FleetError as error:
        print(f"matrix: {error}\n0 passed, 1 failed")
        return 1
    with concurrent.futures.ThreadPoolExecutor(min(len(HOSTS), os.cpu_count() or 1)) as pool:
        columns = list(pool.map(lambda host: examine(host, images[host.release], public_key, words), HOSTS))
    for column in columns:
        if column.problem:
            print(f"\n{column.engine}:\n{column.problem}")
    passed, failed = table(columns)
    failed += sum(not column.verdicts for column in columns)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
