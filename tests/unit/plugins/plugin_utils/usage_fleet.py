# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that exists only here: its services are used, made anew and gathered, and it remembers what is true."""

from __future__ import annotations

import base64
import hashlib
import json
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from ansible_collections.airgap.cognitive.plugins.plugin_utils._ledger import KIND, SCHEMA, Entry, canonical, utc

START = 1767225600.0 + 14 * 86400  # 15 January 2026


@dataclass
class Directory:
    """An output directory: quantities by (reporter, month, meter)."""

    path: str
    scope: str = "service"
    inode: int = 100
    born: str | None = "2026-01-01 00:00:00"
    used: dict[tuple[str, str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    files: int = 1
    known_files: int = 0


@dataclass
class Service:
    """A service: what it calls itself, the directory it writes to, and how it behaves when it is asked."""

    name: str
    family: str
    reporter: str
    directory: Directory
    months: str = "answers"
    broken: str | None = None
    up: bool = True
    container: int = 1


class Host:
    """A host with a clock, and the truth: C(truth) by meter, C(lost) what no gather can ever see."""

    def __init__(self, name: str = "edge1", site: str = "north") -> None:
        self.name, self.site = name, site
        self.now = START
        self.services: list[Service] = []
        self.truth: dict[str, Decimal] = defaultdict(Decimal)
        self.by_month: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.entries: list[Entry] = []
        self.reachable = True
        self.inodes = 100
        self.history: list[t.Any] = []

    def __repr__(self) -> str:
        services = [(service.name, service.reporter, service.directory.path, service.directory.scope, service.months) for service in self.services]
        return f"Host({services}, {self.history})"

    def add(self, name: str, family: str = "sentiment", reporter: str | None = None, directory: Directory | None = None, **more: t.Any) -> Service:
        """A new service, with a directory of its own unless told otherwise."""
        service = Service(name, family, reporter or family, directory or Directory(f"/var/lib/cognitive/{name}/output", inode=self._inode()), **more)
        self.services.append(service)
        return service

    def _inode(self) -> int:
        self.inodes += 1
        return self.inodes

    @property
    def month(self) -> str:
        return utc(self.now)[:7]

    def use(self, service: Service, meter: str, quantity: Decimal | int) -> None:
        """Queries that C(service) answers."""
        self.truth[meter] += Decimal(quantity)
        self.by_month[meter, self.month] += Decimal(quantity)
        service.directory.used[service.reporter, self.month, meter] += Decimal(quantity)
        service.directory.files += 1

    def replace(self, directory: Directory, same_inode: bool = False) -> None:
        """Somebody empties the directory (C(same_inode)) or puts another in its place."""
        if same_inode and not directory.known_files:
            # All of it came and went between two gathers: of what nobody ever saw, nobody can know.
            self._forget(directory)
        directory.used.clear()
        directory.files, directory.known_files = 0, -abs(directory.known_files)
        if not same_inode:
            directory.inode = self._inode()
            directory.born = f"2026-{utc(self.now)}"

    def _forget(self, directory: Directory) -> None:
        for (_reporter, month, meter), quantity in directory.used.items():
            self.truth[meter] -= quantity
            self.by_month[meter, month] -= quantity

    def forget_unless_seen(self, directory: Directory) -> None:
        """For a directory that goes before any gather reached this host."""
        if not any(entry.record["reachable"] for entry in self.entries):
            self._forget(directory)
            directory.used.clear()

    def answer(self, service: Service, month: str | None) -> dict[str, t.Any]:
        """What one endpoint of C(service) says now."""
        path = "/records/usage-logs/" + (f"{month[5:]}/{month[:4]}" if month else "")
        answer: dict[str, t.Any] = {"path": path, "month": month, "status": 200, "type": "application/json", "error": None, "cut": False}
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for (reporter, used_in, meter), quantity in service.directory.used.items():
            if (service.directory.scope == "mount" or reporter == service.reporter) and (month in (None, used_in) or service.months == "total"):
                sums[meter] += quantity
        meters = ",".join(f'{{"name":{json.dumps(meter)},"quantity":{quantity}}}' for meter, quantity in sorted(sums.items()))
        answer["body"] = f'{{"apiType":"x","serviceName":{json.dumps(service.reporter)},"meters":[{meters}]}}'
        if month and service.months == "absent":
            answer.update(status=404, body="Not Found")
        if not service.up:
            answer.update(status=None, body="", error="Connection refused")
        elif service.broken is not None:
            answer.update(_broken(service.broken, answer["body"]))
        return answer

    def gather(self, months: int = 3) -> Entry:
        """What usage_gather would write; the shape is its, and a test of the action plugin keeps the two together."""
        record: dict[str, t.Any] = {"kind": KIND, "schema": SCHEMA, "site": self.site, "host": self.name, "time": utc(self.now)}
        if not self.reachable:
            return self._keep({**record, "reachable": False, "problem": "No route to host"})
        year, number = int(self.month[:4]), int(self.month[5:])
        wanted = [f"{(year * 12 + number - 1 - back) // 12:04d}-{(year * 12 + number - 1 - back) % 12 + 1:02d}" for back in range(months - 1, -1, -1)]
        mounts, services, since_last = [], {}, {}
        directories: list[Directory] = []
        for service in sorted(self.services, key=lambda entry: entry.name):
            if service.directory not in directories:
                directories.append(service.directory)
        for directory in directories:
            users = [service for service in self.services if service.directory is directory]
            name = min(service.name for service in users)
            mounts.append(
                {
                    "id": name,
                    "path": directory.path,
                    "device": 1,
                    "inode": directory.inode,
                    "born": directory.born,
                    "logs": {"files": directory.files, "skipped": []},
                }
            )
            gone = -directory.known_files if directory.known_files < 0 else 0
            since_last[name] = {"kept": 0 if gone else directory.known_files, "gone": gone}
            directory.known_files = directory.files
            answers: dict[str, list[dict[str, t.Any]]] = defaultdict(list)
            order = 0
            for _turn in range(2 if len(users) > 1 else 1):
                for service in users:
                    for month in [None, *wanted, None]:
                        if answers[service.name] and answers[service.name][-1]["status"] is None:
                            break
                        answers[service.name].append({**self.answer(service, month), "number": order})
                        order += 1
            for service in users:
                container = {"id": f"{service.name}-{service.container}", "state": "running" if service.up else "exited"}
                services[service.name] = {
                    "name": service.name, "family": service.family, "mount": name, "output_dir": directory.path, "container": container, "answers": answers[service.name],
                }  # fmt: skip
        record.update(
            reachable=True, clock={"host": utc(self.now), "ahead": 0}, engine={"version": "26.1", "problem": None},
            services=[services[name] for name in sorted(services)], mounts=mounts, since_last=since_last,
        )  # fmt: skip
        return self._keep(record)

    def _keep(self, record: dict[str, t.Any]) -> Entry:
        record["previous"] = self.entries[-1].digest if self.entries else None
        entry = Entry("", hashlib.sha256(canonical(record)).hexdigest(), record)
        self.entries.append(entry)
        return entry

    @property
    def expected(self) -> list[dict[str, str]]:
        return [{"site": self.site, "host": self.name, "name": service.name, "family": service.family} for service in self.services]


BROKEN = ("html", "cut", "nan", "negative", "huge", "binary", "empty", "endless", "other", "500", "deep", "words")


def _broken(how: str, body: str) -> dict[str, t.Any]:
    """Everything that a service has no business to answer."""
    if how == "binary":
        return {"body": "", "body_base64": base64.b64encode(b"\xff\xfe\x00" + body.encode()).decode()}
    if how == "endless":
        return {"body": "x" * 1000, "cut": True, "error": "more than 1048576 bytes; the first 65536 are kept"}
    if how == "500":
        return {"body": "Internal Server Error", "status": 500}
    meter = '{"meters":[{"name":"Broken.Meter","quantity":%s}]}'
    return {
        "body": {
            "html": "<!DOCTYPE html><html><body>Sign in</body></html>",
            "cut": body[: len(body) // 2],
            "nan": meter % "NaN",
            "negative": meter % "-5",
            "huge": meter % "1e30",
            "empty": "",
            "other": '{"items": [1, 2, 3]}',
            "deep": "[" * 100_000,
            "words": meter % '"many"',
        }[how]
    }
