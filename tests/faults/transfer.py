#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Breaks exports and pushes on their way, and looks at what is left and at whether the next run ends well.

    transfer.py [CASE ...]      (without a word: all)

A push goes to a host of the demo's fleet over SSH, from a bundle with one image of one large layer. What breaks it is real: a kill without warning, an
end of the SSH session, a file system without room. After each break the host must hold neither the image nor a name of passage, and the push that
follows must bring the image at the cost of no more than one block.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "fleet")]

import fleet
import run

WORK = CHECKOUT / ".build" / "transfer"
BUNDLE = WORK / "bundle"
KEY = CHECKOUT / ".build" / "demo" / "signing-key"
HOST = fleet.HOSTS[1]
SPOOL = "/var/lib/cognitive-transfer/spool"
IMAGE = "airgap-cognitive-test/transfer:1"
SIZE = 256 << 20
BLOCK = 32 << 20
LONGEST = 300


class Broken(Exception):
    """What was not as it should be."""


def expect(truth: object, what: str) -> None:
    """Unlike an assertion, this is there in every Python."""
    if not truth:
        raise Broken(what)


def on_host(script: str) -> str:
    """What a shell on the host prints."""
    command = ["docker", "exec", HOST.container, "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.strip()


def start(host: str, module: str, arguments: dict[str, t.Any]) -> subprocess.Popen[str]:
    """A module, run by Ansible in a session of its own."""
    command = [str(run.BIN / "ansible"), host, "--module-name", f"airgap.cognitive.{module}", "--args", json.dumps(arguments)]
    inventory = ["--inventory", str(CHECKOUT / ".build" / "demo" / "inventory")]
    environment = {**run.environment(), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    return subprocess.Popen(
        command + inventory, cwd=WORK, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> dict[str, t.Any]:
    """What it answered."""
    output, _errors = process.communicate(timeout=LONGEST)
    expect("Traceback" not in output, f"it shows a traceback: {output[-1500:]}")
    start_ = output.find("=> {")
    expect(start_ >= 0, f"it does not answer: {output[-1500:]}")
    answer, _end = json.JSONDecoder().raw_decode(output[start_ + 3 :])
    return {**answer, "failed": "FAILED!" in output[:start_] or "UNREACHABLE!" in output[:start_]}


def push() -> subprocess.Popen[str]:
    """A push to the host."""
    return start(HOST.name, "image_push", {"bundle": str(BUNDLE), "images": [IMAGE], "spool": SPOOL})


def export(path: Path) -> subprocess.Popen[str]:
    """An export of the image."""
    image = {"name": IMAGE, "family": "sentiment", "tag": "1"}
    return start("staging", "bundle_export", {"path": str(path), "signing_key": str(KEY), "images": [image]})


def descendants(pid: int) -> list[int]:
    """All that a process started and that still runs; Ansible's workers have sessions of their own."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
    return children + [further for child in children for further in descendants(child)]


def kill(process: subprocess.Popen[str]) -> None:
    """End it and all that it started, without warning."""
    for pid in [process.pid, *descendants(process.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def arrived() -> int:
    """How many bytes lie in the spool."""
    return int(on_host(f"cat {SPOOL}/incoming/* {SPOOL}/blobs/* 2>/dev/null | wc -c"))


def wait_for(what: str, look: t.Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until C(look) finds something, while C(process) is at work."""
    until = time.monotonic() + LONGEST
    while not look():
        expect(process.poll() is None, f"it ended before {what}")
        expect(time.monotonic() < until, f"{what} never came")
        time.sleep(0.02)


def expect_nothing_loaded() -> None:
    """The engine does not show what was not loaded whole."""
    expect(not on_host(f"docker image ls --quiet {IMAGE}; docker image ls --quiet airgap-cognitive/rung"), "the host holds the image")


def expect_ends_well(most: int) -> None:
    """The next push loads the image and sends at most C(most) bytes."""
    answer = finish(push())
    expect(answer.get("changed") and not answer["failed"], f"the next push did not end well: {answer.get('msg')}")
    expect(answer["sent_bytes"] <= most, f"the next push sent {answer['sent_bytes']} bytes, and {most} would do")
    expect(on_host(f"docker image ls --quiet {IMAGE}"), "the next push did not load the image")
    expect(not on_host("docker image ls --quiet airgap-cognitive/arriving"), "a name of passage is left")
    expect(arrived() == 0, "the spool is not empty")
    again = finish(push())
    expect(not again["changed"] and again["sent_bytes"] == 0, "a push of what is there changed something")


def controller_killed(share: float) -> None:
    """The controller is killed when C(share) of the layer is there."""
    process = push()
    wait_for("its share", lambda: arrived() >= share * SIZE, process)
    kill(process)
    # What was under way when the controller died still arrives.
    before = -1
    while before != arrived():
        before = arrived()
        time.sleep(0.5)
    expect_nothing_loaded()
    # A block that was cut within is sent again, and so is what is no whole unit of it.
    expect_ends_well(layer_size() - before + BLOCK)


def connection_cut() -> None:
    """The SSH sessions of the host end in the middle."""
    process = push()
    wait_for("half of it", lambda: arrived() >= SIZE // 2, process)
    # A session that ends between two blocks is opened anew, and nobody notices.
    cutting = "until [ -e /tmp/enough ]; do for one in $(pgrep -f '^sshd-session: |^sshd: .*@'); do kill -9 $one; done; sleep 0.02; done; rm /tmp/enough"
    with subprocess.Popen(["docker", "exec", HOST.container, "sh", "-c", cutting], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        answer = finish(process)
        on_host("touch /tmp/enough")
    expect(answer["failed"], "the push did not notice that it was cut off")
    expect_nothing_loaded()
    expect_ends_well(layer_size() - arrived() + BLOCK)


def module_killed_while_loading() -> None:
    """The host's half is killed while the engine reads its archive."""
    process = push()
    # A blob that was found to be right lies there from then on until the engine has it.
    on_host(f"until ls {SPOOL}/blobs/* >/dev/null 2>&1; do sleep 0.01; done; for one in $(pgrep -f '^/usr/bin/python3'); do kill -9 $one; done")
    answer = finish(process)
    expect(answer["failed"], "the push did not notice that its module was killed")
    expect(not on_host(f"docker image ls --quiet {IMAGE}"), "the host holds the image")
    expect_ends_well(0)


def spool_full() -> None:
    """The file system of the spool fills up in the middle."""
    on_host(f"mkdir -p {SPOOL} && mount -t tmpfs -o size={(SIZE >> 20) + 40}m tmpfs {SPOOL}")
    try:
        process = push()
        wait_for("a third of it", lambda: arrived() >= SIZE // 3, process)
        on_host(f"head -c {SIZE // 2} /dev/zero > {SPOOL}/in-the-way; true")
        answer = finish(process)
        expect(answer["failed"] and "No space left on device" in answer["msg"], f"it says: {answer.get('msg')}")
        expect_nothing_loaded()
        refused = finish(push())
        expect(refused["failed"] and "make room, then run again" in refused["msg"], f"it says: {refused.get('msg')}")
        on_host(f"rm {SPOOL}/in-the-way")
        expect_ends_well(layer_size() - arrived() + BLOCK)
    finally:
        on_host(f"umount {SPOOL}")


def controller_full() -> None:
    """The file system of the bundle has too little room for an export; the bundle that is there stays."""
    place = WORK / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=True)
    try:
        answer = finish(export(place / "bundle"))
        expect(answer["failed"] and "No room is left" in answer["msg"], f"it says: {answer.get('msg')}")
        expect(not any(place.iterdir()), f"it left {[entry.name for entry in place.iterdir()]}")
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()


def export_killed() -> None:
    """An export is killed while it packs; the next one ends well, and another one at the same time is refused."""
    place = WORK / "killed"
    process = export(place)
    workspace = WORK / ".killed.export"
    wait_for("a part of a blob", lambda: workspace.is_dir() and any(entry.stat().st_size > BLOCK for entry in workspace.iterdir()), process)
    for pid in descendants(process.pid):
        os.kill(pid, signal.SIGSTOP)
    other = finish(export(place))
    expect(other["failed"] and "Another export is writing into" in other["msg"], f"it says: {other.get('msg')}")
    kill(process)
    expect(not (place / "bundle.json").exists(), "half a bundle is there")
    answer = finish(export(place))
    expect(answer.get("changed"), f"the next export did not end well: {answer.get('msg')}")
    expect(not workspace.exists(), "what the killed export left is still there")


def layer_size() -> int:
    """Size of the one large blob."""
    return max(file.stat().st_size for file in (BUNDLE / "blobs" / "sha256").iterdir())


CASES: dict[str, t.Callable[[], None]] = {
    "controller killed at 10 %": lambda: controller_killed(0.1),
    "controller killed at 50 %": lambda: controller_killed(0.5),
    "controller killed at 90 %": lambda: controller_killed(0.9),
    "connection cut": connection_cut,
    "module killed while loading": module_killed_while_loading,
    "spool full": spool_full,
    "controller full": controller_full,
    "export killed": export_killed,
}


def prepare() -> None:
    """The image, in this machine's engine and in a bundle."""
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "tree").mkdir(parents=True)
    # What zstd cannot make smaller crosses as it is.
    with (WORK / "tree" / "noise").open("wb") as target:
        for _megabyte in range(SIZE >> 20):
            target.write(os.urandom(1 << 20))
    packed = subprocess.Popen(["tar", "-C", WORK / "tree", "-c", "noise"], stdout=subprocess.PIPE)
    subprocess.run(["docker", "import", "-", IMAGE], stdin=packed.stdout, stdout=subprocess.DEVNULL, check=True)
    expect(packed.wait() == 0, "tar failed")
    shutil.rmtree(WORK / "tree")
    answer = finish(export(BUNDLE))
    expect(answer.get("changed"), f"the bundle could not be made: {answer.get('msg')}")


def clean() -> None:
    """Take it all away."""
    subprocess.run(["docker", "image", "rm", "--force", IMAGE], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    on_host(f"docker image rm --force {IMAGE} >/dev/null 2>&1; rm -rf {Path(SPOOL).parent}")
    shutil.rmtree(WORK, ignore_errors=True)


def main(names: list[str]) -> int:
    """Run the cases that are named, or all."""
    unknown = sorted(set(names) - CASES.keys())
    if unknown:
        print(f"transfer: there is no case {', '.join(unknown)}; there are {', '.join(CASES)}.")
        return 2
    failed = 0
    try:
        try:
            prepare()
        except Broken as broken:
            print(f"FAILED  the set-up: {broken}\n0 passed, 1 failed")
            return 1
        for name in names or CASES:
            on_host(f"docker image rm --force {IMAGE} >/dev/null 2>&1; rm -rf {SPOOL}/*; true")
            began = time.monotonic()
            try:
                CASES[name]()
                print(f"ok      {name} ({time.monotonic() - began:.0f} s)", flush=True)
            except Broken as broken:
                failed += 1
                print(f"FAILED  {name}: {broken}", flush=True)
    finally:
        clean()
    count = len(names or CASES)
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
