# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The ledger: all that was ever gathered, one file per gather, never changed once written.

    <ledger>/<host>/<UTC time>-<first 8 of the digest>.json

A record is canonical JSON and carries the digest of the one before. Names hold no character that a
stick or a disc of another system would refuse.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import re
import tempfile
import typing as t
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import (
    CognitiveError,
)

KIND = "airgap.cognitive.usage"
SCHEMA = 1
# A record that says the same as the last is not written, but a daily gather leaves its proof.
FRESH_HOURS = 20
# Larger than any record that this wrote: an answer's evidence is bounded, and so is the list of services.
RECORD_LIMIT = 64 << 20

Record = dict[str, t.Any]

_NAME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{6}Z)-([0-9a-f]{8})\.json")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# What says when, or compares with the gather before, and so differs in a gather that found nothing new.
_TIMES = ("time", "previous", "clock", "since_last")


@dataclass(frozen=True)
class Entry:
    """A record of the ledger, where it is, and what it is known by."""

    file: str
    digest: str
    record: Record


@dataclass(frozen=True)
class Fault:
    """A file of the ledger that is not what it should be."""

    host: str
    file: str
    text: str


def canonical(value: t.Any) -> bytes:
    """The one way to write C(value) as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def utc(seconds: float) -> str:
    """C(seconds) since the epoch as the ledger writes times."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime(_TIME)


def when(text: str) -> datetime.datetime:
    """The moment that L(utc) wrote."""
    return datetime.datetime.strptime(text, _TIME).replace(tzinfo=datetime.UTC)


def directory_name(host: str) -> str:
    """The name of a host's directory; hosts may be called anything."""
    name = quote(host, safe=" !#$&'()+,-;=@[]^_`{}~")
    return "%2E" + name[1:] if name.startswith(".") else name


class HostLedger:
    """The records of one host. Only the gather of that host writes here, one at a time."""

    def __init__(self, ledger: str, host: str) -> None:
        self.host = host
        self.path = os.path.join(ledger, directory_name(host))

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Keep a second gather of this host out, or refuse where one is under way."""
        make_directory(self.path)
        with open(os.path.join(self.path, ".lock"), "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CognitiveError(f"{self.host}: another gather is writing to {self.path}; wait until it is done.") from error
            yield

    def last(self) -> Entry | None:
        """The newest record."""
        for name in sorted(record_files(self.path), reverse=True):
            found = read_record(os.path.join(self.path, name), self.host)
            if isinstance(found, Entry):
                return found
        return None

    def reason_to_add(self, record: Record, last: Entry | None) -> str | None:
        """Why C(record) is worth a file of its own, or None where the last one says the same."""
        if last is None:
            return "the first record of this host"
        if _facts(record) != _facts(last.record):
            return "it differs from the record of " + str(last.record["time"])
        age = when(record["time"]) - when(last.record["time"])
        if age >= datetime.timedelta(hours=FRESH_HOURS):
            return f"the last record is {FRESH_HOURS} hours old or older"
        return None

    def add(self, record: Record, last: Entry | None) -> str:
        """Write C(record); the path of its file."""
        content = canonical({**record, "previous": last.digest if last else None})
        digest = hashlib.sha256(content).hexdigest()
        path = os.path.join(self.path, f"{record['time'].replace(':', '')}-{digest[:8]}.json")
        write_whole(path, content)
        return path


def _facts(record: Record) -> bytes:
    return canonical({key: value for key, value in record.items() if key not in _TIMES})


def record_files(path: str) -> list[str]:
    """Names of the records in a host's directory, oldest first."""
    try:
        names = os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CognitiveError(f"Ledger {path} cannot be read: {error.strerror}.") from error
    return sorted(name for name in names if name.endswith(".json") and not name.startswith("."))


def read_record(path: str, host: str) -> Entry | Fault:
    """One file of the ledger: a record whose content is the one that its name promises, or what is wrong with it."""
    name = os.path.basename(path)

    def fault(text: str) -> Fault:
        return Fault(host, path, f"{name} of {host} in the ledger {text}")

    match = _NAME.fullmatch(name)
    if not match:
        return fault("is not a usage record of this collection by its name; it was left out")
    try:
        if os.path.getsize(path) > RECORD_LIMIT:
            return fault(f"is larger than {RECORD_LIMIT} bytes; it was left out")
        with open(path, "rb") as handle:
            content = handle.read(RECORD_LIMIT + 1)
        record = json.loads(content)
    except OSError as error:
        return fault(f"cannot be read ({error.strerror})")
    except (ValueError, RecursionError):
        return fault("is cut off or was altered: it is not JSON; it was left out")
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(match.group(2)):
        return fault("was altered after it was written: its content does not have the digest in its name; it was left out")
    if not _is_record(record):
        return fault("is not a usage record of this collection; it was left out")
    return Entry(path, digest, record)


def _is_record(record: t.Any) -> bool:
    """Whether this has the shape that the rollup relies on; what services answered is judged there."""
    if not isinstance(record, dict) or record.get("kind") != KIND or record.get("schema") != SCHEMA:
        return False
    if not all(isinstance(record.get(key), str) for key in ("site", "host", "time")):
        return False
    try:
        when(record["time"])
        if record["reachable"] is False:
            return True
        return all(
            isinstance(service["name"], str)
            and isinstance(service["family"], str)
            and all(isinstance(answer["number"], int) and isinstance(answer["path"], str) for answer in service["answers"])
            for service in record["services"]
        ) and all(isinstance(mount["id"], str) and isinstance(mount["path"], str) for mount in record["mounts"])
    except (KeyError, TypeError, ValueError):
        return False


def read_ledgers(ledgers: t.Sequence[str]) -> t.Iterator[tuple[str, list[Entry], list[Fault]]]:
    """Of each host directory of C(ledgers): its name, its records and the faults of its files.

    Hosts of one name in several ledgers come together: a ledger that was imported twice, or the later
    half of one, adds nothing and loses nothing.
    """
    places: dict[str, list[str]] = {}
    for ledger in ledgers:
        if not os.path.isdir(ledger):
            raise CognitiveError(f"There is no ledger at {ledger}; gather usage first (airgap.cognitive.rollup does), or correct the path.")
        try:
            names = os.listdir(ledger)
        except OSError as error:
            raise CognitiveError(f"Ledger {ledger} cannot be read: {error.strerror}.") from error
        for name in names:
            path = os.path.join(ledger, name)
            if os.path.isdir(path):
                places.setdefault(name, []).append(path)
    for name in sorted(places):
        entries: dict[str, Entry] = {}
        faults: list[Fault] = []
        for path in places[name]:
            for file in record_files(path):
                found = read_record(os.path.join(path, file), name)
                if isinstance(found, Fault):
                    faults.append(found)
                else:
                    entries.setdefault(found.digest, found)
        yield name, sorted(entries.values(), key=lambda entry: (entry.record["time"], entry.digest)), faults


def make_directory(path: str) -> None:
    """Make C(path) with what leads to it."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise CognitiveError(f"Directory {path} cannot be made: {error.strerror}.") from error


def write_whole(path: str, content: bytes) -> None:
    """Write a file beside C(path), then put it in place: never half a file, whatever happens."""
    make_directory(os.path.dirname(path))
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.rename(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise CognitiveError(f"{path} cannot be written: {error.strerror}.") from error
