# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Download of a license, and of models, by a run of the family's own image on the connected side.

No document says what a license looks like, or whether the container ends after the download: the
directory is opaque, and both endings are waited for.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container, labelled
from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import LABEL, Request, parse_date
from ansible_collections.airgap.cognitive.plugins.module_utils._download_run import capture, look, run
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest


def read_record(request: Request) -> dict[str, t.Any] | None:
    """What was kept of the last download; None where there was none, or where it cannot be read."""
    try:
        with open(request.record_path, encoding="utf-8") as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def reason_to_download(request: Request, image: EngineImage, force: bool, today: datetime.date) -> str | None:
    """Why a license must be taken (again), or None."""
    if force:
        return "it is to be taken again"
    record = read_record(request)
    if record is None or not os.path.isdir(request.path):
        return "there is none"
    if record.get("family") != request.family.name:
        return "it is of another family"
    if record.get("image_id") != image.id or list(record.get("diff_ids", [])) != list(image.diff_ids):
        return "it was taken with another image"
    if record.get("settings", {}) != request.chosen:
        return "it was taken with other settings"
    if files_of(request.path) != record.get("files"):
        return "its files are not those that were downloaded"
    if "models" in request.kinds and _sizes_of(request.directory("models")) != record.get("models"):
        return "its models are not those that were downloaded"
    for name, path in request.source_files().items():
        if file_digest(path) != file_digest(os.path.join(request.directory("models"), name)):
            return f"{path} is another one now"
    ends = parse_date(request.ends)
    if ends:
        due = ends - datetime.timedelta(days=request.renew_before)
        downloaded = parse_date(str(record.get("downloaded", ""))[:10]) or datetime.date.min
        # Once it was taken again within that time, the declared end is the one of the old license.
        if today >= due > downloaded:
            return f"it ends on {request.ends}"
    return None


def files_of(path: str) -> dict[str, dict[str, t.Any]]:
    """SHA-256 (hexadecimal) and size of every file below C(path)."""
    found = {}
    for directory, _directories, names in os.walk(path):
        for name in names:
            full = os.path.join(directory, name)
            found[os.path.relpath(full, path)] = {"sha256": file_digest(full).partition(":")[2], "size": os.path.getsize(full)}
    return found


def _sizes_of(path: str) -> dict[str, int]:
    """Models can be many gigabytes, and export reads them all anyhow: here their sizes are enough."""
    return {os.path.relpath(name, path): size for name, (size, _time) in look(path).items()}


def download(engine: Engine, request: Request, image: EngineImage) -> None:
    """Run the steps of the family in their order, then put their results in place together."""
    parts = {kind: request.directory(kind) + ".part" for kind in request.kinds}
    with _readable_errors(request):
        os.makedirs(os.path.dirname(request.path), exist_ok=True)
        with _locked(request):
            try:
                for part in parts.values():
                    _make_empty(part, request.family.user)
                log = ""
                for step in request.family.downloads:
                    if "files" in step:
                        _bring(request, parts["models"])
                    else:
                        log += run(engine, request, step, parts) + "\n"
                record = {**_record(request, image), "files": files_of(parts["license"])}
                if request.family.captures:
                    record["environment"] = capture(request, log, parts["models"])
                if "models" in parts:
                    record["models"] = _sizes_of(parts["models"])
                # Without its record a directory counts as none, so a kill from here on costs a download, not a mix-up.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(request.record_path)
                for kind, part in parts.items():
                    _replace(part, request.directory(kind))
                write_record(request, record)
            finally:
                for part in parts.values():
                    shutil.rmtree(part, ignore_errors=True)


def leftovers(engine: Engine, request: Request) -> list[Container]:
    """The containers of earlier runs that were killed; the key is in their environment."""
    return labelled(engine, (LABEL, request.path))


def sweep(engine: Engine, request: Request) -> None:
    """Take away what earlier runs that were killed left."""
    with _readable_errors(request), _locked(request):
        for container in leftovers(engine, request):
            container.remove()
        for kind in request.kinds:
            shutil.rmtree(request.directory(kind) + ".part", ignore_errors=True)


def _record(request: Request, image: EngineImage) -> dict[str, t.Any]:
    """What is kept beside a license: for which image it is, and nothing secret."""
    return {
        "family": request.family.name,
        "tag": request.tag,
        "image": request.image,
        "image_id": image.id,
        "diff_ids": list(image.diff_ids),
        "repo_digests": list(image.repo_digests),
        "downloaded": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ends": request.ends,
        **({"settings": request.chosen} if request.chosen else {}),
    }


def _bring(request: Request, part: str) -> None:
    """Copy what was brought by hand; the name is part of what the container looks for."""
    for name, source in request.source_files().items():
        target = os.path.join(part, name)
        shutil.copyfile(source, target)
        os.chown(target, request.family.user, request.family.user)


def write_record(request: Request, record: t.Mapping[str, t.Any]) -> None:
    """Replace the record as a whole."""
    beside = request.record_path + ".new"
    with open(beside, "w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=2, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, request.record_path)


@contextlib.contextmanager
def _locked(request: Request) -> t.Iterator[None]:
    """Two downloads to one place would take each other's container away. A lock of the directory leaves no file behind."""
    handle = os.open(os.path.dirname(request.path), os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CognitiveError(f"{request.title}: another download to {os.path.dirname(request.path)} is at work; wait until it is done.") from error
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _readable_errors(request: Request) -> t.Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CognitiveError(
            f"{request.title}: {error.filename or request.path}: {error.strerror}; see that this user may write there, "
            f"and give directories to user {request.family.user} (become)."
        ) from error


def _make_empty(path: str, user: int) -> None:
    if os.path.lexists(path):
        shutil.rmtree(path)
    os.makedirs(path)
    # Before its files come: nobody else has any business with a license.
    os.chmod(path, 0o750)
    os.chown(path, user, user)


def _replace(part: str, target: str) -> None:
    """Put C(part) where C(target) is; the old directory goes as a whole before any of its files does."""
    old = target + ".old"
    shutil.rmtree(old, ignore_errors=True)
    if os.path.lexists(target):
        os.replace(target, old)
    os.replace(part, target)
    shutil.rmtree(old, ignore_errors=True)

