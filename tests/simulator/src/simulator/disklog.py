# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log below the output mount, which C(Logging:Disk:Format=json) asks for."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from simulator.options import Options


class DiskLog:
    """One JSON object a line; a file that has reached its size is followed by the next. Without a limit: one file."""

    def __init__(self, directory: Path, limit: float) -> None:
        self._directory = directory
        self._limit = limit
        self._number = 0

    def write(self, text: str) -> None:
        path = self._path()
        while 0 < self._limit <= (path.stat().st_size if path.exists() else 0):
            self._number += 1
            path = self._path()
        line = {"time": datetime.datetime.now(datetime.UTC).isoformat(), "level": "Information", "message": text}
        with path.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def _path(self) -> Path:
        return self._directory / f"log-{self._number:03}.json"


def open_log(options: Options, directory: Path) -> DiskLog | None:
    """The log, where the options ask for one."""
    form = options.get("Logging:Disk:Format")
    if not form:
        return None
    if form.lower() != "json":
        raise ValueError(f"Logging:Disk:Format: {form!r} is not json.")
    try:
        megabytes = float(options.get("Logging:Disk:MaxFileSize", "1"))
    except ValueError as error:
        raise ValueError("Logging:Disk:MaxFileSize is a number of megabytes, or -1.") from error
    return DiskLog(directory, megabytes * (1 << 20))
