#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the collection, installs it offline in an empty place, and uses it from there by its full name.

What is tracked is copied first, so that the artifact holds what a release would.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
BIN = CHECKOUT / ".build" / "venv" / "bin"
COMMUNITY = CHECKOUT / ".build" / "collections" / "ansible_collections" / "community"
PLAYBOOKS = ("export", "site", "rollup")
# What a running collection needs; the rest is for people.
NEEDED = ("meta", "plugins", "roles", "playbooks")


def run(*command: str | Path, **options: object) -> str:
    """Run a command; its output, or the end."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{' '.join(str(word) for word in command)} failed:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def main() -> int:
    """Build, install, use."""
    with tempfile.TemporaryDirectory(prefix="airgap-artifact-") as place:
        source, installed = Path(place) / "source", Path(place) / "installed"
        for name in run("git", "-C", CHECKOUT, "ls-files", "-z").split("\0"):
            if name and (CHECKOUT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, source / name)
        run(BIN / "ansible-galaxy", "collection", "build", "--output-path", place, source)
        [artifact] = Path(place).glob("airgap-cognitive-*.tar.gz")
        with tarfile.open(artifact) as archive:
            names = archive.getnames()
        strangers = [name for name in names if name.startswith((".build", ".ci", ".git", "bundle/"))]
        if strangers:
            sys.exit(f"The artifact holds what is no part of it: {', '.join(strangers[:5])}")
        # An empty configuration: nothing of this checkout helps.
        (Path(place) / "empty.cfg").touch()
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_CONFIG": str(Path(place) / "empty.cfg")}
        environment.pop("PYTHONPATH", None)
        shutil.copytree(COMMUNITY, installed / "ansible_collections" / "community", symlinks=False)
        run(BIN / "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", installed, artifact, env=environment)
        collection = installed / "ansible_collections" / "airgap" / "cognitive"
        for path in collection.iterdir():
            if path.name not in NEEDED and path.suffix != ".json":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for playbook in PLAYBOOKS:
            run(BIN / "ansible-playbook", f"airgap.cognitive.{playbook}", "--syntax-check", "-i", "localhost,", env=environment, cwd=place)
        modules = sorted(path.stem for path in (collection / "plugins" / "modules").glob("*.py"))
        documented = run(BIN / "ansible-doc", "--json", *(f"airgap.cognitive.{module}" for module in modules), env=environment, cwd=place)
        missing = [module for module in modules if f"airgap.cognitive.{module}" not in documented]
        if missing:
            sys.exit(f"No documentation for {', '.join(missing)}")
        print(f"{artifact.name}: {len(names)} members, {len(modules)} modules documented, {len(PLAYBOOKS)} playbooks found by their full names.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
