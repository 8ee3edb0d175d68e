# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""Waiting until services are ready, then reading whether they call themselves valid.

C(/ready) answers 200 when a service takes queries. C(/status) answers 200 also where the license is
not valid, so its body is read. (Source: "Install and run Docker containers", validating a container.)
"""

from __future__ import annotations

import json
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.airgap.cognitive.plugins.module_utils._container import Container
from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._refusals import find_refusal, last_lines

Service = t.Mapping[str, t.Any]
_POLL = 0.5
_ONE_ANSWER = 10
# No answer of these two is longer; what is would be something else on that port.
_LONGEST = 64 * 1024
# A proxy that is set for the host has no business between it and its own services.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def base_url(service: Service) -> str:
    """Where a service answers on its own host."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(service["bind"], service["bind"])
    return f"http://[{address}]:{service['port']}" if ":" in address else f"http://{address}:{service['port']}"


def ask(url: str) -> tuple[int, str]:
    """Status and body of an answer; status 0 and the reason where there is none."""
    try:
        with _OPENER.open(url, timeout=_ONE_ANSWER) as answer:
            return answer.status, answer.read(_LONGEST).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(_LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        return 0, str(getattr(error, "reason", error))
    except Exception as error:  # pylint: disable=broad-exception-caught # http.client raises its own for what is not HTTP
        return 0, str(error)


def look(service: Service) -> dict[str, t.Any]:
    """The state of a service now."""
    url = base_url(service)
    code, body = ask(url + "/ready")
    state = {
        "host": service["host"],
        "service": service["name"],
        "family": service["family"],
        "tag": service["tag"],
        "address": f"{service['bind']}:{service['port']}",
        "ready": code == 200,
        "ready_answer": f"{code} {body}".strip() if code != 200 else "200",
        "api_status": None,
        "message": None,
    }
    if state["ready"]:
        code, body = ask(url + "/status")
        try:
            answer = json.loads(body)
            state.update(api_status=str(answer["apiStatus"]), message=str(answer.get("apiStatusMessage", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            state.update(message=f"{code} {body}"[:500])
    return state


def wait(services: t.Sequence[Service], engine: Engine | None) -> list[dict[str, t.Any]]:
    """The states of C(services), as soon as all are valid; raises for the first that will not be. Without C(engine) one look is enough."""
    started = time.monotonic()
    waiting = list(services)
    states: dict[str, dict[str, t.Any]] = {}
    while waiting:
        for service in list(waiting):
            state = states[service["name"]] = look(service)
            state["seconds"] = round(time.monotonic() - started, 1)
            if state["api_status"] == "Valid" or engine is None:
                waiting.remove(service)
            elif state["ready"] or time.monotonic() - started > service["ready_timeout"] or _is_dead(engine, service):
                raise CognitiveError(_explain(engine, service, state), services=list(states.values()))
        if waiting:
            time.sleep(_POLL)
    return [states[service["name"]] for service in services]


def _is_dead(engine: Engine, service: Service) -> bool:
    """Whether the container is gone, or starts again and again: nothing to wait for."""
    container = _container(engine, service)
    if container is None:
        return True
    with engine.speaking():
        found = engine.api.inspect_container(container.id)
    return not found["State"].get("Running") and (not found["State"].get("Restarting") or int(found.get("RestartCount") or 0) > 2)


def _container(engine: Engine, service: Service) -> Container | None:
    with engine.speaking():
        listed = engine.api.containers(all=True, filters={"name": f"^/{service['name']}$"})
    return Container(engine, listed[0]["Id"]) if listed else None


def _explain(engine: Engine, service: Service, state: t.Mapping[str, t.Any]) -> str:
    container = _container(engine, service)
    log = container.log() if container else ""
    refusal = find_refusal(log) or find_refusal(str(state["message"]))
    said = last_lines(log) or "nothing, it is not there"
    where = f"{service['host']}, service {service['name']}"
    if state["ready"]:
        problem = f"/status says {state['api_status']} ({state['message']})"
    else:
        problem = f"/ready answers {state['ready_answer'][:300]}"
    if refusal:
        return f"{where}: {refusal.cause}; {refusal.cure}. {problem}; the container said: {said}"
    return f"{where}: it does not get ready, {problem}; read what the container said: {said}"
