# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What a bundle says of itself beside its content, and how a site holds it to that: series, serial number, validity.

A signature proves who made a bundle, not that it is the newest. Serial numbers of a series only grow, and the site keeps the
highest that it took in, so that an old bundle, good as its signature is, cannot be slipped in for a newer one.
"""

from __future__ import annotations

import datetime
import json
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils import _bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._held import Held
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import write_beside

TIME = "%Y-%m-%dT%H:%M:%SZ"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


@dataclass(frozen=True)
class Terms:
    """What an export is to say: C(valid_days) after which a site refuses the bundle (0: never), and what it leaves out."""

    series: str = "default"
    valid_days: int = 0
    held: Held = field(default_factory=Held)
    now: datetime.datetime = field(default_factory=_now)

    def stamp(self, identity: str, before: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """C(created), C(tool), C(serial) and C(valid_until); those of C(before) where it has the same content and stays valid for long enough."""
        until = parse_time(before.get("valid_until"))
        if before.get("id") == identity and self._lasts(until) and isinstance(before.get("serial"), int):
            return {key: before[key] for key in ("created", "tool", "serial", "valid_until") if key in before}
        known = before.get("serial")
        # Seconds since 1970 grow by themselves, also where a staging machine knows no earlier bundle.
        serial = max(int(self.now.timestamp()), self.held.serial + 1, known + 1 if isinstance(known, int) else 0)
        stamp: dict[str, t.Any] = {"created": self.now.strftime(TIME), "tool": _bundle.TOOL, "serial": serial}
        if self.valid_days:
            stamp["valid_until"] = (self.now + datetime.timedelta(days=self.valid_days)).strftime(TIME)
        return stamp

    def _lasts(self, until: datetime.datetime | None) -> bool:
        if not self.valid_days:
            return until is None
        whole = datetime.timedelta(days=self.valid_days)
        # The last third is the time to sign it anew.
        return until is not None and whole / 3 < until - self.now <= whole


@dataclass(frozen=True)
class Policy:
    """How a site judges: C(record) is the file that keeps the highest serial number of each series."""

    record: str | None = None
    allow_older: bool = False
    allow_expired: bool = False
    # How far the clock of a machine without a network may be off.
    tolerance: datetime.timedelta = datetime.timedelta(days=1)
    now: datetime.datetime = field(default_factory=_now)

    def judge(self, catalogue: t.Mapping[str, t.Any], where: str) -> list[str]:
        """Raise where the bundle whose C(bundle.json) this is must not be used; warnings otherwise."""
        until, created = parse_time(catalogue.get("valid_until")), parse_time(catalogue.get("created"))
        if until is not None and self.now > until + self.tolerance and not self.allow_expired:
            raise CognitiveError(
                f"Bundle {where} was valid until {until.strftime(TIME)}, and the clock here says {self.now.strftime(TIME)}; "
                "get a newer bundle, put the clock right, or say that an expired one may be used (allow_expired)."
            )
        seen = self._read().get(self._series(catalogue))
        if seen and self._serial(catalogue) < seen["serial"] and not self.allow_older:
            raise CognitiveError(
                f"Bundle {where} of {catalogue.get('created', 'an unknown time')} is older than bundle {seen['id']} of {seen['created']}, which was used here before "
                f"(serial number {self._serial(catalogue)} after {seen['serial']} in series {self._series(catalogue)}); "
                "use the newer one, or say that an older one may be used (allow_older)."
            )
        if created is not None and created > self.now + self.tolerance:
            return [f"Bundle {where} was made at {created.strftime(TIME)}, and the clock here says {self.now.strftime(TIME)}; put the clock right."]
        return []

    def reason_to_remember(self, catalogue: t.Mapping[str, t.Any]) -> str | None:
        """Why the record must be written, or None."""
        seen = self._read().get(self._series(catalogue))
        if self.record is None or (seen and seen["serial"] >= self._serial(catalogue)):
            return None
        return "its serial number is the highest yet"

    def remember(self, catalogue: t.Mapping[str, t.Any]) -> None:
        """Keep the serial number of a bundle that was found to be right."""
        if self.record is None or not self.reason_to_remember(catalogue):
            return
        entry = {"serial": self._serial(catalogue), "id": str(catalogue.get("id", "")), "created": str(catalogue.get("created", ""))}
        try:
            write_beside(self.record, json.dumps({**self._read(), self._series(catalogue): entry}, sort_keys=True, indent=1).encode() + b"\n")
        except OSError as error:
            raise CognitiveError(f"{self.record} cannot be written ({error.strerror}); name a file that this user may write.") from error

    @staticmethod
    def _series(catalogue: t.Mapping[str, t.Any]) -> str:
        return str(catalogue.get("series", ""))

    @staticmethod
    def _serial(catalogue: t.Mapping[str, t.Any]) -> int:
        serial = catalogue.get("serial", 0)
        return serial if isinstance(serial, int) else 0

    def _read(self) -> dict[str, dict[str, t.Any]]:
        if self.record is None or not os.path.exists(self.record):
            return {}
        try:
            found = json.loads(_bundle.read_document(self.record))
            return {series: {"serial": int(entry["serial"]), "id": entry["id"], "created": entry["created"]} for series, entry in found.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CognitiveError(
                f"{self.record} cannot be read as the record of the bundles that were used here ({error!r}); put it back from a copy, or take it away to begin anew."
            ) from error


def parse_time(text: object) -> datetime.datetime | None:
    """The time that C(text) says, None where it says none."""
    try:
        return datetime.datetime.strptime(str(text), TIME).replace(tzinfo=datetime.timezone.utc) if text else None
    except ValueError:
        return None
