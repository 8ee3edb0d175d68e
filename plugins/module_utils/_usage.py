# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What the services of this host say that they used: asked, and kept word for word.

Nothing is judged here. An answer may be endless, cut, HTML or no text at all; it becomes evidence
of bounded size, and the rollup says what it is worth.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import socket
import subprocess
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import Engine
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._usage_tree import Listing, list_tree

try:
    import docker.errors
except ImportError:  # Engine says what to do.
    pass

# A real answer has some hundred bytes. What is longer than the first is no answer, and of that the second is kept as evidence.
ANSWER_LIMIT = 1 << 20
EVIDENCE_LIMIT = 64 << 10
ANSWER_TIMEOUT = 15.0
# Mounts are asked side by side, a mount's services one after the other.
AT_ONCE = 8

TOTAL = "/records/usage-logs/"
_MONTH = re.compile(r"(\d{4})-(\d{2})")

Record = dict[str, t.Any]


def month_path(month: str) -> str:
    """The endpoint of C(month), which is C(2026-11)."""
    match = _MONTH.fullmatch(month)
    if not match or not 1 <= int(match.group(2)) <= 12:
        raise CognitiveError(f"{month!r} is not a month; write year and month, for example 2026-11.")
    return f"{TOTAL}{match.group(2)}/{match.group(1)}"


def ask(address: str, port: int, path: str, timeout: float = ANSWER_TIMEOUT) -> Record:
    """One answer, word for word: C(status), C(type), C(body) or C(body_base64), C(error), and C(cut) where there was more.

    It takes C(timeout) seconds at most, however slowly the bytes come, and never raises for what the other side does.
    """
    answer: Record = {"path": path, "status": None, "type": None, "body": "", "error": None, "cut": False}
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    body, late = b"", threading.Event()
    try:
        connection.connect()
        # A timeout of the socket is per read; one byte a second would keep us for ever.
        watch = threading.Timer(timeout, _hang_up, [connection.sock, late])
        watch.daemon = True
        watch.start()
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            answer.update(status=response.status, type=response.getheader("Content-Type"))
            while len(body) <= ANSWER_LIMIT:
                block = response.read1(64 << 10)
                if not block:
                    break
                body += block
            if response.length and len(body) <= ANSWER_LIMIT:
                answer["error"] = f"the connection ended {response.length} bytes early"
        finally:
            watch.cancel()
    except (OSError, http.client.HTTPException, ValueError) as error:
        answer["error"] = f"no answer within {timeout:g} seconds" if isinstance(error, socket.timeout) else _plain(error)
    finally:
        connection.close()
    if late.is_set():
        answer["error"] = f"no end within {timeout:g} seconds"
    if len(body) > ANSWER_LIMIT:
        answer.update(cut=True, error=f"more than {ANSWER_LIMIT} bytes; the first {EVIDENCE_LIMIT} are kept")
        body = body[:EVIDENCE_LIMIT]
    try:
        answer["body"] = body.decode("utf-8")
    except UnicodeDecodeError:
        answer["body_base64"] = base64.b64encode(body).decode("ascii")
    return answer


def _hang_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _plain(error: BaseException) -> str:
    """An error of the network in the operating system's words, without numbers that differ from run to run."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    return text if isinstance(error, OSError) else f"{type(error).__name__}: {text}"[:300]


def gather(services: t.Sequence[t.Mapping[str, t.Any]], months: t.Sequence[str], engine_url: str | None) -> Record:
    """Ask every service, list every output mount. Returns C(engine), C(services), C(mounts), C(listings)."""
    for month in months:
        month_path(month)
    engine, engine_problem = None, None
    try:
        engine = Engine(engine_url)
    except CognitiveError as error:
        # Logs and endpoints can be had without it.
        engine_problem = str(error)
    records = [_describe(service, engine) for service in sorted(services, key=lambda service: str(service.get("name")))]
    mounts, listings = _mounts(records)
    shared = [[record for record in records if record["mount"] == mount["id"]] for mount in mounts]
    lonely = [[record] for record in records if record["mount"] is None]
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        list(pool.map(lambda group: _ask_mount(group, months), shared + lonely))
    version = engine.version if engine else None
    return {
        "engine": {"version": version, "problem": engine_problem},
        "services": records,
        "mounts": mounts,
        "listings": [[listing.store, listing.files] for listing in listings],
    }


def _describe(service: t.Mapping[str, t.Any], engine: Engine | None) -> Record:
    """A service before it is asked."""
    try:
        record: Record = {key: service[key] for key in ("name", "family", "port", "output_dir")}
    except KeyError as error:
        raise CognitiveError(f"A service has no {error.args[0]!r}; give the services as airgap.cognitive.service_info returns them.") from error
    bind = str(service.get("bind") or "127.0.0.1")
    record.update(
        port=int(record["port"]),
        # An address that means "all of them" is one to listen at, not one to ask.
        address={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind),
        tag=service.get("tag"),
        image=service.get("image"),
        mount=None,
        container=_container(engine, record["name"]) if engine else None,
        answers=[],
    )
    return record


def _container(engine: Engine, name: str) -> Record | None:
    """What the engine knows of the container C(name), or None where there is none."""
    try:
        with engine.speaking():
            found = engine.api.inspect_container(name)
    except docker.errors.NotFound:
        return None
    except CognitiveError:
        return None
    config, state = found.get("Config") or {}, found.get("State") or {}
    return {
        "id": found.get("Id"),
        "hostname": config.get("Hostname"),
        "image": config.get("Image"),
        "image_id": found.get("Image"),
        "license": (config.get("Labels") or {}).get("airgap.cognitive.license"),
        "created": found.get("Created"),
        "started": state.get("StartedAt"),
        "state": state.get("Status"),
    }


def _mounts(records: t.Sequence[Record]) -> tuple[list[Record], list[Listing]]:
    """The output mounts of C(records), each once, whichever paths lead to it; sets C(mount) in each record."""
    mounts: dict[tuple[t.Any, ...], Record] = {}
    listings = []
    for record in records:
        real = os.path.realpath(record["output_dir"])
        try:
            seen = os.stat(real)
        except OSError as error:
            record["mount_problem"] = f"output directory {record['output_dir']}: {error.strerror}"
            continue
        key = (seen.st_dev, seen.st_ino)
        if key not in mounts:
            # The store of its logs is named for the first service by name, which a reader knows; the inode is evidence only.
            mount: Record = {"id": record["name"], "path": real, "device": seen.st_dev, "inode": seen.st_ino, "born": _born(real)}
            listing = list_tree(real, record["name"])
            mount.update(logs={"files": len(listing.files), "bytes": sum(entry[1] for entry in listing.files), "skipped": listing.skipped})
            mounts[key] = mount
            listings.append(listing)
        record["mount"] = mounts[key]["id"]
    return list(mounts.values()), listings


def _born(path: str) -> str | None:
    """When the directory was made, where the filesystem knows: an inode's number alone is soon given to another."""
    try:
        done = subprocess.run(["stat", "--format=%W %w", "--", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    seconds, _space, text = done.stdout.decode("ascii", "replace").strip().partition(" ")
    return text if seconds.isdigit() and int(seconds) > 0 else None


def _ask_mount(records: t.Sequence[Record], months: t.Sequence[str]) -> None:
    """Ask the services of one mount in turn; twice where there are several.

    Only so can it be told later whether each reports the whole mount or its own part of it: what
    goes up, down and up again in turn is not one counter.
    """
    number = 0
    silent = set()
    for _turn in range(2 if len(records) > 1 else 1):
        for record in records:
            # The total again at the end: what was used while we asked is then seen as such.
            for path, month in [(TOTAL, None)] + [(month_path(month), month) for month in months] + [(TOTAL, None)]:
                if record["name"] in silent:
                    break
                answer = ask(record["address"], record["port"], path)
                answer.update(number=number, month=month)
                number += 1
                record["answers"].append(answer)
                if answer["status"] is None:
                    # One who is silent once would keep us waiting for every month.
                    silent.add(record["name"])
