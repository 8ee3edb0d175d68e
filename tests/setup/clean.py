#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removes what the demo and the tests of this checkout made: containers, volumes, networks, and .build.

With --cache also what checkouts share: the project's images, and the cache. A Docker Engine that set-up started goes on running.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fleet"))

import fleet

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airgap-cognitive"
IMAGES = ("airgap-cognitive/*", "azure-cognitive-services/*/*")


def docker(*arguments: str) -> list[str]:
    """The lines that docker printed; none where no engine answers."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False).stdout.split()


def main() -> int:
    """Remove it all."""
    if shutil.which("docker"):
        for host in fleet.HOSTS:
            fleet.remove(host)
        # Those of tests, and whatever else a killed run left.
        for container in docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^/{fleet.SCOPE}-"):
            fleet.remove(fleet.Host(container.removeprefix(f"{fleet.SCOPE}-"), "", ""))
        for network in docker("network", "ls", "--quiet", "--filter", f"name=^{fleet.SCOPE}-"):
            docker("network", "rm", network)
        for pattern in (f"{fleet.SCOPE}-bench/*", *(IMAGES if "--cache" in sys.argv else ())):
            for image in docker("images", "--format", "{{.Repository}}:{{.Tag}}", pattern):
                docker("rmi", "--force", image)
    shutil.rmtree(CHECKOUT / ".build", ignore_errors=True)
    for directory in CACHE.glob(f"simulator-tls/{fleet.SCOPE}-*"):
        shutil.rmtree(directory)
    if "--cache" in sys.argv:
        shutil.rmtree(CACHE, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
