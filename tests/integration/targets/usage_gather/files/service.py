#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service's usage endpoints for ten minutes: answers what the file beside its port number says. Arguments: port, file."""

from __future__ import annotations

import http.server
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """GET answers with the file, whatever is asked for."""

    def do_GET(self) -> None:
        """One answer."""
        with open(sys.argv[2], "rb") as handle:
            body = handle.read()
        self.send_response(200 if self.path == "/records/usage-logs/" else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
threading.Timer(600, server.shutdown).start()
server.serve_forever()
