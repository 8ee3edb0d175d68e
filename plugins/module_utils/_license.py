# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Download of a license, and of models, by a run of the family's own image on the connected side.

No document says what a license looks like, or whether the container ends after the download: the
directory is opaque, and both endings are waited for.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container, running
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Family
from ansible_collections.airgap.cognitive.plugins.module_utils._refusals import find_refusal, last_lines
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest

_LABEL = "airgap.cognitive.download"
_POLL = 0.5
# How long nothing may change before a directory counts as whole while its container still runs.
_SETTLED = {"license": 3.0, "models": 15.0}


@dataclass(frozen=True)
class Request:
    """What to download, for which image, from where, and where to."""

    family: Family
    tag: str
    image: str
    endpoint: str
    api_key: str = field(repr=False)
    path: str
    models_path: str | None
    network: str | None
    environment: dict[str, str]
    timeout: int

    @property
    def title(self) -> str:
        """For messages."""
        return f"License of {self.family.name} {self.tag}"

    @property
    def record_path(self) -> str:
        """The record of the download, beside the directory so that nothing is added to it."""
        return self.path + ".json"

    def directory(self, kind: str) -> str:
        """Where the tree of C(kind) goes."""
        if kind == "models":
            assert self.models_path is not None
            return self.models_path
        return self.path


def read_record(request: Request) -> dict[str, t.Any] | None:
    """What was kept of the last download; None where there was none, or where it cannot be read."""
    try:
        with open(request.record_path, encoding="utf-8") as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def reason_to_download(request: Request, image: EngineImage, force: bool, renew_before: int, ends: str | None, today: datetime.date) -> str | None:
    """Why a license must be taken (again), or None."""
    if force:
        return "it is to be taken again"
    record = read_record(request)
    if record is None or not os.path.isdir(request.path):
        return "there is none"
    if record.get("image_id") != image.id or list(record.get("diff_ids", [])) != list(image.diff_ids):
        return "it was taken with another image"
    if files_of(request.path) != record.get("files"):
        return "its files are not those that were downloaded"
    if any(step["kind"] == "models" and not os.path.isdir(request.directory("models")) for step in request.family.downloads):
        return "its models are missing"
    if ends:
        due = _date(ends, "ends") - datetime.timedelta(days=renew_before)
        # Once it was taken again within that time, the declared end is the one of the old one.
        if today >= due > _date(str(record.get("downloaded", ""))[:10], request.record_path):
            return f"it ends on {ends}"
    return None


def files_of(path: str) -> dict[str, dict[str, t.Any]]:
    """SHA-256 (hexadecimal) and size of every file below C(path)."""
    found = {}
    for directory, _directories, names in os.walk(path):
        for name in names:
            full = os.path.join(directory, name)
            found[os.path.relpath(full, path)] = {"sha256": file_digest(full).partition(":")[2], "size": os.path.getsize(full)}
    return found


def download(engine: Engine, request: Request, image: EngineImage, ends: str | None) -> None:
    """Run the steps of the family in their order, then put their results in place together."""
    steps = request.family.downloads
    parts = {step["kind"]: request.directory(step["kind"]) + ".part" for step in steps}
    try:
        for part in parts.values():
            _make_empty(part, request.family.user)
        for step in steps:
            _run(engine, request, step, parts)
        files = files_of(parts["license"])
        if os.path.exists(request.record_path):
            # Without its record a directory counts as none, so a kill from here on costs a download, not a mix-up.
            os.unlink(request.record_path)
        for kind, part in parts.items():
            target = request.directory(kind)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(part, target)
    except OSError as error:
        raise CognitiveError(f"{request.title}: {error.filename or request.path}: {error.strerror}; see that this user may write there and give files to user {request.family.user} (become).") from error
    finally:
        for part in parts.values():
            shutil.rmtree(part, ignore_errors=True)
    write_record(request, image, ends, files, datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


def write_record(request: Request, image: EngineImage, ends: str | None, files: dict[str, t.Any], downloaded: str) -> None:
    """Keep what was downloaded, and for which image; nothing secret."""
    record = {
        "family": request.family.name,
        "tag": request.tag,
        "image": request.image,
        "image_id": image.id,
        "diff_ids": list(image.diff_ids),
        "repo_digests": list(image.repo_digests),
        "downloaded": downloaded,
        "ends": ends,
        "files": files,
    }
    beside = request.record_path + ".new"
    with open(beside, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, request.record_path)


def _make_empty(path: str, user: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o750)
    os.chown(path, user, user)


def _run(engine: Engine, request: Request, step: t.Mapping[str, t.Any], parts: t.Mapping[str, str]) -> None:
    """One run of the image, until the directory of this step is whole."""
    family, part = request.family, parts[step["kind"]]
    options = {"eula": "accept", **step["options"]}
    binds = []
    if "license" in parts:
        options["Mounts:License"] = family.license
        binds.append(f"{parts['license']}:{family.license}")
    if family.models and "models" in parts:
        binds.append(f"{parts['models']}:{family.models}")
    command, environment = family.option_lists(options)
    # As arguments these two would be seen in the list of processes.
    environment = {**family.environment, **request.environment, **environment, "Billing": request.endpoint, "ApiKey": request.api_key}
    with running(
        engine, image=request.image, command=command, environment=environment, binds=binds, network=request.network, label=(_LABEL, part)
    ) as container:
        _wait(request, container, part, step["kind"])


def _wait(request: Request, container: Container, part: str, kind: str) -> None:
    deadline = time.monotonic() + request.timeout
    seen: t.Any = None
    since = time.monotonic()
    while True:
        code = container.exit_code()
        found = _look(part)
        if found != seen:
            seen, since = found, time.monotonic()
        whole = bool(found) and all(size > 0 for size, _time in found.values())
        if code is not None:
            if whole and code == 0 and find_refusal(container.log()) is None:
                return
            raise _refused(request, container, f"the container ended with status {code} and left {'a directory that is not to be trusted' if found else 'nothing'}")
        if whole and time.monotonic() - since >= _SETTLED[kind]:
            return
        if not found and find_refusal(container.log()):
            raise _refused(request, container, "the container refused and goes on running")
        if time.monotonic() > deadline:
            raise _refused(request, container, f"nothing whole was there after {request.timeout} s")
        time.sleep(_POLL)


def _look(path: str) -> dict[str, tuple[int, int]]:
    """Size and time of every file below C(path)."""
    found = {}
    for directory, _directories, names in os.walk(path):
        for name in names:
            try:
                status = os.lstat(os.path.join(directory, name))
            except FileNotFoundError:
                continue
            found[os.path.join(directory, name)] = (status.st_size, status.st_mtime_ns)
    return found


def _refused(request: Request, container: Container, happened: str) -> CognitiveError:
    """One sentence out of what happened and what the container said."""
    log = container.log()
    refusal = find_refusal(log)
    said = last_lines(log, secrets=[request.api_key]) or "nothing"
    if refusal:
        return CognitiveError(f"{request.title}: {refusal.cause} (endpoint {request.endpoint}); {refusal.cure}. The container said: {said}")
    return CognitiveError(f"{request.title}: {happened}; read what the container said: {said}")


def _date(text: str, where: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise CognitiveError(f"{where}: {text!r} is not a date; write it as 2027-03-31.") from error
