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
import re
import shutil
import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container, labelled, running
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine, EngineImage
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Family
from ansible_collections.airgap.cognitive.plugins.module_utils._refusals import find_refusal, last_lines
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import file_digest

LABEL = "airgap.cognitive.download"
_POLL = 0.5
_ENDPOINT = re.compile(r"https?://[^\s/]+(?:/[^\s]*)?")


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
    renew_before: int
    ends: str | None
    timeout: float
    # How long nothing may change before a directory counts as whole while its container still runs.
    settle: float

    @property
    def title(self) -> str:
        """For messages."""
        return f"License of {self.family.name} {self.tag}"

    @property
    def record_path(self) -> str:
        """The record of the download, beside the directory so that nothing is added to it."""
        return self.path + ".json"

    @property
    def kinds(self) -> list[str]:
        """What there is to download, in the order of the family."""
        return list(dict.fromkeys(step["kind"] for step in self.family.downloads))

    def directory(self, kind: str) -> str:
        """Where the tree of C(kind) goes."""
        return str(self.models_path) if kind == "models" else self.path

    def check(self) -> None:
        """Refuse what can never work, before anything is run."""
        problem = None
        if "models" in self.kinds and not self.models_path:
            problem = "the family needs models; say with models_path where they go"
        elif self.family.models == "" and "models" in self.kinds:
            problem = "the family downloads models but says not where they are mounted; add the field models to it"
        elif not _ENDPOINT.fullmatch(self.endpoint):
            problem = f"the endpoint {self.endpoint!r} is not an address; write it as https://NAME.cognitiveservices.azure.com"
        elif not self.api_key or re.search(r"\s", self.api_key):
            problem = "the key is empty or has blanks in it; see Keys and Endpoint of the Azure resource"
        elif self.ends is not None and _date(self.ends) is None:
            problem = f"ends {self.ends!r} is not a date; write it as 2027-03-31"
        elif self.renew_before < 0 or self.timeout <= 0 or self.settle <= 0:
            problem = "renew_before, timeout and settle are days and seconds; write numbers that are not below zero"
        if problem:
            raise CognitiveError(f"{self.title}: {problem}.")


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
    if files_of(request.path) != record.get("files"):
        return "its files are not those that were downloaded"
    if "models" in request.kinds and _sizes_of(request.directory("models")) != record.get("models"):
        return "its models are not those that were downloaded"
    ends = _date(request.ends)
    if ends:
        due = ends - datetime.timedelta(days=request.renew_before)
        downloaded = _date(str(record.get("downloaded", ""))[:10]) or datetime.date.min
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
    return {os.path.relpath(name, path): size for name, (size, _time) in _look(path).items()}


def download(engine: Engine, request: Request, image: EngineImage) -> None:
    """Run the steps of the family in their order, then put their results in place together."""
    parts = {kind: request.directory(kind) + ".part" for kind in request.kinds}
    with _readable_errors(request):
        os.makedirs(os.path.dirname(request.path), exist_ok=True)
        with _locked(request):
            try:
                for part in parts.values():
                    _make_empty(part, request.family.user)
                for step in request.family.downloads:
                    _run(engine, request, step, parts)
                record = {**_record(request, image), "files": files_of(parts["license"])}
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
    }


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


def _run(engine: Engine, request: Request, step: t.Mapping[str, t.Any], parts: t.Mapping[str, str]) -> None:
    """One run of the image, until the directory of this step is whole."""
    family, part = request.family, parts[step["kind"]]
    mounts = {parts["license"]: family.license}
    if "models" in parts:
        mounts[parts["models"]] = family.models
    command, environment = family.option_lists({"eula": "accept", "Mounts:License": family.license, **family.options, **step["options"]})
    # As arguments these two would be seen in the list of processes.
    secret = {"Billing": request.endpoint, "ApiKey": request.api_key}
    environment = {**family.environment, **request.environment, **environment, **secret}
    with running(
        engine, image=request.image, command=command, environment=environment, mounts=mounts, network=request.network, label=(LABEL, request.path)
    ) as container:
        _wait(request, container, part)


class _Still:
    """For how long something has looked the same."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0.0

    def seconds(self, look: object) -> float:
        now = time.monotonic()
        if look != self._seen:
            self._seen, self._since = look, now
        return now - self._since


def _wait(request: Request, container: Container, part: str) -> None:
    deadline = time.monotonic() + request.timeout
    directory, log = _Still(), _Still()
    while True:
        # Asked before the directory is looked at: after its end nothing is added any more.
        found_container = container.inspect()
        if found_container is None:
            raise CognitiveError(f"{request.title}: somebody removed the container that downloads it; run it again.")
        state = found_container["State"]
        found = _look(part)
        whole = any(size > 0 for size, _time in found.values())
        unchanged = directory.seconds(found)
        if not state.get("Running"):
            if whole and state.get("ExitCode") == 0 and find_refusal(container.log()) is None:
                return
            left = "what it left is not to be trusted" if found else "it left nothing"
            raise _refused(request, container, state, f"the container ended with status {state.get('ExitCode')} and {left}")
        if whole and unchanged >= request.settle:
            return
        if not whole:
            said = container.log()
            # One that still writes to its log may be at its next try.
            if log.seconds(said) >= request.settle and find_refusal(said):
                raise _refused(request, container, state, "the container refuses and goes on running")
        if time.monotonic() > deadline:
            raise _refused(request, container, state, f"nothing whole was there after {request.timeout:g} s")
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


def _refused(request: Request, container: Container, state: t.Mapping[str, t.Any], happened: str) -> CognitiveError:
    """One sentence out of what happened and what the container said."""
    log = container.log()
    refusal = find_refusal(log, state)
    said = last_lines(log, secrets=[request.api_key]) or "nothing"
    if refusal:
        return CognitiveError(f"{request.title}: {refusal.cause} (endpoint {request.endpoint}); {refusal.cure}. The container said: {said}")
    return CognitiveError(f"{request.title}: {happened}; read what the container said: {said}")


def _date(text: str | None) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text or "")
    except ValueError:
        return None
