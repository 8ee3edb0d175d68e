#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the tests and checks, all or the parts that are named, and ends with a table and one line that counts them.

    run.py [PART ...]      parts: lint unit artifact simulator fleet integration matrix leaks refusals transfer loop readme scenario-NAME (without a word: all)

Each part prints into .build/test/PART.log; what failed is shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BUILD = CHECKOUT / ".build"
LOGS = BUILD / "test"
BIN = BUILD / "venv" / "bin"
TARGETS = CHECKOUT / "tests" / "integration" / "targets"
SHOWN_OF_A_FAILURE = 60
_PYTEST = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


class Check(t.NamedTuple):
    """One command; C(counts) where its output says how many tests it ran."""

    part: str
    name: str
    command: list[str]
    counts: bool = False


class Outcome(t.NamedTuple):
    """What came of a check."""

    check: Check
    passed: int
    failed: int
    seconds: float


def python(*arguments: str) -> list[str]:
    """A command of the virtual environment's Python."""
    return [str(BIN / "python"), *arguments]


def checks() -> list[Check]:
    """All of them, the quick ones first."""
    shell = [str(path) for path in sorted(CHECKOUT.glob("tests/**/*.sh"))] + [".ci/run", "tests/fleet/image/host", "tests/fleet/image/engine"]
    found = [
        Check("lint", "ruff", python("-m", "ruff", "check", ".")),
        Check("lint", "yamllint", python("-m", "yamllint", "--strict", ".")),
        Check("lint", "ansible-lint", [str(BIN / "ansible-lint"), "--offline"]),
        Check("lint", "shellcheck", [str(BIN / "shellcheck"), "--severity=warning", *shell]),
        Check("unit", "controller's Python", python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit"), counts=True),
    ]
    oldest = BUILD / "oldest" / "bin" / "python"
    if oldest.exists():
        command = [str(oldest), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/plugins/module_utils"]
        found.append(Check("unit", "oldest Python of a host", command, counts=True))
    found += [
        Check("artifact", "build and install", python("tests/artifact.py")),
        Check("simulator", "contract", ["sh", "tests/simulator/selftest.sh"], counts=True),
        Check("fleet", "no way out", [sys.executable, "tests/fleet/fleet.py", "proof"]),
    ]
    for target in sorted(TARGETS.iterdir()):
        if target.name.startswith("setup_"):
            continue
        found.append(Check("integration", target.name, [str(BIN / "ansible-playbook"), "tests/integration/run.yml", "--extra-vars", f"target={target.name}"]))
    found.append(Check("matrix", "all kinds of engines", [sys.executable, "tests/faults/matrix.py"], counts=True))
    scenarios = {name: [str(BIN / "molecule"), "test", "--scenario-name", name] for name in ("export", "default")}
    found.append(Check("scenario-export", "molecule", scenarios["export"]))
    # It takes every license anew and deploys them.
    found.append(Check("leaks", "no key anywhere", [sys.executable, "tests/fleet/leaks.py"]))
    found.append(Check("refusals", "mistakes of users", python("tests/faults/refusals.py"), counts=True))
    found.append(Check("transfer", "broken on the way", python("tests/faults/transfer.py"), counts=True))
    found.append(Check("loop", "over the gap and back", python("tests/faults/loop.py"), counts=True))
    found.append(Check("readme", "as it is printed", python("tests/readme.py"), counts=True))
    found.append(Check("scenario-default", "molecule", scenarios["default"]))
    return found


def environment() -> dict[str, str]:
    """What the commands see: this checkout's collections, and nothing of the caller's Ansible."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MAKE", "MOLECULE_"))}
    return {
        **kept,
        "PATH": f"{BIN}:{BUILD / 'registry' / 'usr' / 'bin'}:{kept.get('PATH', '')}",
        "PYTHONPATH": str(BUILD / "collections"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections"),
        "ANSIBLE_ROLES_PATH": str(TARGETS),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(BUILD / "demo" / "vault-password"),
        "NO_COLOR": "1",
    }


def run(check: Check) -> Outcome:
    """Run one check into its log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{check.part}-{re.sub('[^a-z0-9]+', '-', check.name.lower())}.log"
    print(f"{check.part}: {check.name} ...", flush=True)
    started = time.monotonic()
    with log.open("w") as output:
        code = subprocess.run(check.command, cwd=CHECKOUT, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    text = log.read_text(errors="replace")
    passed, failed = (0, 1) if code else (1, 0)
    if check.counts:
        counted = {word.rstrip("s"): int(number) for number, word in _PYTEST.findall(text.strip().splitlines()[-1] if text.strip() else "")}
        passed = counted.get("passed", 0)
        # A run that counts no failure and ends badly has failed all the same, and so has one that ran nothing.
        failed = max(counted.get("failed", 0) + counted.get("error", 0), 1 if code or not passed else 0)
    if failed:
        print("\n".join(text.splitlines()[-SHOWN_OF_A_FAILURE:]), flush=True)
    return Outcome(check, passed, failed, time.monotonic() - started)


def main(parts: list[str]) -> int:
    """Run what is named."""
    # All that the tests need: the same set-up that each part has by itself.
    if not parts and subprocess.run(["make", "--no-print-directory", "fleet"], cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False).returncode:
        print("0 passed, 1 failed")
        return 1
    known = checks()
    unknown = sorted(set(parts) - {check.part for check in known})
    if unknown:
        print(f"run: there is no part {', '.join(unknown)}; there are {', '.join(dict.fromkeys(check.part for check in known))}.")
        return 2
    outcomes = [run(check) for check in known if not parts or check.part in parts]
    print()
    for outcome in outcomes:
        print(f"{outcome.check.part:<18} {outcome.check.name:<26} {outcome.passed:>5} passed {outcome.failed:>4} failed {outcome.seconds:>7.1f} s")
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"\n{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
