# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serves C(/resources.json); with C(/tls/server.pem) over HTTPS on port 443, without over HTTP on port 80. Takes a changed file at the next request."""

from __future__ import annotations

import http.server
import json
import signal
import ssl
import sys
import threading
import typing as t
import urllib.parse
from pathlib import Path

from billing.resources import answer, read_resources

LICENSE_PATH = "/cognitiveservices/disconnected/license"
RESOURCES = Path("/resources.json")
CERTIFICATE = Path("/tls/server.pem")


class Connection(http.server.BaseHTTPRequestHandler):
    timeout = 30

    def do_GET(self) -> None:
        """Tells whoever waits for the endpoint that it is up."""
        self._send(200, {"status": "up"})

    def do_POST(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        host = str(urllib.parse.urlsplit(f"//{self.headers.get('Host', '')}").hostname or "")
        try:
            length = int(self.headers.get("Content-Length") or 0)
            question = json.loads(self.rfile.read(min(length, 65536)))
            family = str(question["containerType"])
        except (ValueError, KeyError, TypeError):
            self._send(400, {"status": "Unknown"})
            return
        if not path.endswith(LICENSE_PATH):
            self._send(404, {"status": "Unknown"})
            return
        key = self.headers.get("Ocp-Apim-Subscription-Key", "")
        code, body = answer(read_resources(RESOURCES), host, path.removesuffix(LICENSE_PATH), key, question)
        print(f"{host} {family} {question.get('containerVersion')}: {code} {body['status']}", flush=True)
        self._send(code, body)

    def _send(self, code: int, body: dict[str, t.Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if code == 503:
            self.send_header("Retry-After", "5")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: t.Any) -> None:
        """Requests are logged where their answer is known."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: t.Any, client_address: t.Any) -> None:
        # Here, in the connection's own thread, so that a client that says nothing holds up nobody else.
        if self.context:
            request.settimeout(10)
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        print(f"connection failed: {sys.exc_info()[1]}", flush=True)


def main() -> int:
    read_resources(RESOURCES)
    secure = CERTIFICATE.exists()
    server = Server(("", 443 if secure else 80), Connection)
    if secure:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(CERTIFICATE)
    signal.signal(signal.SIGTERM, lambda *_signal: threading.Thread(target=server.shutdown).start())
    print(f"billing endpoint over {'HTTPS' if secure else 'HTTP'}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
