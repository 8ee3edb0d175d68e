# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator's images as containers on the local engine: the contract that a unit test cannot see. Run by C(selftest.sh)."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SCOPE = f"airgap-{hashlib.sha256(str(HERE.parents[1]).encode()).hexdigest()[:8]}-sim"
LABEL = "airgap.cognitive.scope"
CONNECTED, OFFLINE = f"{SCOPE}-connected", f"{SCOPE}-offline"
BILLING = f"{SCOPE}-billing"
ENDPOINT = "https://resource.cognitiveservices.example"
REPOSITORY = "azure-cognitive-services"
SENTIMENT, SENTIMENT_NEXT = (f"{REPOSITORY}/textanalytics/sentiment:{tag}" for tag in ("3.0-en", "3.1-en"))
KEYPHRASE = f"{REPOSITORY}/textanalytics/keyphrase:3.0-en"
LAYOUT, INVOICE = (f"{REPOSITORY}/form-recognizer/{name}-3.1:2023-07-31" for name in ("layout", "invoice"))
QUERY = {"documents": [{"id": "1", "language": "en", "text": "all is well"}]}
METER = "CognitiveServices.TextAnalytics.Container.BatchScoring"
# A name that the network does not know is not found soon.
QUICK_LOOKUP = ("--dns-option=timeout:1", "--dns-option=attempts:1")
NOT_VALID = "Container does not have a valid disconnected container license"


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    # A container's errors come on the other stream; of other commands that stream has warnings only.
    return (done.stdout + (done.stderr if arguments[0] == "logs" else "")).strip()


def sweep() -> None:
    for identity in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={SCOPE}").split():
        docker("rm", "--force", "--volumes", identity)
    subprocess.run([sys.executable, HERE / "billing.py", "stop", "--name", BILLING], check=True)
    for network in (CONNECTED, OFFLINE):
        docker("network", "rm", network, check=False)


@dataclasses.dataclass
class Container:
    identity: str

    def state(self) -> dict[str, t.Any]:
        state: dict[str, t.Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.identity))
        return state

    def log(self) -> str:
        return docker("logs", self.identity)

    def address(self) -> str:
        return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.identity)

    def wait(self) -> int:
        """Exit code of a container that ends by itself."""
        return int(docker("wait", self.identity))

    def ask(self, path: str, body: object = None, port: int = 5000) -> tuple[int, t.Any, t.Any]:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.address()}:{port}{path}", data=content, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null"), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null"), error.headers

    def until_ready(self, port: int = 5000) -> Container:
        for _attempt in range(100):
            assert self.state()["Running"], self.log()
            try:
                if self.ask("/ready", port=port)[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.log())


@dataclasses.dataclass
class Bench:
    """Directories, and runs with them mounted."""

    root: Path

    def directory(self, name: str, owner: int = 65532) -> Path:
        path = self.root / name
        if not path.exists():
            path.mkdir()
            os.chown(path, owner, owner)
        return path

    def start(self, image: str, *arguments: str, network: str = OFFLINE, options: t.Sequence[str] = (), **environment: str) -> Container:
        settings = {"SIM_READY_DELAY": "0", **environment}
        names = [f"--env={name}={value}" for name, value in settings.items()]
        return Container(docker("run", "--detach", "--network", network, *QUICK_LOOKUP, "--label", f"{LABEL}={SCOPE}", *options, *names, image, *arguments))

    def download(self, image: str = SENTIMENT, license_: str = "license", key: str = "good", **environment: str) -> Container:
        settings = {"ApiKey": key, "Billing": ENDPOINT, **environment}
        volume = f"--volume={self.directory(license_)}:/license"
        return self.start(image, "eula=accept", "DownloadLicense=True", "Mounts:License=/license", network=CONNECTED, options=[volume], **settings)

    def licensed(self, image: str = SENTIMENT, license_: str = "license", **more: str) -> Path:
        container = self.download(image, license_, **more)
        assert container.wait() == 0, container.log()
        return self.directory(license_)

    def run(
        self, image: str = SENTIMENT, *arguments: str, license_: str = "license", output: str = "output", options: t.Sequence[str] = (), **environment: str
    ) -> Container:
        volumes = [f"--volume={self.directory(license_)}:/license:ro", f"--volume={self.directory(output)}:/output"]
        return self.start(image, "eula=accept", "Mounts:License=/license", "Mounts:Output=/output", *arguments, options=[*volumes, *options], **environment)


@pytest.fixture(scope="module", autouse=True)
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    # One run at a time in a checkout: names are the checkout's.
    lock = Path(__file__).open()
    fcntl.flock(lock, fcntl.LOCK_EX)
    sweep()
    for network in (CONNECTED, OFFLINE):
        docker("network", "create", "--internal", "--label", f"{LABEL}={SCOPE}", network)
    path = tmp_path_factory.mktemp("billing") / "resources.json"
    families = ["sentiment", "di-layout", "di-invoice"]
    entries = [
        {"endpoint": ENDPOINT, "api_key": "good", "families": families},
        {"endpoint": ENDPOINT, "api_key": "past", "families": families, "days": -1},
        {"endpoint": ENDPOINT, "api_key": "brief", "families": families, "days": 8 / 86400},
        {"endpoint": ENDPOINT, "api_key": "full", "families": families, "status": "OutOfQuota"},
        {"endpoint": ENDPOINT, "api_key": "other", "families": ["keyphrase"]},
    ]
    path.write_text(json.dumps({"resources": entries}))
    path.chmod(0o600)
    subprocess.run([sys.executable, HERE / "billing.py", "start", "--name", BILLING, "--network", CONNECTED, "--resources", path], check=True)
    yield
    sweep()
    lock.close()


@pytest.fixture
def bench(tmp_path: Path) -> t.Iterator[Bench]:
    yield Bench(tmp_path)
    for identity in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}={SCOPE}").split():
        docker("rm", "--force", "--volumes", identity)


def meters(container: Container, path: str = "/records/usage-logs/", port: int = 5000) -> dict[str, t.Any]:
    return {meter["name"]: meter["quantity"] for meter in container.ask(path, port=port)[1]["meters"]}


# License download


def test_download_over_https(bench: Bench) -> None:
    (path,) = bench.licensed().iterdir()
    assert (path.name, path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == ("license.dat", 65532, 65532, 0o644)
    assert "good" not in docker("logs", BILLING)


@pytest.mark.parametrize(("key", "status"), [("bad", "Invalid"), ("other", "Mismatch"), ("full", "OutOfQuota")])
def test_refused_key(bench: Bench, key: str, status: str) -> None:
    container = bench.download(key=key)
    assert container.wait() == 1
    assert f"Endpoint connection failed with status '{status}'." in container.log()
    assert not list(bench.directory("license").iterdir())


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "Invalid Billing Endpoint URI."),
        ("https://nowhere.example", "Endpoint connection failed with status 'CouldNotConnect'."),
        # This name leads to the endpoint, but its certificate does not have it.
        (f"https://{BILLING}", "certificate verify failed"),
    ],
)
def test_bad_endpoint(bench: Bench, address: str, words: str) -> None:
    container = bench.download(Billing=address)
    assert container.wait() == 1
    assert words in container.log()


def test_download_over_http(bench: Bench) -> None:
    path = bench.root / "resources.json"
    path.write_text(json.dumps({"resources": [{"endpoint": "http://plain.example", "api_key": "good", "families": ["sentiment"]}]}))
    name = f"{BILLING}-http"
    program = [sys.executable, HERE / "billing.py"]
    try:
        subprocess.run([*program, "start", "--name", name, "--network", CONNECTED, "--resources", path, "--http"], check=True)
        bench.licensed(Billing="http://plain.example")
    finally:
        subprocess.run([*program, "stop", "--name", name], check=True)


def test_license_directory_of_root(bench: Bench) -> None:
    bench.directory("license", owner=0)
    container = bench.download()
    assert container.wait() == 1
    assert "Access to the path '/license/license.dat' is denied." in container.log()


def test_no_license_mount(bench: Bench) -> None:
    container = bench.start(SENTIMENT, "eula=accept", "DownloadLicense=True", f"billing={ENDPOINT}", "apikey=good", network=CONNECTED)
    assert container.wait() == 1
    assert "The provided license path was not found." in container.log()


def test_slow_download_of_several_files_that_goes_on_to_serve(bench: Bench) -> None:
    container = bench.download(SIM_LICENSE_WRITE="slow", SIM_LICENSE_FILES="2", SIM_AFTER_DOWNLOAD="serve", SIM_LICENSE_NAME="nested", SIM_LICENSE_MODE="0600")
    sizes = set()
    while not (container.state()["Running"] and "Now listening" in container.log()):
        sizes.add(sum(path.stat().st_size for path in bench.directory("license").rglob("*") if path.is_file()))
        assert container.state()["Running"], container.log()
        time.sleep(0.4)
    assert len(sizes) > 3
    assert container.until_ready().ask("/status")[1]["apiStatus"] == "Valid"
    assert bench.run().until_ready().ask("/status")[1]["apiStatus"] == "Valid"


def test_models_first(bench: Bench) -> None:
    models = [f"--volume={bench.directory('models')}:/usr/local/models"]
    download = ["eula=accept", "DownloadModel=True", f"billing={ENDPOINT}", "apikey=good"]
    assert bench.start(SENTIMENT, *download, network=CONNECTED, options=models, SIM_MODELS="download").wait() == 0
    licensing = [*models, f"--volume={bench.directory('license')}:/license"]
    download[1] = "DownloadLicense=True"
    assert bench.start(SENTIMENT, *download, network=CONNECTED, options=licensing, SIM_MODELS="download").wait() == 0
    bench.run(SENTIMENT, options=[f"{models[0]}:ro"], SIM_MODELS="download").until_ready()
    assert bench.run(SENTIMENT, SIM_MODELS="download").wait() == 1


# Offline


def test_offline_it_serves_counts_and_needs_no_endpoint(bench: Bench) -> None:
    bench.licensed()
    # A network that has no endpoint. With key and endpoint given all the same, it must not wait for one.
    first = bench.run(SENTIMENT, f"billing={ENDPOINT}", "apikey=good").until_ready()
    for _query in range(3):
        assert first.ask("/text/analytics/v3.0/sentiment", QUERY)[0] == 200
    assert meters(first) == {METER: 3}
    docker("rm", "--force", first.identity)
    second = bench.run().until_ready()
    assert second.ask("/text/analytics/v3.0/sentiment", QUERY)[0] == 200
    assert meters(second) == {METER: 4}
    assert meters(second, time.strftime("/records/usage-logs/%m/%Y", time.gmtime())) == {METER: 4}
    assert meters(second, "/records/usage-logs/01/2020") == {}
    assert sorted(path.name for path in (bench.directory("output") / "sentimentonnx").iterdir()) == sorted((first.identity[:12], second.identity[:12]))


def test_beside_an_endpoint_it_asks_nothing(bench: Bench) -> None:
    bench.licensed()
    before = docker("logs", BILLING)
    container = bench.run(SENTIMENT, f"billing={ENDPOINT}", "apikey=good")
    docker("network", "connect", CONNECTED, container.identity)
    time.sleep(2)
    assert container.state()["Running"]
    assert docker("logs", BILLING) == before


def test_two_services_on_one_mount(bench: Bench) -> None:
    bench.licensed()
    bench.licensed(KEYPHRASE, "other", key="other")
    one = bench.run().until_ready()
    two = bench.run(KEYPHRASE, license_="other", SIM_REPORT_SCOPE="service").until_ready()
    assert one.ask("/__sim/usage", {"quantity": 2})[0] == 204
    assert two.ask("/__sim/usage", {"quantity": 3})[0] == 204
    assert (meters(one), meters(two)) == ({METER: 5}, {METER: 3})


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "image"),
    [
        (lambda path: None, SENTIMENT_NEXT),
        (lambda path: None, KEYPHRASE),
        (alter, SENTIMENT),
        (lambda path: path.rename(path.with_name("renamed.dat")), SENTIMENT),
        (lambda path: path.unlink(), SENTIMENT),
        (lambda path: path.chmod(0o600) or os.chown(path, 0, 0), SENTIMENT),
    ],
    ids=["other image", "other family", "altered", "renamed", "missing", "unreadable"],
)
def test_license_that_is_not_good(bench: Bench, spoil: t.Callable[[Path], object], image: str) -> None:
    (path,) = bench.licensed().iterdir()
    bench.run().until_ready()
    spoil(path)
    container = bench.run(image)
    assert container.wait() == 1
    assert NOT_VALID in container.log() or "Access to the path '/license/license.dat' is denied." in container.log()
    staying = bench.run(image, SIM_BAD_LICENSE="ready").until_ready()
    assert staying.ask("/status")[1]["apiStatus"] == "Invalid"
    assert staying.ask("/text/analytics/v3.0/sentiment", QUERY)[0] in (403, 404)


def test_license_that_has_ended(bench: Bench) -> None:
    bench.licensed(key="past")
    container = bench.run()
    assert container.wait() == 1
    assert NOT_VALID in container.log()


def test_license_that_ends_under_way(bench: Bench) -> None:
    bench.licensed(key="brief")
    staying, ending = bench.run(), bench.run(SIM_EXPIRY="exit")
    assert staying.until_ready().ask("/status")[1]["apiStatus"] == "Valid"
    assert ending.wait() == 1
    assert staying.ask("/ready")[0] == 503
    assert staying.ask("/status")[:2] == (200, {"service": "sentimentonnx", "apiStatus": "Invalid", "apiStatusMessage": NOT_VALID})
    assert bench.run().wait() == 1


def test_read_only_license_may_be_refused(bench: Bench) -> None:
    bench.licensed()
    container = bench.run(SIM_LICENSE_READONLY="refuse")
    assert container.wait() == 1
    assert "Access to the path '/license' is denied." in container.log()


def test_no_eula(bench: Bench) -> None:
    container = bench.start(SENTIMENT)
    assert container.wait() == 1
    assert "Eula must be accepted" in container.log()


def test_output_directory_of_root(bench: Bench) -> None:
    bench.licensed()
    bench.directory("output", owner=0)
    container = bench.run()
    assert container.wait() == 1
    assert "An output mount (Mounts:Output) that can be written is needed." in container.log()


def test_slow_start(bench: Bench) -> None:
    bench.licensed()
    container = bench.run(SIM_READY_DELAY="3")
    while "Application started" not in container.log():
        time.sleep(0.1)
    assert container.ask("/ready")[0] == 503
    container.until_ready()


def test_stop_is_quick(bench: Bench) -> None:
    bench.licensed()
    container = bench.run().until_ready()
    start = time.monotonic()
    docker("stop", container.identity)
    assert time.monotonic() - start < 5
    assert container.state()["ExitCode"] == 0


@pytest.mark.parametrize("form", ["jsonl", "files", "snapshot"])
def test_kill_loses_no_answered_query(bench: Bench, form: str) -> None:
    bench.licensed()
    container = bench.run(SIM_USAGE_FORMAT=form).until_ready()
    answered = []

    def send() -> None:
        try:
            while len(answered) < 2000:
                assert container.ask("/text/analytics/v3.0/sentiment", QUERY)[0] == 200
                answered.append(1)
        except (OSError, AssertionError, ValueError):
            return

    sender = threading.Thread(target=send)
    sender.start()
    while len(answered) < 20 and sender.is_alive():
        time.sleep(0.01)
    docker("kill", container.identity)
    sender.join()
    counted = meters(bench.run(SIM_USAGE_FORMAT=form).until_ready())[METER]
    # The last query may have been counted and its answer lost, never the other way round.
    assert counted - len(answered) in (0, 1)


# Documents


def test_invoice_asks_layout_by_name(bench: Bench) -> None:
    bench.licensed(LAYOUT, "layout")
    bench.licensed(INVOICE, "invoice")
    document = {"base64Source": "JVBERi0xLjQgL1R5cGUgL1BhZ2UgeA=="}
    path = "/formrecognizer/documentModels/prebuilt-invoice:analyze?api-version=2023-07-31"
    host = "AzureCognitiveServiceLayoutHost=http://sim-layout:5000"
    invoice = bench.run(INVOICE, host, license_="invoice", output="invoice-output").until_ready(5050)
    status, body, _headers = invoice.ask(path, document, port=5050)
    assert (status, body["error"]["code"]) == (503, "LayoutMissing")
    bench.run(LAYOUT, license_="layout", output="layout-output", options=["--network-alias=sim-layout"]).until_ready()
    status, _body, headers = invoice.ask(path, document, port=5050)
    assert status == 202
    result = invoice.ask("/" + headers["Operation-Location"].split("/", 3)[3], port=5050)[1]
    assert len(result["analyzeResult"]["pages"]) == 1
    assert meters(invoice, port=5050) == {"CognitiveServices.FormRecognizer.Container.InvoicePages": 1}


# Images


def inspect(image: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def test_versions_differ_in_a_small_last_layer(bench: Bench) -> None:
    one, two = (inspect(image)["RootFS"]["Layers"] for image in (SENTIMENT, SENTIMENT_NEXT))
    assert one[:-1] == two[:-1]
    assert one[-1] != two[-1]
    layers = [inspect(image)["RootFS"]["Layers"] for image in (LAYOUT, INVOICE, KEYPHRASE)]
    assert layers[0][:-1] == layers[1][:-1]
    assert layers[0][:5] == layers[2][:5]
    assert inspect(SENTIMENT)["Size"] < 200e6


def test_image_settings() -> None:
    for image, port in ((SENTIMENT, "5000/tcp"), (INVOICE, "5050/tcp")):
        config = inspect(image)["Config"]
        assert (config["User"], list(config["ExposedPorts"]), config.get("Healthcheck")) == ("nonroot", [port], None)
    assert not inspect(f"{REPOSITORY}/vision/read:3.2-model-2022-04-30")["Config"].get("ExposedPorts")
    assert list(inspect(SENTIMENT)["Config"]["Volumes"]) == ["/output"]
