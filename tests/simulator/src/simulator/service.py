# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A running container: whether it is ready, whether its license is good, and what it has been used for."""

from __future__ import annotations

import datetime
import http.client
import json
import time
import typing as t
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

from simulator.license import NOT_VALID, License, LicenseProblem
from simulator.options import Options
from simulator.profiles import Profile
from simulator.switches import Switches
from simulator.usage import Record, UsageStore

INTERNAL = "X-Sim-Companion"


class Headers(t.Protocol):
    """Of a request; names in any case."""

    def get(self, name: str, default: str = "", /) -> str: ...


class QueryError(Exception):
    """A request that cannot be answered: HTTP status, error code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Service:
    """C(license_) is None when it is not good and the switch lets the container live on."""

    def __init__(
        self,
        profile: Profile,
        options: Options,
        switches: Switches,
        store: UsageStore,
        license_: License | None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self.profile = profile
        self.options = options
        self.switches = switches
        self.store = store
        self.license = license_
        self._clock = clock
        self._ready_at = time.monotonic() + switches.number("SIM_READY_DELAY")
        self.layout = options.get("AzureCognitiveServiceLayoutHost").rstrip("/")
        self.shared = Path(options.get("SharedRootFolder") or options.get("Mounts:Shared", "/share"))

    def licensed(self) -> bool:
        if self.license is None:
            return False
        return self.switches["SIM_EXPIRY"] == "start" or self._clock() < self.license.expires

    def ready(self) -> tuple[bool, str]:
        """Whether queries may come, and the message of C(/ready)."""
        if time.monotonic() < self._ready_at:
            return False, "Models are being loaded."
        if not self.licensed() and self.switches["SIM_BAD_LICENSE"] != "ready":
            return False, self.status()[1]
        if self.profile.needs_layout and self.switches["SIM_COMPANION_MISSING"] == "unready":
            try:
                self._companion("/ready")
            except QueryError as error:
                return False, str(error)
        return True, self.status()[1]

    def status(self) -> tuple[str, str]:
        """C(apiStatus) and its message."""
        if not self.licensed():
            return self.switches["SIM_STATUS_INVALID"], NOT_VALID
        return "Valid", "Api Key is valid, no action needed." if self.switches["SIM_STATUS_VALID"] == "api-key" else "License is valid, no action needed."

    def require(self) -> None:
        """Raises unless a query may be answered."""
        if not self.licensed():
            state, message = self.status()
            text = f"Container is not in a valid state. Subscription validation failed with status '{state}'. {message}"
            raise QueryError(403, "ContainerNotValid", text)
        ready, message = self.ready()
        if not ready:
            raise QueryError(503, "ServiceUnavailable", f"Service is temporarily unavailable. {message}")

    def count(self, quantity: Decimal | int, headers: Headers) -> None:
        """Writes usage before the answer goes out: what was answered is always counted."""
        if headers.get(INTERNAL) and self.switches["SIM_COMPANION_USAGE"] == "free":
            return
        self.record(self.profile.meter, Decimal(quantity), datetime.datetime.now(datetime.UTC).strftime("%Y-%m"))

    def record(self, meter: str, quantity: Decimal, month: str) -> None:
        if not quantity:
            return
        try:
            self.store.add(Record(meter, quantity, month))
        except OSError as error:
            raise QueryError(503, "UsageNotRecorded", f"Usage cannot be written to {self.store.directory}: {error.strerror}") from error

    def read_layout(self, body: bytes) -> dict[str, t.Any]:
        """What the layout container finds in a document."""
        answer, location = self._companion("/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2023-07-31", body)
        path = "/" + location.partition("://")[2].partition("/")[2]
        for _attempt in range(50):
            answer, _location = self._companion(path)
            if answer.get("status") in ("succeeded", "failed"):
                break
            time.sleep(0.1)
        if answer.get("status") != "succeeded":
            raise QueryError(502, "LayoutFailed", f"The layout container at {self.layout} could not read the document.")
        result: dict[str, t.Any] = answer["analyzeResult"]
        return result

    def _companion(self, path: str, body: bytes | None = None) -> tuple[dict[str, t.Any], str]:
        if not self.layout:
            raise QueryError(503, "LayoutMissing", "AzureCognitiveServiceLayoutHost is not set: this container needs a layout container.")
        request = urllib.request.Request(self.layout + path, data=body, headers={INTERNAL: "1", "Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return json.loads(answer.read() or b"{}"), answer.headers.get("Operation-Location", "")
        except urllib.error.HTTPError as error:
            raise QueryError(502, "LayoutFailed", f"The layout container at {self.layout} answered with {error.code}.") from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            text = f"The layout container at {self.layout} (AzureCognitiveServiceLayoutHost) cannot be reached: {getattr(error, 'reason', error)}"
            raise QueryError(503, "LayoutMissing", text) from error


def describe(problem: LicenseProblem, switches: Switches) -> str:
    """The log line of a refused license."""
    return f"{problem}. {problem.reason}." if switches["SIM_LICENSE_MESSAGE"] == "reason" else str(problem)
