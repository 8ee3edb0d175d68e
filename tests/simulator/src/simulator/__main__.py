# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entrypoint of the image: downloads a license, or runs the service."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

from simulator.disklog import DiskLog, open_log
from simulator.endpoint import Refused, request_license
from simulator.license import (
    NOT_FOUND,
    NOT_VALID,
    License,
    LicenseProblem,
    check_license,
    write_license,
)
from simulator.models import models_digest, write_models
from simulator.options import Options
from simulator.profiles import Image
from simulator.service import Service, describe
from simulator.switches import Switches
from simulator.usage import UsageStore
from simulator.web import App, make_server

IMAGE_FILE = Path(__file__).resolve().parent.parent / "image.json"
DEFAULT_LICENSE = "/license"
DEFAULT_OUTPUT = "/output"
DEFAULT_MODELS = "/usr/local/models"


class Stop(Exception):
    """The container ends now, with this exit code and this last word."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Container:
    """One start of the container."""

    def __init__(self, image: Image, arguments: t.Sequence[str], environment: t.Mapping[str, str]) -> None:
        self.image = image
        self.profile = image.profile
        self.options = Options(arguments, environment)
        self.switches = Switches(environment)
        self.hostname = environment.get("HOSTNAME") or socket.gethostname()
        self.license_directory = Path(self.options.get("Mounts:License", DEFAULT_LICENSE))
        self.output = Path(self.options.get("Mounts:Output", DEFAULT_OUTPUT))
        self.models_directory = Path(self.options.get("Mounts:Models", DEFAULT_MODELS))
        self.disk_log: DiskLog | None = None

    def say(self, text: str) -> None:
        print(text, flush=True)
        if self.disk_log:
            self.disk_log.write(text)

    def run(self) -> int:
        try:
            return self._run()
        except Stop as stop:
            self.say(str(stop))
            return stop.code

    def _run(self) -> int:
        self.say("This is a simulator of an Azure Cognitive Service container: it holds nothing of the real one.")
        if self.options.get("Eula").lower() != "accept":
            raise Stop(int(self.switches["SIM_EULA_EXIT"]), "Eula must be accepted")
        if self.switches["SIM_IMAGE_EXPIRED"] == "yes":
            raise Stop(1, "This container image is expired. Please update to a new container image version.")
        downloads = self.options.flag("DownloadModel") or self.options.flag("DownloadLicense")
        refusal = self._download() if downloads else ""
        if downloads and not refusal and self.switches["SIM_AFTER_DOWNLOAD"] == "exit":
            return 0
        store = self._store(needed=not downloads)
        granted = None if refusal else self._license(may_stay=downloads)
        return self._serve(Service(self.profile, self.options, self.switches, store, granted))

    def _download(self) -> str:
        """Downloads what was asked for; returns why it was refused, where the switch lets the container live on all the same."""
        question = {"containerType": self.image.family, "containerVersion": self.image.version}
        try:
            granted = request_license(self.options.get("Billing"), self.options.get("ApiKey"), question, self.options.proxies())
        except Refused as error:
            stance = self.switches["SIM_DOWNLOAD_REFUSED"]
            if stance != "stay":
                raise Stop(0 if stance == "exit-0" else 1, str(error)) from error
            self.say(str(error))
            return str(error)
        if self.options.flag("DownloadModel"):
            self._write_to(self.models_directory, lambda: write_models(self.models_directory, self.profile.service, self.image.version), "models")
        if self.options.flag("DownloadLicense"):
            if not self.license_directory.is_dir():
                raise Stop(1, NOT_FOUND)
            license_ = License(self.profile.service, self.image.version, granted["expires"], self._models())
            self._write_to(self.license_directory, lambda: write_license(self.license_directory, license_, self.switches), "license")
        return ""

    def _write_to(self, directory: Path, write: t.Callable[[], object], what: str) -> None:
        self.say(f"Downloading {what} to '{directory}'.")
        try:
            write()
        except OSError as error:
            raise Stop(1, f"System.UnauthorizedAccessException: Access to the path '{error.filename or directory}' is denied. {error.strerror}") from error
        self.say(f"Download of {what} is done.")

    def _models(self) -> str:
        if self.switches["SIM_MODELS"] == "baked":
            return ""
        digest = models_digest(self.models_directory)
        if not digest:
            raise Stop(1, f"No model was found in '{self.models_directory}'. Run the container with DownloadModel=True first.")
        return digest

    def _store(self, needed: bool) -> UsageStore:
        """The usage records; a container that only lives on after a download may do without the mount."""
        store = UsageStore(self.output, self.profile, self.hostname, self.switches)
        try:
            store.prepare()
        except OSError as error:
            if needed:
                text = f"System.UnauthorizedAccessException: Access to the path '{store.directory}' is denied. An output mount (Mounts:Output) that can be written is needed."
                raise Stop(1, text) from error
            store = UsageStore(Path(tempfile.mkdtemp()), self.profile, self.hostname, self.switches)
            store.prepare()
            if self.options.get("Logging:Disk:Format"):
                raise Stop(1, "Logging:Disk:Format needs an output mount (Mounts:Output).") from error
        try:
            self.disk_log = open_log(self.options, store.directory)
        except ValueError as error:
            raise Stop(1, str(error)) from error
        return store

    def _license(self, may_stay: bool) -> License | None:
        try:
            return check_license(self.license_directory, self.profile.service, self.image.version, self._models(), time.time(), self.switches)
        except LicenseProblem as problem:
            text = describe(problem, self.switches)
            if self.switches["SIM_BAD_LICENSE"] == "exit" and not may_stay:
                raise Stop(1, text) from problem
            self.say(text)
            return None

    def _serve(self, service: Service) -> int:
        for line in (
            f"Using '{service.store.directory}' for writing logs and other output data.",
            "Logging to console.",
            "WARNING: No access control enabled!",
            "Hosting environment: Production",
            "Content root path: /app",
        ):
            self.say(line)
        server = make_server(App(service), self.profile.port)
        code = 0

        def stop(*_signal: object) -> None:
            threading.Thread(target=server.shutdown).start()

        def watch() -> None:
            """Says when the license ends; ends with it where the switch wants that."""
            nonlocal code
            was = service.licensed()
            while True:
                time.sleep(0.5)
                if was and not service.licensed():
                    self.say(NOT_VALID)
                    was = False
                    if self.switches["SIM_EXPIRY"] == "exit":
                        code = 1
                        server.shutdown()
                        return

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        threading.Thread(target=watch, daemon=True).start()
        self.say(f"Now listening on: http://0.0.0.0:{self.profile.port}")
        self.say("Application started. Press Ctrl+C to shut down.")
        server.serve_forever()
        server.server_close()
        return code


def main() -> int:
    try:
        container = Container(Image(**json.loads(IMAGE_FILE.read_text())), sys.argv[1:], os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 64
    return container.run()


if __name__ == "__main__":
    sys.exit(main())
