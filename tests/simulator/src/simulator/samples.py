# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sample queries: for each kind of container the requests that it answers, with the documented shape of the answers."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import io
import json
import math
import re
import typing as t
import urllib.parse
import uuid
import wave
import zipfile
from decimal import Decimal
from xml.etree import ElementTree

from simulator.service import Headers, QueryError, Service


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes
    host: str
    """As the client named this container, for links back to it."""

    def json(self) -> dict[str, t.Any]:
        try:
            data = json.loads(self.body)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise QueryError(400, "InvalidRequest", "The request body is not a JSON object.")
        return data


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int = 200
    body: t.Any = None
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


Handler = t.Callable[[Service, Request, "re.Match[str]"], Answer]
Route = tuple[str, str, Handler]

_TEXTS = {"sentiment", "keyPhrases", "languages"}
_GOOD = {"good", "great", "well", "ready", "love", "happy", "excellent"}
_BAD = {"bad", "awful", "sad", "broken", "hate", "terrible"}
_RESULTS_KEPT = 1000


class Results:
    """What asynchronous requests left to be fetched; the oldest go first."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, t.Any]] = {}

    def keep(self, result: dict[str, t.Any]) -> str:
        identity = str(uuid.uuid4())
        self._kept[identity] = result
        while len(self._kept) > _RESULTS_KEPT:
            self._kept.pop(next(iter(self._kept)))
        return identity

    def fetch(self, identity: str) -> dict[str, t.Any]:
        try:
            return self._kept[identity]
        except KeyError:
            raise QueryError(404, "NotFound", "There is no result of this identifier.") from None


def routes(kind: str) -> list[Route]:
    """Method, pattern of the path and handler of each request."""
    results = Results()
    documents = r"/(?:formrecognizer|documentintelligence)/documentModels"
    read = r"/vision/v3\.\d(?:-preview\.\d)?/read"

    def analyze_read(service: Service, request: Request, match: re.Match[str]) -> Answer:
        return _accepted(request, f"{request.path.rpartition('/')[0]}/analyzeResults", results.keep(_read(service, request)))

    def analyze_document(service: Service, request: Request, match: re.Match[str]) -> Answer:
        result = _document(service, request, match["model"])
        return _accepted(request, f"{request.path.rpartition(':')[0]}/analyzeResults", results.keep(result))

    def build(service: Service, request: Request, match: re.Match[str]) -> Answer:
        return _accepted(request, f"/{request.path.split('/')[1]}/operations", results.keep(_build(service, request)))

    def fetch(service: Service, request: Request, match: re.Match[str]) -> Answer:
        return Answer(body=results.fetch(match["identity"]))

    analyzing: list[Route] = [
        ("POST", documents + r"/(?P<model>[\w.-]+):analyze", analyze_document),
        ("GET", documents + r"/[\w.-]+/analyzeResults/(?P<identity>[\w-]+)", fetch),
    ]
    table: dict[str, list[Route]] = {
        "text": [("POST", r"/text/analytics/v3\.[01](?:-preview\.\d)?/(?P<operation>\w+)", _text)],
        "speech": [("POST", r"/speech/recognition/(?:conversation|interactive|dictation)/cognitiveservices/v1", _speech)],
        "voice": [("POST", r"/cognitiveservices/v1", _voice), ("GET", r"/cognitiveservices/voices/list", _voices)],
        "read": [
            ("POST", read + "/syncAnalyze", lambda service, request, match: Answer(body=_read(service, request))),
            ("POST", read + "/analyze", analyze_read),
            ("GET", read + r"/analyzeResults/(?P<identity>[\w-]+)", fetch),
        ],
        "document": analyzing,
        "custom": [
            ("POST", documents + ":build", build),
            ("GET", r"/(?:formrecognizer|documentintelligence)/operations/(?P<identity>[\w-]+)", fetch),
            ("GET", documents, _models),
            *analyzing,
        ],
    }
    return table[kind]


def _accepted(request: Request, path: str, identity: str) -> Answer:
    query = f"?{urllib.parse.urlencode(request.query)}" if request.query else ""
    return Answer(202, "", headers={"Operation-Location": f"http://{request.host}{path}/{identity}{query}"})


# Language


def _text(service: Service, request: Request, match: re.Match[str]) -> Answer:
    operation = service.profile.operation
    if match["operation"].lower() != operation.lower():
        raise QueryError(404, "NotFound", "Resource not found.")
    documents = request.json().get("documents")
    if not isinstance(documents, list) or not documents:
        raise QueryError(400, "InvalidRequest", "Request body must contain documents.")
    answers: list[dict[str, t.Any]] = []
    errors: list[dict[str, t.Any]] = []
    records = 0
    for document in documents:
        document = document if isinstance(document, dict) else {}
        identity, text = str(document.get("id", "")), document.get("text")
        if not identity or not isinstance(text, str) or not text.strip():
            error = {"code": "InvalidArgument", "message": "Invalid document in request."}
            errors.append({"id": identity, "error": error})
            continue
        # A text record is up to 1,000 characters.
        records += math.ceil(len(text) / 1000)
        answers.append({"id": identity, **_look_at(text, operation), "warnings": []})
    service.count(records, request.headers)
    return Answer(body={"documents": answers, "errors": errors, "modelVersion": "2021-01-01"})


def _look_at(text: str, operation: str) -> dict[str, t.Any]:
    words = re.findall(r"\w+", text.lower())
    if operation == "sentiment":
        score = sum(word in _GOOD for word in words) - sum(word in _BAD for word in words)
        sentiment = "positive" if score > 0 else "negative" if score < 0 else "neutral"
        scores = {name: 0.98 if name == sentiment else 0.01 for name in ("positive", "neutral", "negative")}
        sentence = {"sentiment": sentiment, "confidenceScores": scores, "offset": 0, "length": len(text), "text": text}
        return {"sentiment": sentiment, "confidenceScores": scores, "sentences": [sentence]}
    if operation == "keyPhrases":
        return {"keyPhrases": sorted({word for word in words if len(word) > 4})}
    french = bool({"la", "le", "est", "une", "bonjour"} & set(words))
    name, code = ("French", "fr") if french else ("English", "en")
    return {"detectedLanguage": {"name": name, "iso6391Name": code, "confidenceScore": 0.99}}


# Speech


def _speech(service: Service, request: Request, match: re.Match[str]) -> Answer:
    if not request.query.get("language"):
        raise QueryError(400, "BadRequest", "The language query parameter is missing.")
    try:
        with wave.open(io.BytesIO(request.body)) as sound:
            seconds = Decimal(sound.getnframes()) / sound.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError):
        raise QueryError(400, "BadRequest", "The audio is not a WAV file.") from None
    # In hours, as plans are; a second is 0.000278.
    service.count((seconds / 3600).quantize(Decimal("0.000001")), request.headers)
    ticks = int(seconds * 10_000_000)
    if not ticks:
        return Answer(body={"RecognitionStatus": "InitialSilenceTimeout", "Offset": 0, "Duration": 0})
    return Answer(body={"RecognitionStatus": "Success", "DisplayText": f"{seconds:.1f} seconds of speech.", "Offset": 0, "Duration": ticks})


def _voice(service: Service, request: Request, match: re.Match[str]) -> Answer:
    form = re.fullmatch(r"riff-(\d+)khz-16bit-mono-pcm", request.headers.get("X-Microsoft-OutputFormat", ""))
    if not form:
        raise QueryError(400, "BadRequest", "X-Microsoft-OutputFormat is missing or not one of riff-NNkhz-16bit-mono-pcm.")
    try:
        speak = ElementTree.fromstring(request.body)
    except ElementTree.ParseError:
        raise QueryError(400, "BadRequest", "The body is not SSML.") from None
    text = "".join(speak.itertext()).strip()
    if not speak.tag.endswith("speak") or not text or len(text) > 10_000:
        raise QueryError(400, "BadRequest", "The body is not SSML with 1 to 10,000 characters of text.")
    service.count(len(text), request.headers)
    rate = int(form[1]) * 1000
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        # A soft square wave of 440 Hz, 20 ms for each character.
        half = max(1, rate // 880)
        wave_form = b"\x00\x08" * half + b"\x00\xf8" * half
        length = rate // 50 * len(text) * 2
        writer.writeframes((wave_form * (length // len(wave_form) + 1))[:length])
    return Answer(body=sound.getvalue(), content_type="audio/x-wav")


def _voices(service: Service, request: Request, match: re.Match[str]) -> Answer:
    voice = {"Name": "en-US-AriaNeural", "ShortName": "en-US-AriaNeural", "Gender": "Female", "Locale": "en-US", "VoiceType": "Neural"}
    return Answer(body=[voice])


# Vision and documents


def _pages(content: bytes) -> int:
    """Pages of a document: told for PDF, one for any image."""
    if content.startswith(b"%PDF"):
        return max(1, len(re.findall(rb"/Type\s*/Page(?!s)", content)))
    if content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")):
        return 1
    raise QueryError(400, "InvalidImage", "The content is not an image or a PDF file.")


def _read(service: Service, request: Request) -> dict[str, t.Any]:
    if request.headers.get("Content-Type", "").startswith("application/json"):
        raise QueryError(400, "InvalidImageURL", "The image URL is not accessible.")
    pages = _pages(request.body)
    service.count(pages, request.headers)
    found = [{"page": page, "angle": 0, "width": 64, "height": 64, "unit": "pixel", "lines": []} for page in range(1, pages + 1)]
    return {"status": "succeeded", "analyzeResult": {"version": "3.2.0", "modelVersion": "2022-04-30", "readResults": found}}


def _content(request: Request) -> bytes:
    """The document of a request: raw, or base64 inside JSON."""
    if not request.headers.get("Content-Type", "").startswith("application/json"):
        return request.body
    data = request.json()
    source = data.get("base64Source")
    if not isinstance(source, str):
        raise QueryError(400, "InvalidRequest", "base64Source is missing; a disconnected container cannot fetch urlSource.")
    try:
        return base64.b64decode(source, validate=True)
    except binascii.Error:
        raise QueryError(400, "InvalidRequest", "base64Source is not base64.") from None


def _document(service: Service, request: Request, model: str) -> dict[str, t.Any]:
    profile = service.profile
    known = _custom_models(service) if profile.kind == "custom" else {profile.operation}
    if model not in known:
        raise QueryError(404, "ModelNotFound", f"The requested model {model} was not found.")
    content = _content(request)
    pages = _pages(content)
    result: dict[str, t.Any] = {"apiVersion": request.query.get("api-version", ""), "modelId": model, "content": "", "documents": []}
    if profile.needs_layout:
        result["pages"] = service.read_layout(json.dumps({"base64Source": base64.b64encode(content).decode()}).encode())["pages"]
        result["documents"] = [{"docType": "invoice" if profile.kind == "document" else model, "fields": {}, "confidence": 0.9}]
    else:
        result["pages"] = [{"pageNumber": page, "width": 64, "height": 64, "unit": "pixel", "words": [], "lines": []} for page in range(1, pages + 1)]
    service.count(pages, request.headers)
    return {"status": "succeeded", "analyzeResult": result}


def _custom_models(service: Service) -> set[str]:
    return {path.stem for path in (service.shared / "models").glob("*.json")}


def _models(service: Service, request: Request, match: re.Match[str]) -> Answer:
    return Answer(body={"value": [{"modelId": name} for name in sorted(_custom_models(service))]})


def _build(service: Service, request: Request) -> dict[str, t.Any]:
    data = request.json()
    model, source = data.get("modelId"), data.get("base64Source")
    if not isinstance(model, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]{1,63}", model):
        raise QueryError(400, "InvalidRequest", "modelId is missing or not 2 to 64 letters, digits and ._-")
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(str(source), validate=True))) as training:
            files = len(training.namelist())
    except (binascii.Error, zipfile.BadZipFile):
        raise QueryError(400, "InvalidRequest", "base64Source is not a ZIP file in base64.") from None
    folder = service.shared / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{model}.json").write_text(json.dumps({"modelId": model, "files": files}))
    except OSError as error:
        raise QueryError(500, "SharedFolder", f"The model cannot be written to {folder}: {error.strerror}") from error
    return {"status": "succeeded", "kind": "documentModelBuild", "result": {"modelId": model}}
