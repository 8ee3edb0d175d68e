# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Waiting until services are ready, then reading whether they call themselves valid.

C(/ready) answers 200 when a service takes queries. C(/status) answers 200 also where the license is
not valid, so its body is read. (Source: "Azure AI containers frequently asked questions" and
"Disconnected containers frequently asked questions".)
"""

from __future__ import annotations

import datetime
import http.client
import json
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._refusals import Refusal, find_other_port, find_refusal, last_lines

Service = t.Mapping[str, t.Any]
_POLL = 0.5
_ONE_ANSWER = 5
# No answer of these two is longer; what is would be something else on that port.
_LONGEST = 64 * 1024
# The documented values of apiStatus that waiting does not change; "Unknown" is not among them.
_LASTING = ("Invalid", "Mismatch", "CouldNotConnect", "OutOfQuota", "ContainerUseUnauthorized")
# So many new starts are no accident.
_RESTARTS = 3
# A proxy that is set for the host has no business between it and its own services.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def base_url(service: Service) -> str:
    """Where a service answers on its own host."""
    bind = str(service["bind"])
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)
    return f"http://[{address}]:{service['port']}" if ":" in address else f"http://{address}:{service['port']}"


def ask(url: str) -> tuple[int, str]:
    """Status and body of an answer; status 0 and the reason where there is none."""
    try:
        with _OPENER.open(url, timeout=_ONE_ANSWER) as answer:
            return answer.status, answer.read(_LONGEST).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, str(getattr(error, "reason", "") or error or type(error).__name__)


def look(service: Service) -> dict[str, t.Any]:
    """The state of a service now."""
    url = base_url(service)
    code, body = ask(url + "/ready")
    state = {
        "host": service["host"],
        "service": service["name"],
        "family": service["family"],
        "tag": service["tag"],
        "address": url.partition("://")[2] if service["bind"] not in ("0.0.0.0", "::") else f"{service['bind']}:{service['port']}",
        "ready": code == 200,
        "answer": _shown(code, body),
        "api_status": None,
        "message": None,
        "seconds": 0.0,
    }
    if state["ready"]:
        code, body = ask(url + "/status")
        state["answer"] = _shown(code, body)
        try:
            answer = json.loads(body)
            state.update(api_status=str(answer["apiStatus"]), message=str(answer.get("apiStatusMessage", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
    return state


def _shown(code: int, body: str) -> str:
    return f"{code} {' '.join(body.split())}".strip()[:300] if code else f"nothing ({body[:300]})"


class _Watch:
    """One service that is waited for."""

    def __init__(self, service: Service, engine: Engine | None) -> None:
        self.service = service
        self.container = Container(engine, service["name"]) if engine is not None else None
        self.state: dict[str, t.Any] = {}
        self.problem: str | None = None
        self.done = False
        self._restarts: int | None = None

    def look(self, elapsed: float) -> None:
        """Look once; after that the service is C(done) or there is more to wait for."""
        self.state = look(self.service)
        self.state["seconds"] = round(elapsed, 1)
        if self.state["api_status"] == "Valid" or self.container is None:
            self.done = True
            return
        found = self.container.inspect()
        log = _log_of_this_start(self.container, found)
        refusal = find_refusal(log, (found or {}).get("State")) or find_refusal(self.state["answer"])
        lasting = self.state["api_status"] in _LASTING or (refusal is not None and refusal.final)
        if lasting or self._is_dead(found) or elapsed > self.service["ready_timeout"]:
            self.done = True
            self.problem = self._explain(found, log, refusal)

    def _is_dead(self, found: dict[str, t.Any] | None) -> bool:
        """Whether the container is gone, or starts again and again: nothing to wait for."""
        if found is None:
            return True
        restarts = int(found.get("RestartCount") or 0)
        if self._restarts is None:
            self._restarts = restarts
        if found["State"].get("Restarting"):
            return restarts >= _RESTARTS
        # An engine calls a container running while it waits to start it again.
        return not found["State"].get("Running") or restarts - self._restarts >= _RESTARTS

    def _explain(self, found: dict[str, t.Any] | None, log: str, refusal: Refusal | None) -> str:
        where = f"{self.service['host']}, service {self.service['name']}"
        if found is None:
            return f"{where}: there is no container of that name; deploy it with site."
        if found["State"].get("Error"):
            return f"{where}: Docker Engine did not start it: {found['State']['Error']}; put that right, and deploy it again."
        if not self.state["ready"]:
            refusal = refusal or find_other_port(log, self.service["container_port"])
        what = f"{'/status' if self.state['ready'] else '/ready'} answers {self.state['answer']}; the container said: {last_lines(log) or 'nothing'}"
        if refusal:
            return f"{where}: {refusal.cause}; {refusal.cure}. {what}"
        if not found["State"].get("Running") or found["State"].get("Restarting"):
            return f"{where}: it ended with status {found['State'].get('ExitCode')}; read what it said. {what}"
        return f"{where}: it is not {'valid' if self.state['ready'] else 'ready'} after {self.state['seconds']:g} s; wait longer with ready_timeout. {what}"


def _log_of_this_start(container: Container, found: dict[str, t.Any] | None) -> str:
    """What the container said since it started; what it said before an end that was put right does not count."""
    started = str((found or {}).get("State", {}).get("StartedAt", ""))[:19]
    try:
        since = int(datetime.datetime.strptime(started, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc).timestamp())
    except ValueError:
        return container.log()
    # Between two starts of one that ends at once there may be nothing yet.
    return (container.log(since=since) if since > 0 else "") or container.log()


def wait(services: t.Sequence[Service], engine: Engine | None) -> list[dict[str, t.Any]]:
    """The states of C(services), as soon as all are valid; raises with every one that will not be. Without C(engine) one look is enough."""
    started = time.monotonic()
    watches = [_Watch(service, engine) for service in services]
    while True:
        for watch in watches:
            if not watch.done:
                watch.look(time.monotonic() - started)
        if all(watch.done for watch in watches):
            break
        time.sleep(_POLL)
    states = [watch.state for watch in watches]
    problems = [watch.problem for watch in watches if watch.problem]
    if problems:
        raise CognitiveError("\n".join(problems), services=states)
    return states
