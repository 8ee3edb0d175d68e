#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes every license anew and deploys them, at -vvv, and looks for the keys everywhere but where they belong.

Looked through: the output of those runs, the command lines of all processes while they ran, here and inside the hosts, the bundle and the staging
directory, the temporary directory, the engine's containers, and on each host its containers, its services' directories and its logs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import fleet

CHECKOUT = Path(__file__).resolve().parents[2]
DEMO = CHECKOUT / ".build" / "demo"
PLAY = CHECKOUT / ".build" / "venv" / "bin" / "ansible-playbook"
# What must have been seen, or the watch proves nothing: the run itself and, for each host, a process inside it with a number that none out here has.
RUNS = {"export": [b"ansible-playbook", b"DownloadLicense=True"], "site": [b"ansible-playbook"]}
MARKS = {host: (f"sleep 0.$((5000 + {number}))", f"sleep\x000.{5000 + number}".encode()) for number, host in enumerate(fleet.HOSTS)}
ON_HOST = "docker ps --all --quiet | xargs --no-run-if-empty docker inspect; cat /var/log/*.log; grep --recursive '' /var/lib/cognitive /root /tmp"


def command_lines(stop: threading.Event, seen: set[bytes]) -> None:
    """Collect the command line of every process until told to stop."""
    while not stop.wait(0.02):
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(process.read_bytes())
            except OSError:
                continue


def watched(playbook: str) -> tuple[bytes, set[bytes]]:
    """The output of a run of C(playbook), and the command lines of all processes meanwhile. Those inside the hosts are processes of this machine, too."""
    stop, seen = threading.Event(), set[bytes]()
    watcher = threading.Thread(target=command_lines, args=(stop, seen))
    watcher.start()
    try:
        for host, (script, _mark) in MARKS.items():
            output_of("docker", "exec", host.container, "sh", "-c", script)
        output = output_of(str(PLAY), "-vvv", "--diff", str(CHECKOUT / "playbooks" / f"{playbook}.yml"), "--extra-vars", "cognitive_renew=true")
    finally:
        stop.set()
        watcher.join()
    return output, seen


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
    runs = {name: watched(name) for name in RUNS}
    for name, (output, seen) in runs.items():
        if b"failed=0" not in output or b"unreachable=1" in output or not re.search(rb" changed=[1-9]", output):
            print(output.decode(errors="replace")[-3000:])
            return 1
        unseen = [word for word in [*RUNS[name], *(mark for _script, mark in MARKS.values())] if not any(word in line for line in seen)]
        if unseen:
            print(f"leaks: no process with {unseen} was seen while {name} ran, so nothing is proved.")
            return 1
    places = {
        **{f"the output of {name} at -vvv": output for name, (output, _seen) in runs.items()},
        **{f"a command line while {name} ran": b"\n".join(seen) for name, (_output, seen) in runs.items()},
        "the bundle": files_below(DEMO / "bundle"),
        "the staging directory": files_below(DEMO / "staging"),
        "the usage ledger and the report": files_below(DEMO / "usage") + files_below(DEMO / "report"),
        "the temporary directories of Ansible": files_below(Path.home() / ".ansible" / "tmp"),
        "the engine's containers": output_of("sh", "-c", "docker ps --all --quiet | xargs --no-run-if-empty docker inspect"),
    }
    for host in fleet.HOSTS:
        places[host.name] = output_of("docker", "exec", host.container, "sh", "-c", ON_HOST)
        if b'"Config"' not in places[host.name] or b"level=info" not in places[host.name]:
            print(f"leaks: nothing could be read on {host.name}, so nothing is proved.")
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
    print(f"leaks: {len(keys)} keys, {len(places)} places, {sum(len(seen) for _output, seen in runs.values())} command lines; a key was found in {len(found)}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
