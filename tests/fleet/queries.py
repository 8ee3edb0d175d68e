#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real queries to the services of the demo, and the comparison of the report with what was sent.

    queries.py send      bring each service to its number of queries; a second call sends only what is short
    queries.py compare   compare the sums of the report with what was sent, meter by meter

What was sent is counted here, from the queries alone, never from what a service says.
"""

from __future__ import annotations

import collections
import decimal
import io
import json
import os
import sys
import time
import typing as t
import urllib.error
import urllib.request
import wave
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / ".build" / "demo"
SENT = DEMO / "queries.json"
TEXT = "CognitiveServices.TextAnalytics.Container.BatchScoring"
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082")
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Query(t.NamedTuple):
    """One query of a family, and what it uses: C(quantity) of C(meter)."""

    path: str
    content_type: str
    body: bytes
    meter: str
    quantity: str


def _text(operation: str) -> Query:
    body = json.dumps({"documents": [{"id": "1", "language": "en", "text": "The food was good, and the room was clean."}]}).encode()
    return Query(f"/text/analytics/v3.0/{operation}", "application/json", body, TEXT, "1")


def _speech() -> Query:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16000)
        # 3.6 s are a thousandth of an hour.
        writer.writeframes(bytes(2 * 57600))
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US"
    return Query(path, "audio/wav", sound.getvalue(), "CognitiveServices.SpeechServices.Container.SpeechToTextHours", "0.001")


def _document(model: str, meter: str) -> Query:
    path = f"/formrecognizer/documentModels/{model}:analyze?api-version=2023-07-31"
    return Query(path, "image/png", PIXEL, f"CognitiveServices.FormRecognizer.Container.{meter}", "1")


QUERIES = {
    "sentiment": _text("sentiment"),
    "keyphrase": _text("keyPhrases"),
    "language-detection": _text("languages"),
    "speech-to-text": _speech(),
    "vision-read": Query("/vision/v3.2/read/syncAnalyze", "image/png", PIXEL, "CognitiveServices.ComputerVision.Container.ReadPages", "1"),
    "di-layout": _document("prebuilt-layout", "LayoutPages"),
    "di-invoice": _document("prebuilt-invoice", "InvoicePages"),
}


def services() -> t.Iterator[tuple[str, str, dict[str, t.Any], int]]:
    """Host, address, service, and how many queries it gets: another number for each."""
    fleet = json.loads((DEMO / "inventory" / "hosts.yml").read_text())["fleet"]["hosts"]
    number = 3
    for host in sorted(fleet):
        for service in fleet[host]["cognitive_services"]:
            yield host, fleet[host]["ansible_host"], service, number
            number += 1


def ask(url: str, query: Query | None) -> tuple[int, bytes, str | None]:
    """Status, body, and where the result of a long operation will be."""
    request = urllib.request.Request(url, data=query.body if query else None, headers={"Content-Type": query.content_type} if query else {})
    with OPENER.open(request, timeout=30) as answer:
        return answer.status, answer.read(), answer.headers.get("Operation-Location")


def send_one(address: str, service: dict[str, t.Any], query: Query) -> None:
    """One query, to its end."""
    base = f"http://{address}:{service['port']}"
    _status, body, operation = ask(base + query.path, query)
    if operation:
        path = "/" + operation.split("://", 1)[-1].split("/", 1)[1]
        for _attempt in range(50):
            _status, body, _none = ask(base + path, None)
            state = json.loads(body).get("status")
            if state == "succeeded":
                return
            if state == "failed":
                raise SystemExit(f"queries: {service['name']} failed: {body[:300]!r}")
            time.sleep(0.1)
        raise SystemExit(f"queries: {service['name']} does not finish {operation}.")
    if not body:
        raise SystemExit(f"queries: {service['name']} answered nothing.")


def read_sent() -> dict[str, int]:
    """By host and service, how many queries were sent."""
    return dict(json.loads(SENT.read_text())) if SENT.exists() else {}


def write_sent(sent: dict[str, int]) -> None:
    """Keep it at once: a killed demo goes on where it was."""
    beside = SENT.with_name(SENT.name + ".new")
    beside.write_text(json.dumps(sent, indent=1, sort_keys=True))
    os.replace(beside, SENT)


def send(more: int = 0) -> int:
    """Bring each service to its number of queries, plus C(more)."""
    sent = read_sent()
    fresh = 0
    for host, address, service, number in services():
        key = f"{host}/{service['name']}"
        while sent.get(key, 0) < number + more:
            try:
                send_one(address, service, QUERIES[service["family"]])
            except (OSError, ValueError) as error:
                detail = error.read()[:300] if isinstance(error, urllib.error.HTTPError) else error
                print(f"queries: {key} at {address}:{service['port']} does not answer as it should: {detail!r}")
                return 1
            sent[key] = sent.get(key, 0) + 1
            fresh += 1
            write_sent(sent)
    print(f"queries: {fresh} sent now, {sum(sent.values())} in all, to {len(sent)} services.")
    return 0


def compare() -> int:
    """Whether the report says what was sent."""
    sent = read_sent()
    expected: dict[str, decimal.Decimal] = collections.defaultdict(decimal.Decimal)
    for host, _address, service, _number in services():
        query = QUERIES[service["family"]]
        expected[query.meter] += sent.get(f"{host}/{service['name']}", 0) * decimal.Decimal(query.quantity)
    reported: dict[str, decimal.Decimal] = collections.defaultdict(decimal.Decimal)
    for total in json.loads((DEMO / "report" / "usage.json").read_text(), parse_float=decimal.Decimal)["totals"]:
        reported[total["meter"]] += decimal.Decimal(total["quantity"])
    wrong = 0
    for meter in sorted({*expected, *reported}):
        same = expected[meter] == reported[meter]
        wrong += not same
        print(f"{'same' if same else 'DIFFERENT'}  sent {expected[meter]:>8}  reported {reported[meter]:>8}  {meter}")
    return 1 if wrong else 0


if __name__ == "__main__":
    ACTIONS = {"send": send, "compare": compare}
    if len(sys.argv) == 3 and sys.argv[1] == "send" and sys.argv[2].isdigit():
        sys.exit(send(int(sys.argv[2])))
    if len(sys.argv) != 2 or sys.argv[1] not in ACTIONS:
        sys.exit("queries: say send, send NUMBER-MORE, or compare.")
    sys.exit(ACTIONS[sys.argv[1]]())
