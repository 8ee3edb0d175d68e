# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""One run of an image on the connected side, until what it is to bring is whole."""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container, running
from ansible_collections.airgap.cognitive.plugins.module_utils._download_request import LABEL, Request, kinds_of
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._refusals import find_refusal, last_lines
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import fill_table, fill_words, needs_gpu

_POLL = 0.5


class Run(t.NamedTuple):
    """What a container of the connected side is run with; C(mounts) are directories of the container by directories here."""

    command: list[str]
    environment: dict[str, str]
    mounts: dict[str, str]


def describe(request: Request, step: t.Mapping[str, t.Any], parts: t.Mapping[str, str]) -> Run:
    """The run of C(step), without the key."""
    family = request.family
    mounts = {parts["license"]: family.license}
    if "models" in parts:
        mounts[parts["models"]] = family.models
    options = {**fill_table(family, family.options, request.settings), **fill_table(family, step["options"], request.settings)}
    command, environment = family.option_lists({"eula": "accept", "Mounts:License": family.license, **options})
    command += fill_words(family, step.get("words", []), request.settings)
    return Run(command, {**fill_table(family, family.environment, request.settings), **request.environment, **environment}, mounts)


def run(engine: Engine, request: Request, step: t.Mapping[str, t.Any], parts: t.Mapping[str, str]) -> str:
    """One run of the image, until the directories of this step are whole; what it said."""
    described = describe(request, step, parts)
    endpoint, api_key = request.resource(step)
    # No document says whether a download needs the GPU; where there is one it gets it.
    gpu = needs_gpu(request.family, request.tag, request.settings) is not None and "nvidia" in (engine.info.get("Runtimes") or ())
    with running(
        engine,
        image=request.image,
        command=described.command,
        # As arguments these two would be seen in the list of processes.
        environment={**described.environment, "Billing": endpoint, "ApiKey": api_key},
        mounts=described.mounts,
        network=request.network,
        label=(LABEL, request.path),
        gpu=gpu,
    ) as container:
        return _wait(request, container, step, [parts[kind] for kind in kinds_of(step)])


def capture(request: Request, log: str, models: str) -> dict[str, str]:
    """The environment that only the download tells: from the command that it printed, or else from what lies in C(models)."""
    mount = request.family.models
    # The directory in which the newest file counts holds no model.
    others = {way["newest"] for way in request.family.captures.values() if "newest" in way}
    found = {}
    for name, way in request.family.captures.items():
        told = re.findall(rf"(?:^|\s)-e\s+{re.escape(name)}=(\S+)", log, re.IGNORECASE)
        value = told[-1] if told and _is_there(told[-1], mount, models) else _reconstruct(way, mount, models, others)
        if not value:
            raise CognitiveError(f"{request.title}: the download told no {name}, and its models do not show it; take it again with force: true.")
        found[name] = value
    return found


def _is_there(value: str, mount: str, models: str) -> bool:
    """Whether every path of C(value) (in the container) is one of the download's; a line that was cut has one that is not."""
    paths = [path for path in value.split(",") if path]
    return bool(paths) and all(path.startswith(mount + "/") and os.path.exists(models + path[len(mount) :]) for path in paths)


def _reconstruct(way: t.Mapping[str, str], mount: str, models: str, others: t.Collection[str]) -> str:
    ((how, below),) = way.items()
    place = os.path.join(models, below)
    entries = sorted(os.scandir(place), key=lambda entry: entry.name) if os.path.isdir(place) else []
    prefix = "/".join(part for part in (mount, below) if part)
    if how == "newest":
        # Two files are made at once: the one that is written last is the larger one too.
        files = sorted((entry for entry in entries if entry.is_file()), key=lambda entry: (entry.stat().st_mtime_ns, entry.stat().st_size))
        return f"{prefix}/{files[-1].name}" if files else ""
    return ",".join(f"{prefix}/{entry.name}/" for entry in entries if entry.is_dir() and entry.name not in others)


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


def _wait(request: Request, container: Container, step: t.Mapping[str, t.Any], parts: t.Sequence[str]) -> str:
    deadline = time.monotonic() + request.seconds(step)
    directory, log = _Still(), _Still()
    while True:
        # Asked before the directory is looked at: after its end nothing is added any more.
        found_container = container.inspect()
        if found_container is None:
            raise CognitiveError(f"{request.title}: somebody removed the container that downloads it; run it again.")
        state = found_container["State"]
        looks = [look(part) for part in parts]
        found = {path: seen for files in looks for path, seen in files.items()}
        whole = all(any(size > 0 for size, _time in files.values()) for files in looks)
        unchanged = directory.seconds(found)
        if not state.get("Running"):
            said = container.log()
            if whole and state.get("ExitCode") == 0 and find_refusal(said) is None:
                return said
            left = "what it left is not to be trusted" if found else "it left nothing"
            raise _refused(request, step, container, state, f"the container ended with status {state.get('ExitCode')} and {left}")
        if whole and unchanged >= request.settle:
            return container.log()
        if not whole:
            said = container.log()
            # One that still writes to its log may be at its next try.
            if log.seconds(said) >= request.settle and find_refusal(said):
                raise _refused(request, step, container, state, "the container refuses and goes on running")
        if time.monotonic() > deadline:
            raise _refused(request, step, container, state, f"nothing whole was there after {request.seconds(step):g} s")
        time.sleep(_POLL)


def look(path: str) -> dict[str, tuple[int, int]]:
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


def _refused(request: Request, step: t.Mapping[str, t.Any], container: Container, state: t.Mapping[str, t.Any], happened: str) -> CognitiveError:
    """One sentence out of what happened and what the container said."""
    log = container.log()
    refusal = find_refusal(log, state)
    said = last_lines(log, secrets=[request.api_key, request.model_api_key or ""]) or "nothing"
    if refusal:
        return CognitiveError(f"{request.title}: {refusal.cause} (endpoint {request.resource(step)[0]}); {refusal.cure}. The container said: {said}")
    return CognitiveError(f"{request.title}: {happened}; read what the container said: {said}")
