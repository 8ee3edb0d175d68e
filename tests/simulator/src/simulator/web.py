# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP: the endpoints that every container has, and the family's own."""

from __future__ import annotations

import datetime
import http.server
import json
import re
import typing as t
import urllib.parse
from decimal import Decimal, InvalidOperation

from simulator.samples import Answer, Handler, Request, routes
from simulator.service import Headers, QueryError, Service
from simulator.usage import dump_report

_BODY_LIMIT = 90 << 20
_HOME = (
    "<!DOCTYPE html><html><head><title>Azure Cognitive Service Container</title></head><body>"
    "<h1>Your Azure Cognitive Service Container is up and running</h1><a href='/swagger'>Service API Description</a></body></html>"
)


class App:
    """Answers requests; knows nothing of sockets."""

    def __init__(self, service: Service) -> None:
        self.service = service
        own: list[tuple[str, str, Handler]] = routes(service.profile.kind)
        self._samples = [(method, re.compile(path, re.IGNORECASE), handler) for method, path, handler in own]

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except QueryError as error:
            return Answer(error.status, {"error": {"code": error.code, "message": str(error)}})

    def _answer(self, request: Request) -> Answer:
        service, path = self.service, request.path.rstrip("/") or "/"
        name = service.profile.service
        if request.method == "GET":
            if path == "/":
                return Answer(body=_HOME, content_type="text/html; charset=utf-8")
            if path == "/ready":
                ready, message = service.ready()
                return Answer(200 if ready else 503, {"service": name, "ready": "ready" if ready else "notReady", "message": message})
            if path == "/status":
                state, message = service.status()
                return Answer(body={"service": name, "apiStatus": state, "apiStatusMessage": message})
            if path in ("/swagger", "/swagger/index.html"):
                return Answer(body="<!DOCTYPE html><title>Swagger UI</title><a href='/swagger/v3/swagger.json'>v3</a>", content_type="text/html; charset=utf-8")
            if re.fullmatch(r"/swagger/v\d[\w.]*/swagger\.json", path):
                return Answer(body=self._description())
            records = re.fullmatch(r"/records/usage-logs(?:/([^/]+)/([^/]+))?", path)
            if records:
                return self._records(records[1], records[2])
        if request.method == "POST" and path == "/__sim/usage":
            return self._inject(request)
        for method, pattern, handler in self._samples:
            match = pattern.fullmatch(path)
            if match and method == request.method:
                service.require()
                return handler(service, request, match)
        raise QueryError(404, "NotFound", "Resource not found.")

    def _records(self, month: str | None, year: str | None) -> Answer:
        key = ""
        if month and year:
            good = re.fullmatch(r"\d{1,2}", month) and re.fullmatch(r"\d{4}", year) and 1 <= int(month) <= 12
            if not good:
                raise QueryError(400, "InvalidRequest", "The month is 1 to 12 and the year has four digits.")
            key = f"{year}-{int(month):02}"
        report = self.service.store.report(key)
        if report is None:
            raise QueryError(404, "NotFound", "There is no usage in this month.")
        return Answer(body=dump_report(report))

    def _inject(self, request: Request) -> Answer:
        data = request.json()
        month = str(data.get("month") or datetime.datetime.now(datetime.UTC).strftime("%Y-%m"))
        try:
            quantity = Decimal(str(data["quantity"]))
        except (KeyError, InvalidOperation):
            quantity = Decimal("NaN")
        if not quantity.is_finite() or not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
            raise QueryError(400, "InvalidRequest", "quantity is a number, month is YYYY-MM (this month when it is left out).")
        self.service.record(str(data.get("meter") or self.service.profile.meter), quantity, month)
        return Answer(204)

    def _description(self) -> dict[str, t.Any]:
        paths: dict[str, t.Any] = {
            path: {"get": {"responses": {"200": {"description": "OK"}}}}
            for path in ("/ready", "/status", "/records/usage-logs/", "/records/usage-logs/{MONTH}/{YEAR}")
        }
        for method, pattern, _handler in self._samples:
            paths.setdefault(pattern.pattern, {})[method.lower()] = {"responses": {"200": {"description": "OK"}}}
        return {"openapi": "3.0.1", "info": {"title": self.service.profile.service, "version": "v3"}, "paths": paths}


def make_server(app: App, port: int) -> http.server.ThreadingHTTPServer:
    """Bound to every address of the container, as the real ones are."""

    class Connection(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Header and body leave in two writes; without this the second waits for the client's acknowledgement.
        disable_nagle_algorithm = True
        timeout = 120

        def _serve(self) -> None:
            try:
                body = self._body()
            except (ValueError, OSError):
                self.close_connection = True
                self._send(Answer(413, {"error": {"code": "RequestTooLarge", "message": "The body is too large or broken."}}))
                return
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
            host = self.headers.get("Host", "localhost")
            self._send(app.answer(Request(self.command, urllib.parse.unquote(parts.path), query, t.cast(Headers, self.headers), body, host)))

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 <= length <= _BODY_LIMIT:
                    raise ValueError("length")
                return self.rfile.read(length)
            body = bytearray()
            while size := int(self.rfile.readline(80).split(b";")[0], 16):
                if size < 0 or len(body) + size > _BODY_LIMIT:
                    raise ValueError("length")
                body += self.rfile.read(size)
                self.rfile.readline(80)
            while self.rfile.readline(8192).strip():
                pass
            return bytes(body)

        def _send(self, answer: Answer) -> None:
            body = answer.body
            if body is None:
                content = b""
            elif isinstance(body, bytes):
                content = body
            else:
                content = (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(answer.status)
            if answer.status != 204:
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def version_string(self) -> str:
            return "Kestrel"

        def log_message(self, format: str, *args: t.Any) -> None:
            """Requests are not logged."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

    return Server(("", port), Connection)
