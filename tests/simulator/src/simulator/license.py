# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The license directory: files that this simulator writes and reads, and that nobody else may look into, rename or change."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import hmac
import json
import os
import time
import typing as t
import uuid
import zlib
from pathlib import Path

from simulator.switches import Switches

NOT_FOUND = "The provided license path was not found. Please ensure a volume is mounted and a directory exists at the location specified by Mounts:License"
NOT_VALID = "Container does not have a valid disconnected container license"

_KEY = b"encryptionKey-simulator-2026"
_MAGIC = b"\x00LIC\xff\x01"


class LicenseProblem(Exception):
    """Why the container may not run. C(str) is what the real containers are known to say, C(reason) what really is wrong."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class License:
    service: str
    version: str
    expires: float
    model: str = ""


def write_license(directory: Path, granted: License, switches: Switches) -> list[str]:
    """Writes the files and returns their names."""
    count = max(1, int(switches.number("SIM_LICENSE_FILES")))
    identity = uuid.uuid4().hex
    names = [_name(switches["SIM_LICENSE_NAME"], identity, index) for index in range(count)]
    for index, name in enumerate(names):
        body = {"id": identity, "file": name, "part": index, "parts": count, **dataclasses.asdict(granted)}
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _encode(body, switches["SIM_LICENSE_FORMAT"]), slow=switches["SIM_LICENSE_WRITE"] == "slow")
        path.chmod(int(switches["SIM_LICENSE_MODE"], 8))
    return names


def check_license(directory: Path, service: str, version: str, model: str, now: float, switches: Switches) -> License:
    """The license, or why there is none that is good."""
    if not directory.is_dir():
        raise LicenseProblem(NOT_FOUND, f"there is no directory {directory}")
    if switches["SIM_LICENSE_READONLY"] == "refuse":
        _prove_writable(directory)
    paths = sorted(path for path in directory.rglob("*") if not path.is_dir())
    if not paths:
        raise LicenseProblem(NOT_VALID, f"{directory} is empty")
    bodies = [_read(path, directory) for path in paths]
    first = bodies[0]
    if len({body["id"] for body in bodies}) != 1 or sorted(body["part"] for body in bodies) != list(range(first["parts"])):
        raise LicenseProblem(NOT_VALID, "the files are not the files of one license")
    granted = License(first["service"], first["version"], first["expires"], first["model"])
    if granted.service != service:
        raise LicenseProblem(NOT_VALID, f"it is for {granted.service}, this is {service}")
    if granted.version != version and switches["SIM_LICENSE_BINDING"] == "version":
        raise LicenseProblem(NOT_VALID, f"it was taken with version {granted.version}, this is {version}")
    if granted.model != model:
        raise LicenseProblem(NOT_VALID, "it was taken with other models")
    if now >= granted.expires:
        raise LicenseProblem(NOT_VALID, f"it ended at {datetime.datetime.fromtimestamp(granted.expires, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC")
    return granted


def _name(position: str, identity: str, index: int) -> str:
    number = "" if index == 0 else f".{index}"
    return {
        "license.dat": f"license{number}.dat",
        "guid": f"{uuid.UUID(identity)}{number}",
        "nested": f"keys/{identity[:8]}/container{number}.lic",
        "hidden": f".license{number}",
        "spaces": f"container license ü{number} (1).lic",
    }[position]


def _encode(body: dict[str, t.Any], form: str) -> bytes:
    text = json.dumps(body, sort_keys=True)
    signed = json.dumps({"body": text, "signature": hmac.new(_KEY, text.encode(), hashlib.sha256).hexdigest()}).encode()
    if form == "json":
        return signed
    packed = zlib.compress(signed)
    return _MAGIC + packed if form == "binary" else base64.encodebytes(packed)


def _decode(content: bytes) -> dict[str, t.Any]:
    if not content.startswith(b"{"):
        content = zlib.decompress(content[len(_MAGIC) :] if content.startswith(_MAGIC) else base64.b64decode(content, validate=False))
    body: dict[str, t.Any] = json.loads(json.loads(content)["body"])
    return body


def _read(path: Path, directory: Path) -> dict[str, t.Any]:
    name = path.relative_to(directory).as_posix()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LicenseProblem(f"Access to the path '{path}' is denied.", str(error)) from error
    try:
        body = _decode(content)
        # The very bytes that this body gives when it is signed: that holds the signature, and finds what decoding would forgive (blanks, bytes past the end).
        if not any(content == _encode(body, form) for form in ("base64", "binary", "json")):
            raise ValueError("not as it was written")
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise LicenseProblem(NOT_VALID, f"{name} was altered") from error
    if body["file"] != name:
        raise LicenseProblem(NOT_VALID, f"{name} was renamed from {body['file']}")
    return body


def _prove_writable(directory: Path) -> None:
    probe = directory / f".probe-{uuid.uuid4().hex}"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LicenseProblem(f"Access to the path '{directory}' is denied.", str(error)) from error


def _write(path: Path, content: bytes, slow: bool) -> None:
    pieces = 4 if slow else 1
    size = -(-len(content) // pieces)
    with path.open("wb") as stream:
        for start in range(0, len(content), size):
            if slow:
                time.sleep(1)
            stream.write(content[start : start + size])
            stream.flush()
        os.fsync(stream.fileno())
