#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gives the playbooks what users give them by mistake, and looks at what they say and what they leave.

    refusals.py [CASE ...]      (without a word: all)

Each case runs a real playbook with the demo's inventory and some changes to it, on copies of the demo's bundle and staging directory. The run must end
with an error, say one whole sentence and nothing of a traceback, and change neither the copies nor the host.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "fleet")]

import cases
import fleet
import run

DEMO = CHECKOUT / ".build" / "demo"
WORK = CHECKOUT / ".build" / "refusals"
HOST = next(host for host in fleet.HOSTS if host.name == cases.HOST)
LONGEST = 300
# What Ansible shows of each failed task.
ERROR = re.compile(r"^\[ERROR\]: (?:Task failed: )?(?:(?:Module|Action) failed: )?(.*?)\n(?:Origin: |\n|\Z)", re.MULTILINE | re.DOTALL)
NOBODY_WANTS = ("Traceback", "MODULE FAILURE", "defect of airgap.cognitive", "VARIABLE IS NOT DEFINED", "AnsibleUndefined")
STATE = r"""
docker ps --all --no-trunc --format 'container {{.ID}} {{.Names}} {{.Image}}'
docker images --all --no-trunc --format 'image {{.ID}} {{.Repository}}:{{.Tag}}'
docker network ls --format 'network {{.Name}}'
find /var/lib/cognitive -printf 'path %p %y %m %U:%G\n' 2>/dev/null
find /var/lib/cognitive -type f -exec sha256sum {} + 2>/dev/null
true
"""


def on_host(script: str) -> str:
    """What a shell on the host prints; a script that fails ends the test."""
    done = subprocess.run(["docker", "exec", HOST.container, "sh", "-c", script], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"refusals: on {HOST.name}: {script.strip()!r} failed: {done.stderr.strip()}")
    return done.stdout


def host_state() -> set[str]:
    """A line for each container, image, network and file of the services."""
    return set(on_host(STATE).splitlines())


def files_state(path: Path) -> set[str]:
    """A line for each file and directory below C(path)."""
    found = set()
    for entry in path.rglob("*"):
        status = entry.lstat()
        content = hashlib.sha256(entry.read_bytes()).hexdigest() if entry.is_file() else "-"
        found.add(f"{entry.relative_to(path)} {content} {status.st_mode:o} {status.st_uid}:{status.st_gid}")
    return found


def play(case: cases.Case, place: Path, playbook: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook as the user of C(case) would."""
    services = {host.name: {"cognitive_services": case.services if host is HOST else []} for host in fleet.HOSTS}
    variables = {
        "cognitive_bundle_dir": str(place / "bundle"),
        "cognitive_staging_dir": str(place / "staging"),
        "cognitive_series_record": str(place / "series.json"),
        "cognitive_receipt_dir": str(place / "receipts"),
        **{key: value.format(place=place) if isinstance(value, str) else value for key, value in case.variables.items()},
    }
    # JSON is YAML. Keys are on no command line.
    (place / "inventory.yml").write_text(json.dumps({"fleet": {"hosts": services}}))
    (place / "variables.yml").write_text(json.dumps(variables))
    command = ["ansible-playbook", "--inventory", str(DEMO / "inventory"), "--inventory", str(place / "inventory.yml")]
    command += ["--extra-vars", f"@{place / 'variables.yml'}", "--limit", f"connected,{HOST.name}", str(CHECKOUT / "playbooks" / f"{playbook}.yml")]
    environment = {**run.environment(), **case.environment}
    command[0] = str(run.BIN / command[0])
    return subprocess.run(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST, check=False
    )


def prepare(case: cases.Case) -> Path:
    """A directory with copies of the demo's bundle (links, which nothing may write through) and staging directory, spoilt as the case says."""
    place = WORK / re.sub("[^a-z]+", "-", case.name)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(DEMO / "bundle", place / "bundle", copy_function=os.link)
    # With owners, which count for a license.
    subprocess.run(["cp", "--archive", DEMO / "staging", place / "staging"], check=True)
    case.spoil(place)
    if case.export_first:
        exported = play(case, place, "export")
        if exported.returncode:
            sys.exit(f"refusals: {case.name}: the export before it failed:\n{exported.stdout}")
    return place


def judge(case: cases.Case, output: str, code: int) -> list[str]:
    """What is wrong with how a run ended and what it said."""
    wrong = [f"it shows {text!r}" for text in NOBODY_WANTS if text in output]
    if code == 0:
        wrong.append("it ended as if all were well")
    said = [" ".join(sentence.split()) for sentence in ERROR.findall(output)]
    if len(said) != 1 or not re.fullmatch(case.says, said[0]):
        wrong.append(f"it says {said} and should say one sentence: {case.says}")
    if case.shows and not re.search(case.shows, " ".join(output.split())):
        wrong.append(f"it does not show {case.shows}")
    return wrong


def refuse(case: cases.Case) -> list[str]:
    """Run one case; what is wrong with it."""
    place = prepare(case)
    before = files_state(place / "bundle") | files_state(place / "staging"), host_state()
    try:
        if case.on_host:
            on_host(case.on_host)
        done = play(case, place, case.playbook)
    finally:
        if case.on_host_after:
            on_host(case.on_host_after)
            fleet.wait_for(HOST)
    after = files_state(place / "bundle") | files_state(place / "staging"), host_state()
    wrong = judge(case, done.stdout, done.returncode)
    wrong += [f"on the controller, it changed {line}" for line in sorted(before[0] ^ after[0])]
    # What is deployed before its license is refused is there to be looked at; all else is as it was.
    changed = {line for line in before[1] ^ after[1] if not (case.deploys and cases.OWN.search(line))}
    wrong += [f"on {HOST.name}, it changed {line}" for line in sorted(changed)]
    if wrong:
        (place / "output").write_text(done.stdout)
        wrong.append(f"the whole output is in {place / 'output'}")
    else:
        shutil.rmtree(place)
    return wrong


def clean() -> None:
    """Take away what the cases deploy."""
    on_host(cases.CLEAN)


def main(names: list[str]) -> int:
    """Run the cases that are named, or all."""
    chosen = [case for case in cases.CASES if not names or case.name in names]
    if not chosen:
        sys.exit(f"refusals: there is no such case; there are {', '.join(case.name for case in cases.CASES)}.")
    WORK.mkdir(parents=True, exist_ok=True, mode=0o700)
    export = [str(run.BIN / "ansible-playbook"), str(CHECKOUT / "playbooks" / "export.yml")]
    first = subprocess.run(export, cwd=CHECKOUT, env=run.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if first.returncode:
        sys.exit(f"refusals: the demo cannot be exported:\n{first.stdout}{first.stderr}")
    clean()
    with cases.billing(WORK), concurrent.futures.ThreadPoolExecutor(2) as pool:
        # What leaves the host as it is may run side by side.
        quiet = {case.name: pool.submit(refuse, case) for case in chosen if not (case.on_host or case.deploys)}
        found = {name: future.result() for name, future in quiet.items()}
        try:
            found.update({case.name: refuse(case) for case in chosen if case.name not in quiet})
        finally:
            clean()
    for name, wrong in found.items():
        print(f"{'FAILED' if wrong else 'ok':<8} {name}")
        for line in wrong:
            print(f"         {line}")
    failed = sum(bool(wrong) for wrong in found.values())
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
