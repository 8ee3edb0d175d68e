# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""One container of an engine; and one that is run for a job, and is gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

try:
    import docker.errors
    import docker.types
except ImportError:  # pragma: no cover - Engine says it
    pass


class Container:
    """One container of C(engine), known by its ID or its name."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    def inspect(self) -> dict[str, t.Any] | None:
        """All that the engine knows of it; None where it is gone."""
        try:
            with self.engine.speaking():
                found: dict[str, t.Any] = self.engine.api.inspect_container(self.name)
        except docker.errors.NotFound:
            return None
        return found

    def log(self, lines: int = 200, since: int | None = None) -> str:
        """The end of what it printed (C(since), in seconds since 1970); nothing where it is gone."""
        try:
            with self.engine.speaking():
                return bytes(self.engine.api.logs(self.name, tail=lines, since=since)).decode("utf-8", "replace")
        except docker.errors.NotFound:
            return ""

    def remove(self) -> None:
        """Stop it where it runs, and take it away with its anonymous volumes."""
        with contextlib.suppress(docker.errors.NotFound), self.engine.speaking():
            self.engine.api.remove_container(self.name, force=True, v=True)


def labelled(engine: Engine, label: tuple[str, str]) -> list[Container]:
    """The containers with this label and value, whether they run or not."""
    with engine.speaking():
        return [Container(engine, found["Id"]) for found in engine.api.containers(all=True, filters={"label": f"{label[0]}={label[1]}"})]


@contextlib.contextmanager
def running(
    engine: Engine,
    *,
    image: str,
    command: list[str],
    environment: dict[str, str],
    mounts: dict[str, str],
    network: str | None,
    label: tuple[str, str],
    gpu: bool = False,
) -> t.Iterator[Container]:
    """Run C(image) with C(mounts) (directory in the container by directory here), and with all GPUs where C(gpu) says so.

    What an earlier run that was killed left under the same C(label) goes first.
    """
    for left in labelled(engine, label):
        left.remove()
    container = None
    with _termination_raises():
        try:
            try:
                with engine.speaking():
                    config = engine.api.create_host_config(
                        mounts=[docker.types.Mount(target, source, type="bind") for source, target in mounts.items()],
                        network_mode=network,
                        device_requests=[docker.types.DeviceRequest(count=-1, capabilities=[["gpu"]])] if gpu else None,
                        log_config={"Type": "json-file", "Config": {"max-size": "10m"}},
                    )
                    made = engine.api.create_container(image, command=command or None, environment=environment, host_config=config, labels=dict([label]))
                    container = Container(engine, made["Id"])
                    engine.api.start(made["Id"])
            except docker.errors.NotFound as error:
                raise CognitiveError(f"Image {image} cannot be run: {error.explanation}; see the network and the image.") from error
            yield container
        finally:
            if container is not None:
                container.remove()


@contextlib.contextmanager
def _termination_raises() -> t.Iterator[None]:
    """Let an end that is asked for run the clean-up; only SIGKILL leaves a container for the next run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: t.Any) -> t.NoReturn:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
