#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes every license anew at -vvv, and looks for the keys everywhere but where they belong.

Looked through: the output of that run, the command lines of all processes while it ran, the bundle and the staging directory, the temporary
directory, the engine's containers, and on each host its containers, its services' directories and its logs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DEMO = CHECKOUT / ".build" / "demo"
PLAY = CHECKOUT / ".build" / "venv" / "bin" / "ansible-playbook"
ON_HOST = "docker ps --all --quiet | xargs --no-run-if-empty docker inspect; cat /var/log/*.log; grep --recursive '' /var/lib/cognitive /root /tmp"


def command_lines(stop: threading.Event, seen: set[bytes]) -> None:
    """Collect the command line of every process until told to stop."""
    while not stop.wait(0.02):
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(process.read_bytes())
            except OSError:
                continue


def output_of(*command: str) -> bytes:
    """All that a command prints."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout


def files_below(path: Path) -> bytes:
    """The content of all files below C(path) that are not too large to be of interest."""
    found = b""
    for directory, _directories, names in os.walk(path):
        for name in names:
            file = Path(directory) / name
            if file.is_file() and not file.is_symlink() and file.stat().st_size < 16 << 20:
                found += file.read_bytes()
    return found


def main() -> int:
    """Run and look."""
    keys = [entry["api_key"].encode() for entry in json.loads((DEMO / "resources.json").read_text())["resources"]]
    stop, seen = threading.Event(), set[bytes]()
    watcher = threading.Thread(target=command_lines, args=(stop, seen))
    watcher.start()
    run = output_of(str(PLAY), "-vvv", "--diff", str(CHECKOUT / "playbooks" / "export.yml"), "--extra-vars", "cognitive_renew=true")
    stop.set()
    watcher.join()
    if b"failed=0" not in run or b"changed=0" in run:
        print(run.decode(errors="replace")[-3000:])
        return 1
    if not any(b"license_download" in line or b"ansible-playbook" in line for line in seen):
        print("leaks: the processes of the run were not seen, so nothing is proved.")
        return 1
    places = {
        "the output at -vvv": run,
        "a command line": b"\n".join(seen),
        "the bundle": files_below(DEMO / "bundle"),
        "the staging directory": files_below(DEMO / "staging"),
        "the usage ledger and the report": files_below(DEMO / "usage") + files_below(DEMO / "report"),
        "the temporary directories of Ansible": files_below(Path.home() / ".ansible" / "tmp"),
        "the engine's containers": output_of("sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker inspect"),
    }
    for name, host in json.loads(output_of(sys.executable, str(CHECKOUT / "tests" / "fleet" / "fleet.py"), "status"))["hosts"].items():
        places[name] = output_of("docker", "exec", host["container"], "sh", "-c", ON_HOST)
        if b'"Config"' not in places[name] and b"level=info" not in places[name]:
            print(f"leaks: nothing could be read on {name}, so nothing is proved.")
            return 1
    found = [place for place, content in places.items() if any(key in content for key in keys)]
    for place in found:
        print(f"leaks: a key is in {place}.")
    # That the search finds what is there.
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "sample").write_bytes(b"x" + keys[0] + b"y")
        if keys[0] not in files_below(Path(directory)):
            print("leaks: the search does not find a key that is there.")
            return 1
    print(f"leaks: {len(keys)} keys, {len(places)} places, {len(seen)} command lines; a key was found in {len(found)}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
