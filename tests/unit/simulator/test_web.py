# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests, each with the answer that the documents show."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import re
import threading
import typing as t
import wave
import zipfile
from pathlib import Path

import pytest
from positions import SwitchesAt
from simulator.license import License
from simulator.options import Options
from simulator.profiles import PROFILES
from simulator.samples import Answer, Request
from simulator.service import Service
from simulator.usage import UsageStore
from simulator.web import App, make_server

PNG = b"\x89PNG\r\n\x1a\n"
PDF = b"%PDF-1.4 /Type /Pages /Type /Page x /Type/Page"


class Client:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = App(service)

    def send(self, method: str, path: str, body: bytes | dict[str, t.Any] = b"", **headers: str) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        path, _mark, query = path.partition("?")
        pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
        return self.app.answer(Request(method, path, pairs, names, content, "h:1"))

    def usage(self, path: str = "/records/usage-logs/") -> dict[str, t.Any]:
        return {meter["name"]: meter["quantity"] for meter in json.loads(self.send("GET", path).body)["meters"]}


ClientOf = t.Callable[..., Client]


@pytest.fixture
def client(tmp_path: Path, switches: SwitchesAt) -> ClientOf:
    def make(
        family: str = "sentiment", options: t.Sequence[str] = (), now: t.Callable[[], float] = lambda: 1000, licensed: bool = True, **positions: str
    ) -> Client:
        profile = PROFILES[family]
        stand = switches(**{"READY_DELAY": "0", **positions})
        store = UsageStore(tmp_path / "output", profile, "h1", stand)
        store.prepare()
        license_ = License(profile.service, "1", 2000) if licensed else None
        return Client(Service(profile, Options([f"Mounts:Shared={tmp_path}/share", *options], {}), stand, store, license_, now))

    return make


def test_home(client: ClientOf) -> None:
    assert "Your Azure Cognitive Service Container is up and running" in client().send("GET", "/").body


def test_ready(client: ClientOf) -> None:
    answer = client("vision-read").send("GET", "/ready")
    assert (answer.status, answer.body) == (200, {"service": "computervisionread", "ready": "ready", "message": "Api Key is valid, no action needed."})
    answer = client("vision-read", READY_DELAY="60").send("GET", "/ready")
    assert (answer.status, answer.body["ready"]) == (503, "notReady")


def test_status(client: ClientOf) -> None:
    expected = {"service": "languagefasttext", "apiStatus": "Valid", "apiStatusMessage": "Api Key is valid, no action needed."}
    assert client("language-detection", READY_DELAY="60").send("GET", "/status").body == expected
    answer = client("language-detection", licensed=False).send("GET", "/status")
    assert (answer.status, answer.body["apiStatus"]) == (200, "Invalid")
    assert client("language-detection", licensed=False, STATUS_INVALID="Mismatch").send("GET", "/status").body["apiStatus"] == "Mismatch"


@pytest.mark.parametrize(("position", "status"), [("running", "Invalid"), ("exit", "Invalid"), ("start", "Valid")])
def test_license_that_ends_while_it_runs(client: ClientOf, position: str, status: str) -> None:
    one = client(EXPIRY=position, now=lambda: 2000)
    assert one.send("GET", "/status").body["apiStatus"] == status
    answer = one.send("POST", "/text/analytics/v3.0/sentiment", {"documents": [{"id": "1", "text": "a"}]})
    assert answer.status == (200 if status == "Valid" else 403)
    assert one.usage() == ({PROFILES["sentiment"].meter: 1} if status == "Valid" else {})


def test_query_before_ready(client: ClientOf) -> None:
    assert client(READY_DELAY="60").send("POST", "/text/analytics/v3.0/sentiment", {"documents": [{"id": "1", "text": "a"}]}).status == 503


@pytest.mark.parametrize(
    ("family", "path", "field"),
    [("sentiment", "sentiment", "sentiment"), ("keyphrase", "keyPhrases", "keyPhrases"), ("language-detection", "languages", "detectedLanguage")],
)
def test_language(client: ClientOf, family: str, path: str, field: str) -> None:
    one = client(family)
    documents = [{"id": "1", "language": "en", "text": "x" * 1001}, {"id": "2", "text": " "}, {"id": "3", "text": "short"}]
    answer = one.send("POST", f"/text/analytics/v3.1/{path}", {"documents": documents})
    assert answer.status == 200
    assert [document["id"] for document in answer.body["documents"]] == ["1", "3"]
    assert all(field in document for document in answer.body["documents"])
    assert [error["id"] for error in answer.body["errors"]] == ["2"]
    assert one.usage() == {PROFILES[family].meter: 3}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"documents": []}'])
def test_language_needs_documents(client: ClientOf, body: bytes) -> None:
    one = client()
    assert one.send("POST", "/text/analytics/v3.0/sentiment", body).status == 400
    assert one.usage() == {}


def test_query_of_another_family(client: ClientOf) -> None:
    assert client("sentiment").send("POST", "/text/analytics/v3.0/languages", {"documents": [{"id": "1", "text": "a"}]}).status == 404


def sound(seconds: float) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16000)
        writer.writeframes(bytes(2 * int(16000 * seconds)))
    return stream.getvalue()


def test_speech_is_counted_in_hours(client: ClientOf) -> None:
    one = client("speech-to-text")
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US&format=simple"
    answer = one.send("POST", path, sound(3.6))
    assert (answer.body["RecognitionStatus"], answer.body["Duration"]) == ("Success", 36_000_000)
    assert one.usage() == {PROFILES["speech-to-text"].meter: 0.001}
    assert one.send("POST", path, sound(0)).body["RecognitionStatus"] == "InitialSilenceTimeout"
    assert one.send("POST", path, b"not a sound").status == 400
    assert one.send("POST", path.partition("?")[0], sound(1)).status == 400
    assert one.usage() == {PROFILES["speech-to-text"].meter: 0.001}


def test_voice(client: ClientOf) -> None:
    one = client("neural-text-to-speech")
    ssml = b"<speak version='1.0' xml:lang='en-US'><voice name='en-US-AriaNeural'>Ready.</voice></speak>"
    answer = one.send("POST", "/cognitiveservices/v1", ssml, X_Microsoft_OutputFormat="riff-24khz-16bit-mono-pcm")
    with wave.open(io.BytesIO(answer.body)) as reader:
        assert (reader.getframerate(), reader.getnframes()) == (24000, 2880)
    assert one.usage() == {PROFILES["neural-text-to-speech"].meter: 6}
    assert one.send("POST", "/cognitiveservices/v1", ssml).status == 400
    assert one.send("POST", "/cognitiveservices/v1", b"hello", X_Microsoft_OutputFormat="riff-24khz-16bit-mono-pcm").status == 400
    assert one.send("GET", "/cognitiveservices/voices/list").body[0]["ShortName"] == "en-US-AriaNeural"


def test_read(client: ClientOf) -> None:
    one = client("vision-read")
    assert len(one.send("POST", "/vision/v3.2/read/syncAnalyze", PDF, Content_Type="application/octet-stream").body["analyzeResult"]["readResults"]) == 2
    assert one.send("POST", "/vision/v3.2/read/syncAnalyze", b"{}", Content_Type="application/json").status == 400
    assert one.send("POST", "/vision/v3.2/read/syncAnalyze", b"text").status == 400
    answer = one.send("POST", "/vision/v3.2/read/analyze", PNG)
    location = answer.headers["Operation-Location"]
    assert (answer.status, location.startswith("http://h:1/vision/v3.2/read/analyzeResults/")) == (202, True)
    assert one.send("GET", location.removeprefix("http://h:1")).body["status"] == "succeeded"
    assert one.send("GET", "/vision/v3.2/read/analyzeResults/0").status == 404
    assert one.usage() == {PROFILES["vision-read"].meter: 3}


LAYOUT = "/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2023-07-31"
INVOICE = "/formrecognizer/documentModels/prebuilt-invoice:analyze?api-version=2023-07-31"
DOCUMENT = {"base64Source": base64.b64encode(PDF).decode()}


def test_layout(client: ClientOf) -> None:
    one = client("di-layout")
    answer = one.send("POST", LAYOUT, DOCUMENT, Content_Type="application/json")
    location = answer.headers["Operation-Location"].removeprefix("http://h:1")
    assert location.endswith("?api-version=2023-07-31")
    assert len(one.send("GET", location).body["analyzeResult"]["pages"]) == 2
    assert one.send("POST", INVOICE, DOCUMENT, Content_Type="application/json").status == 404
    assert one.send("POST", LAYOUT, {"urlSource": "http://x"}, Content_Type="application/json").status == 400
    assert one.usage() == {PROFILES["di-layout"].meter: 2}


@contextlib.contextmanager
def serve(app: App) -> t.Iterator[int]:
    server = make_server(app, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("position", "layout_usage"), [("free", {}), ("metered", {PROFILES["di-layout"].meter: 2})])
def test_invoice_asks_its_layout(client: ClientOf, position: str, layout_usage: dict[str, int]) -> None:
    layout = client("di-layout", COMPANION_USAGE=position, REPORT_SCOPE="service")
    with serve(layout.app) as port:
        one = client("di-invoice", [f"AzureCognitiveServiceLayoutHost=http://127.0.0.1:{port}"], REPORT_SCOPE="service", COMPANION_MISSING="unready")
        assert one.send("GET", "/ready").status == 200
        answer = one.send("POST", INVOICE, DOCUMENT, Content_Type="application/json")
        assert answer.status == 202
        result = one.send("GET", answer.headers["Operation-Location"].removeprefix("http://h:1")).body["analyzeResult"]
        assert (result["documents"][0]["docType"], len(result["pages"])) == ("invoice", 2)
        assert one.usage() == {PROFILES["di-invoice"].meter: 2}
        assert layout.usage() == layout_usage


@pytest.mark.parametrize(
    ("options", "words"), [([], "is not set"), (["AzureCognitiveServiceLayoutHost=http://127.0.0.1:9"], "at http://127.0.0.1:9 .* cannot be reached")]
)
def test_invoice_without_its_layout(client: ClientOf, options: list[str], words: str) -> None:
    one = client("di-invoice", options)
    assert one.send("GET", "/ready").status == 200
    answer = one.send("POST", INVOICE, DOCUMENT, Content_Type="application/json")
    assert (answer.status, answer.body["error"]["code"]) == (503, "LayoutMissing")
    assert re.search(words, answer.body["error"]["message"])
    assert one.usage() == {}
    assert client("di-invoice", options, COMPANION_MISSING="unready").send("GET", "/ready").status == 503


def test_custom_model_is_built_and_used(client: ClientOf) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as training:
        training.writestr("a.json", "{}")
    layout = client("di-layout", REPORT_SCOPE="service")
    with serve(layout.app) as port:
        one = client("di-custom-template", [f"AzureCognitiveServiceLayoutHost=http://127.0.0.1:{port}"], REPORT_SCOPE="service")
        assert one.send("GET", "/formrecognizer/documentModels").body == {"value": []}
        order = {"modelId": "bills", "base64Source": base64.b64encode(archive.getvalue()).decode()}
        built = one.send("POST", "/formrecognizer/documentModels:build", order)
        assert one.send("GET", built.headers["Operation-Location"].removeprefix("http://h:1")).body["status"] == "succeeded"
        assert one.send("GET", "/formrecognizer/documentModels").body == {"value": [{"modelId": "bills"}]}
        assert one.send("POST", "/formrecognizer/documentModels/bills:analyze", DOCUMENT, Content_Type="application/json").status == 202
        assert one.send("POST", "/formrecognizer/documentModels/none:analyze", DOCUMENT, Content_Type="application/json").status == 404
        assert one.send("POST", "/formrecognizer/documentModels:build", {**order, "modelId": "../x"}).status == 400
        assert one.send("POST", "/formrecognizer/documentModels:build", {**order, "base64Source": "AAAA"}).status == 400
        assert one.usage() == {PROFILES["di-custom-template"].meter: 2}


def test_month_report(client: ClientOf) -> None:
    one = client()
    assert one.send("POST", "/__sim/usage", {"meter": "m", "quantity": "12.5", "month": "2024-03"}).status == 204
    assert one.send("POST", "/__sim/usage", {"quantity": 3, "month": "2024-04"}).status == 204
    for path in ("/records/usage-logs/03/2024", "/records/usage-logs/3/2024/"):
        assert one.usage(path) == {"m": 12.5}
    assert one.usage("/records/usage-logs") == {"m": 12.5, PROFILES["sentiment"].meter: 3}
    for path in ("13/2024", "00/2024", "x/2024", "3/24"):
        assert one.send("GET", f"/records/usage-logs/{path}").status == 400
    assert client(EMPTY_MONTH="not-found").send("GET", "/records/usage-logs/05/2024").status == 404


@pytest.mark.parametrize("body", [{}, {"quantity": "x"}, {"quantity": "NaN"}, {"quantity": 1, "month": "2024-13"}])
def test_bad_injection(client: ClientOf, body: dict[str, t.Any]) -> None:
    one = client()
    assert one.send("POST", "/__sim/usage", body).status == 400
    assert one.usage() == {}


def test_usage_that_cannot_be_written_is_not_answered(client: ClientOf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> t.NoReturn:
        raise OSError(28, "No space left on device")

    one = client()
    monkeypatch.setattr(one.service.store, "add", full)
    answer = one.send("POST", "/text/analytics/v3.0/sentiment", {"documents": [{"id": "1", "text": "a"}]})
    assert (answer.status, answer.body["error"]["code"]) == (503, "UsageNotRecorded")


def test_swagger(client: ClientOf) -> None:
    assert client().send("GET", "/swagger").status == 200
    assert "/ready" in client().send("GET", "/swagger/v3/swagger.json").body["paths"]


def test_body_in_chunks_and_a_kept_connection(client: ClientOf) -> None:
    with serve(client().app) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        body = json.dumps({"documents": [{"id": "1", "text": "well"}]}).encode()
        for _attempt in range(2):
            connection.request("POST", "/text/analytics/v3.0/sentiment", iter([body[:5], body[5:]]), {"Content-Type": "application/json"}, encode_chunked=True)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Server"]) == (200, "Kestrel")
            assert json.load(answer)["documents"][0]["sentiment"] == "positive"
        connection.request("GET", "/nothing")
        assert connection.getresponse().status == 404
        connection.close()
