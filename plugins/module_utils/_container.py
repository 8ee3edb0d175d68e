# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A container that is run for one job, and is gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

try:
    import docker.errors
except ImportError:  # pragma: no cover - Engine says it
    pass


class Container:
    """One container of C(engine), known by its ID."""

    def __init__(self, engine: Engine, container_id: str) -> None:
        self.engine = engine
        self.id = container_id

    def exit_code(self) -> int | None:
        """With what it ended; None while it runs."""
        with self.engine.speaking():
            state = self.engine.api.inspect_container(self.id)["State"]
        return None if state.get("Running") else int(state.get("ExitCode", 0))

    def log(self, lines: int = 200) -> str:
        """The end of what it printed."""
        with self.engine.speaking():
            return bytes(self.engine.api.logs(self.id, tail=lines)).decode("utf-8", "replace")

    def remove(self) -> None:
        """Stop it where it runs, and take it away with its anonymous volumes."""
        with contextlib.suppress(docker.errors.NotFound), self.engine.speaking():
            self.engine.api.remove_container(self.id, force=True, v=True)


@contextlib.contextmanager
def running(
    engine: Engine, *, image: str, command: list[str], environment: dict[str, str], binds: list[str], network: str | None, label: tuple[str, str]
) -> t.Iterator[Container]:
    """Run C(image); one that an earlier, killed run left under the same C(label) goes first."""
    key, value = label
    with engine.speaking():
        for left in engine.api.containers(all=True, filters={"label": f"{key}={value}"}):
            Container(engine, left["Id"]).remove()
    container = None
    try:
        try:
            with engine.speaking():
                config = engine.api.create_host_config(binds=binds, network_mode=network, log_config={"Type": "json-file", "Config": {"max-size": "10m"}})
                made = engine.api.create_container(image, command=command or None, environment=environment, host_config=config, labels={key: value})
                container = Container(engine, made["Id"])
                engine.api.start(made["Id"])
        except docker.errors.NotFound as error:
            raise CognitiveError(f"Image {image} cannot be run: {error.explanation}") from error
        yield container
    finally:
        if container is not None:
            container.remove()
