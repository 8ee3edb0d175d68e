# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models that a container must download before it can be licensed and run."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path


def write_models(directory: Path, service: str, version: str) -> list[str]:
    """Stand-ins of the right look: a manifest and encrypted archives."""
    name = f"{service}_{version}"
    files = {
        f"{name}/{name}.manifest.json": b'{"format": 1}\n',
        f"{name}/{name}.tgz.encrypted": random.Random(name).randbytes(1 << 20),
    }
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return list(files)


def models_digest(directory: Path) -> str:
    """What a license is bound to; empty when there are no models."""
    digest = hashlib.sha256()
    files = sorted(path for path in directory.rglob("*") if path.is_file()) if directory.is_dir() else []
    for path in files:
        digest.update(f"{path.relative_to(directory).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() if files else ""
