# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What the containers are known to say when they refuse, why, and what helps.

The texts are those of the Microsoft documents "Azure AI containers frequently asked questions" and
"Disconnected containers frequently asked questions", and of logs that users published.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """C(cause) ends no sentence and C(cure) begins none, so that they fit into one.

    C(final) is what does not go away by waiting, whatever the container tries.
    """

    pattern: str
    cause: str
    cure: str
    final: bool = False


# The first that matches counts: what says more comes before what says less.
REFUSALS = (
    Refusal(
        r"provided license path was not found",
        "it finds no license directory",
        "put the license of this very image in place, as site does",
        final=True,
    ),
    Refusal(
        r"status '?Mismatch|not intended for the given container type",
        "the key belongs to a resource of another kind",
        "use the key of a resource with the commitment tier for this family",
    ),
    Refusal(
        r"status '?OutOfQuota|out of quota",
        "the resource is out of quota",
        "buy more units of the commitment plan",
    ),
    Refusal(
        r"ContainerUseUnauthorized|UnsupportedFeature",
        "the resource may not be used for this container",
        "ask Microsoft to approve it for disconnected containers",
    ),
    Refusal(
        r"status '?BillingEndpointBusy",
        "the endpoint is busy",
        "run it again in some minutes",
    ),
    Refusal(
        r"certificate verify failed|remote certificate is invalid|SSL connection could not be established",
        "the certificate of the endpoint is not trusted",
        "let no proxy on the way inspect TLS, and see that the endpoint is that of the Azure resource",
    ),
    Refusal(
        r"status '?CouldNotConnect|Failed to reach endpoint|Name or service not known|name resolution|Connection refused|No route to host",
        "it does not reach the endpoint",
        "see the name, the proxy and the firewall between this machine and the endpoint",
    ),
    Refusal(
        r"Invalid Billing Endpoint URI",
        "it got no valid endpoint",
        "see Keys and Endpoint of the Azure resource",
    ),
    Refusal(
        r"status '?Invalid|Api Key is invalid|status code:? 401|\b401 \(?Unauthorized|Metering attempt failed",
        "the key or the endpoint is wrong",
        "see Keys and Endpoint of the Azure resource",
    ),
    Refusal(
        r"Endpoint connection failed",
        "the endpoint did not answer as it should",
        "see that the endpoint is that of the Azure resource",
    ),
    Refusal(
        r"valid disconnected container license",
        "its license is missing, expired, altered or of another image or family",
        "renew the license and bring image and license together in one bundle",
        final=True,
    ),
    Refusal(
        r"container image is expired",
        "the image is too old",
        "use a newer version of the image",
        final=True,
    ),
    Refusal(
        r"Eula must be accepted|Missing EULA",
        "the license terms were not accepted",
        "leave the option eula to this collection",
        final=True,
    ),
    Refusal(
        r"Access to the path .* is denied|Permission denied|UnauthorizedAccess",
        "the user of the container (65532 as a rule) may not use one of its directories",
        "give the directory to that user, as site does",
    ),
    Refusal(
        r"Missing parameter Languages",
        "the languages are missing",
        "name them, en among them",
    ),
    Refusal(
        r"sh: can't open '?\w+=",
        "its own command was replaced by options, and it takes none there",
        "give its family style: environment in cognitive_families",
        final=True,
    ),
    Refusal(
        r"context deadline exceeded",
        "the download of the models took more than the hour that it is allowed",
        "repeat it with fewer languages or on a faster line",
    ),
    Refusal(
        r"illegal instruction",
        "the CPU lacks an instruction set that it needs",
        "run it on a host with AVX2",
    ),
)
_OUT_OF_MEMORY = Refusal("", "it was killed for want of memory", "give the service more memory, at least the recommended size of its family")
_ILLEGAL_INSTRUCTION = Refusal("", "the CPU lacks an instruction set that it needs", "run it on a host with AVX2")
# 128 and the number of the signal, as an engine reports a process that was killed by one.
_EXIT_ILLEGAL_INSTRUCTION = 132
_LISTENING = re.compile(r"Now listening on: https?://[^\s]*:(\d+)")


def find_refusal(text: str, state: t.Mapping[str, t.Any] | None = None) -> Refusal | None:
    """The first known refusal in C(text), a container's log or answer, or in the C(state) that its engine reports."""
    if state and state.get("OOMKilled"):
        return _OUT_OF_MEMORY
    found = next((refusal for refusal in REFUSALS if re.search(refusal.pattern, text, re.IGNORECASE)), None)
    if found is None and state and state.get("ExitCode") == _EXIT_ILLEGAL_INSTRUCTION:
        return _ILLEGAL_INSTRUCTION
    return found


def find_other_port(log: str, expected: int) -> Refusal | None:
    """Whether the container says that it listens on another port than its family should."""
    ports = [int(port) for port in _LISTENING.findall(log)]
    if not ports or expected in ports:
        return None
    return Refusal("", f"the container listens on port {ports[-1]} and not on {expected}", "override the field port of its family in cognitive_families")


def last_lines(text: str, count: int = 5, secrets: t.Iterable[str] = ()) -> str:
    """The end of a log in one line, without C(secrets)."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(line[:300] for line in lines[-count:])
