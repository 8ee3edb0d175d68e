# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container's side of the billing endpoint."""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
import urllib.error
import urllib.parse
import urllib.request

BAD_ENDPOINT = (
    "Invalid Billing Endpoint URI. The Billing Endpoint URI can be obtained from Azure Portal by creating an Azure Cognitive Service "
    "that supports this container and then use the Endpoint URI.\n"
    "For information about Azure Cognitive Services, see http://aka.ms/cognitive-services"
)
LICENSE_PATH = "/cognitiveservices/disconnected/license"
_REASONS = {
    "Invalid": "Api Key is invalid.",
    "Mismatch": "Api Key is not intended for the given container type.",
    "OutOfQuota": "API key is out of quota",
    "ContainerUseUnauthorized": "The resource is not approved for disconnected containers.",
}


class Refused(Exception):
    """The download did not happen; the text is what the containers are known to say."""


def request_license(billing: str, key: str, question: dict[str, str], proxies: t.Mapping[str, str], timeout: float = 20) -> dict[str, t.Any]:
    """What the endpoint grants: C(expires), as seconds since the epoch."""
    try:
        parts = urllib.parse.urlsplit(billing)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise Refused(BAD_ENDPOINT)
    request = urllib.request.Request(
        billing.rstrip("/") + LICENSE_PATH,
        data=json.dumps(question).encode(),
        headers={"Ocp-Apim-Subscription-Key": key, "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(dict(proxies)), urllib.request.HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(request, timeout=timeout) as answer:
            granted: dict[str, t.Any] = json.load(answer)
            return {"expires": float(granted["expires"])}
    except urllib.error.HTTPError as error:
        raise Refused(_refusal(_status(error))) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Refused(f"Endpoint connection failed with status 'CouldNotConnect'. {reason}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("Endpoint connection failed with status 'Unknown'.") from error


def _status(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(65536))["status"])
    except (OSError, ValueError, KeyError, TypeError):
        return "Invalid" if error.code == 401 else "Unknown"


def _refusal(status: str) -> str:
    reason = _REASONS.get(status, "")
    return (
        f"Endpoint connection failed with status '{status}'.\n"
        f"Container is not in a valid state. Subscription validation failed with status '{status}'. {reason}".rstrip()
    )
