# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The sample query of a family, sent to a service, and a look at whether the answer has the shape that it should have."""

from __future__ import annotations

import base64
import http.client
import json
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._ready import base_url

Service = t.Mapping[str, t.Any]
_POLL = 1.0
# The first query of a service may have to load its models.
_ONE_ANSWER = 60
_LONGEST = 16 * 1024**2
# A proxy that is set for the host has no business between it and its own services.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(t.NamedTuple):
    """Status 0 and the reason as body where there was none."""

    status: int
    body: bytes

    @property
    def shown(self) -> str:
        """In one line, for messages."""
        text = " ".join(self.body[:1200].decode("utf-8", "replace").split())[:300]
        return f"{self.status} {text}".strip() if self.status else f"nothing ({text})"


def build(service: Service) -> urllib.request.Request:
    """The request that the family of C(service) names."""
    query = service["query"]
    body = query.get("body")
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    if query.get("body_base64"):
        data = base64.b64decode(query["body_base64"])
    headers = {**query.get("headers", {}), **({"Content-Type": query["content_type"]} if query.get("content_type") else {})}
    return urllib.request.Request(base_url(service) + query["path"], data=data, headers=headers, method=query["method"])


def send(request: urllib.request.Request) -> Answer:
    """Send it once."""
    try:
        with _OPENER.open(request, timeout=_ONE_ANSWER) as answer:
            return Answer(answer.status, answer.read(_LONGEST))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(_LONGEST))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(0, str(getattr(error, "reason", "") or error or type(error).__name__).encode())


def find_fault(query: t.Mapping[str, t.Any], answer: Answer) -> str | None:
    """What is not as it should be in C(answer), or None."""
    if answer.status != query["status"]:
        return f"it was answered with {answer.shown}, and not with {query['status']}"
    wanted = query.get("answer") or []
    if not wanted:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return f"the answer is not JSON: {answer.shown}"
    # Some answer a list, with one item for each thing that was asked.
    first = found[0] if isinstance(found, list) and found else found
    lacking = [key for key in wanted if not isinstance(first, dict) or key not in first]
    return f"the answer lacks {', '.join(lacking)}: {answer.shown}" if lacking else None


def query_services(services: t.Sequence[Service], timeout: float) -> list[dict[str, t.Any]]:
    """What came of the sample query of each service; raises with every one that was not answered as it should be."""
    results = [_query(service, timeout) for service in services if service.get("query")]
    problems = [result["problem"] for result in results if result["problem"]]
    if problems:
        raise CognitiveError("\n".join(problems), queries=results)
    return results


def _query(service: Service, timeout: float) -> dict[str, t.Any]:
    started = time.monotonic()
    query = service["query"]
    request = build(service)
    while True:
        answer = send(request)
        elapsed = time.monotonic() - started
        # One that is still loading says so with a status of its own.
        if (answer.status and answer.status < 500) or elapsed + _POLL > timeout:
            break
        time.sleep(_POLL)
    fault = find_fault(query, answer)
    what = f"its sample query {query['method']} {query['path']}"
    return {
        "host": service["host"],
        "service": service["name"],
        "family": service["family"],
        "query": f"{query['method']} {query['path']}",
        "status": answer.status,
        "seconds": round(elapsed, 1),
        "problem": f"{service['host']}, service {service['name']}: {what} failed: {fault}; read the log of its container." if fault else None,
    }
