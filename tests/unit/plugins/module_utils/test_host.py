# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import socket

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils import _host
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._host import Facts, Published, Shortfalls
from ansible_collections.airgap.cognitive.plugins.module_utils._service import Site, resolve
from ansible_collections.airgap.cognitive.plugins.module_utils._spool import Spool

GIB = 1024**3
GOOD = Facts(cpus=16, memory=64 * GIB, architecture="x86_64", cpu_flags=frozenset(["avx2", "avx512f"]), clock=1000.0, zstd=True)
SENTIMENT = {"name": "sentiment-en", "family": "sentiment", "tag": "3.0-en", "port": 5001, "cpus": 2, "memory": "4g"}
READ = {"name": "read", "family": "vision-read", "tag": "3.2-model-2021-04-12", "port": 5002, "cpus": 4, "memory": "16g"}

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
flags\t\t: fpu sse4_2 avx avx2 avx512f
bugs\t\t: spectre_v1

processor\t: 1
flags\t\t: fpu sse4_2 avx avx2
"""
MEMINFO = "MemTotal:       24689764 kB\nMemFree:          123456 kB\nMemAvailable:   20000000 kB\n"


def services(*declared, families=None):
    return resolve({"edge1": list(declared)}, Catalogue(families), Site())["services"]


def facts_of(short_of=None, clock=1000.0, declared=(SENTIMENT, READ), families=None):
    short = Shortfalls("edge1")
    _host.check_facts(short, services(*declared, families=families), Facts(**{**GOOD.__dict__, **(short_of or {})}), clock, 60)
    return short.found


def test_what_every_cpu_has():
    assert _host.parse_cpu_flags(CPUINFO) == {"fpu", "sse4_2", "avx", "avx2"}
    assert _host.parse_cpu_flags("processor : 0\nFeatures : fp asimd\n") == {"fp", "asimd"}
    assert _host.parse_cpu_flags("") == frozenset()


def test_memory_of_the_machine():
    assert _host.parse_memory(MEMINFO) == 24689764 * 1024
    assert _host.parse_memory("") == 0


def test_this_host_can_be_read():
    facts = _host.read_facts(lambda: 7.0)
    assert facts.cpus >= 1 and facts.memory > 0 and facts.architecture and facts.clock == 7.0


def test_a_host_that_has_all():
    assert facts_of() == []


def test_everything_short_at_once():
    found = facts_of({"cpus": 2, "memory": 4 * GIB, "architecture": "aarch64", "cpu_flags": frozenset(["fpu"]), "clock": 900.0})
    assert [(entry["level"], entry["service"], entry["what"], entry["need"], entry["found"]) for entry in found] == [
        ("error", "sentiment-en, read", "cpus", "5", "2"),
        ("error", "sentiment-en, read", "memory", "18 GiB", "4 GiB"),
        ("error", "sentiment-en", "architecture", "x86_64", "aarch64"),
        ("error", "read", "cpus of the service", "at most 2", "4"),
        ("error", "read", "architecture", "x86_64", "aarch64"),
        ("error", "read", "CPU features", "avx2", "not there"),
        ("error", "", "clock", "within 60 s of the controller's", "-100 s"),
    ]
    assert {entry["host"] for entry in found} == {"edge1"}
    assert all(entry["source"] for entry in found)


def test_limits_that_add_up_to_more_than_there_is_are_a_warning():
    found = facts_of({"cpus": 5, "memory": 19 * GIB})
    assert [(entry["level"], entry["what"], entry["need"], entry["found"]) for entry in found] == [
        ("warning", "cpus, all limits together", "6", "5"),
        ("warning", "memory, all limits together", "20 GiB", "19 GiB"),
    ]


def test_a_service_with_less_than_its_family_needs():
    found = facts_of(declared=[{**READ, "cpus": 0.5, "memory": "8g"}])
    assert [(entry["level"], entry["service"], entry["what"], entry["need"], entry["found"]) for entry in found] == [
        ("error", "read", "cpus of the service", "4", "0.5"),
        ("error", "read", "memory of the service", "16 GiB", "8 GiB"),
    ]


def test_recommended_instruction_sets_are_a_warning():
    families = {"sentiment": {"cpu_flags": {"recommended": ["avx512f"]}}}
    (found,) = facts_of({"cpu_flags": frozenset(["avx2"])}, families=families)
    assert (found["level"], found["need"]) == ("warning", "avx512f")


@pytest.mark.parametrize(("clock", "short"), [(940.0, False), (1060.0, False), (939.0, True), (1061.5, True)])
def test_clock_within_the_tolerance(clock, short):
    assert bool(facts_of(clock=clock)) is short


@pytest.mark.parametrize(
    ("text", "version"), [("20.10.24+dfsg1", (20, 10)), ("26.1.5", (26, 1)), ("19.03.9", (19, 3)), ("29.0.0-rc.1", (29, 0)), ("dev", (0, 0)), ("", (0, 0))]
)
def test_versions_of_engines(text, version):
    assert _host.version_of(text) == version


def test_room_on_one_file_system_and_on_two():
    def short(filesystem):
        shortfalls = Shortfalls("edge1")
        _host.check_room(shortfalls, [("/engine", 6 * GIB), ("/spool", 5 * GIB)], lambda path: 10 * GIB, filesystem)
        return [(entry["what"], entry["need"], entry["found"]) for entry in shortfalls.found]

    assert short(lambda path: 1) == [("room at /engine and /spool", "11 GiB", "10 GiB")]
    assert short(lambda path: path) == []


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def ports_of(port, *published, bind="127.0.0.1"):
    short = Shortfalls("edge1")
    _host.check_ports(short, services({**SENTIMENT, "port": port, "bind": bind}), published)
    return [entry["found"] for entry in short.found]


def test_port_of_another_program(taken_port):
    assert ports_of(taken_port) == ["taken by another program"]


def test_port_of_the_service_itself_is_free(taken_port):
    assert ports_of(taken_port, Published(taken_port, "127.0.0.1", "sentiment-en")) == []


def test_port_of_another_container():
    assert ports_of(1, Published(1, "0.0.0.0", "web")) == ["taken by container web"]


def test_port_of_another_container_on_another_address():
    assert ports_of(1, Published(1, "10.0.0.1", "web")) == []


def test_address_that_the_host_has_not():
    assert ports_of(50001, bind="203.0.113.9") == ["not an address of this host"]


class FakeApi:
    def __init__(self, containers):
        self._containers = containers

    def containers(self):
        return self._containers


class FakeEngine:
    root = content_root = "/"
    local = True
    store = "classic"

    def __init__(self, version="26.1.5", info=None, containers=()):
        self.version = version
        self.major = int(version.split(".")[0])
        self.info = {"MemoryLimit": True, "CpuCfsQuota": True, **(info or {})}
        self.api = FakeApi(list(containers))

    @contextlib.contextmanager
    def speaking(self):
        yield

    def images(self):
        return []

    def image(self, name):
        return None


def engine_of(monkeypatch, tmp_path, engine, facts=GOOD, images=()):
    def make(url):
        if isinstance(engine, Exception):
            raise engine
        return engine

    monkeypatch.setattr(_host, "Engine", make)
    monkeypatch.setattr(_host, "_port_problem", lambda bind, port: None)
    short = Shortfalls("edge1")
    _host.check_engine(short, services(SENTIMENT), images, facts, None, Spool(str(tmp_path / "spool")))
    return [(entry["what"], entry["need"], entry["found"], entry["source"]) for entry in short.found]


def test_engine_that_has_all(monkeypatch, tmp_path):
    assert engine_of(monkeypatch, tmp_path, FakeEngine()) == []


def test_engine_that_is_down(monkeypatch, tmp_path):
    found = engine_of(monkeypatch, tmp_path, CognitiveError("No Docker Engine answers."))
    assert found == [("Docker Engine", "20.10 or later, and its SDK for Python", "none that answers", "No Docker Engine answers.")]


def test_old_engine_without_limits_and_without_zstd(monkeypatch, tmp_path):
    facts = Facts(**{**GOOD.__dict__, "zstd": False})
    found = engine_of(monkeypatch, tmp_path, FakeEngine("19.03.9", {"MemoryLimit": False, "CpuCfsQuota": False}), facts)
    assert [entry[:3] for entry in found] == [
        ("Docker Engine", "20.10 or later", "19.03.9"),
        ("program", "zstd", "missing"),
        ("limits of memory", "an engine that can set them", "cannot"),
        ("limits of CPUs", "an engine that can set them", "cannot"),
    ]


def test_new_engine_needs_no_zstd(monkeypatch, tmp_path):
    assert engine_of(monkeypatch, tmp_path, FakeEngine(), Facts(**{**GOOD.__dict__, "zstd": False})) == []


def test_port_that_a_container_of_the_engine_has(monkeypatch, tmp_path):
    ports = [{"PublicPort": 5001, "IP": "127.0.0.1", "Type": "udp"}, {"PrivatePort": 80}]
    assert engine_of(monkeypatch, tmp_path, FakeEngine(containers=[{"Names": ["/dns"], "Ports": ports}])) == []
    ports.append({"PublicPort": 5001, "IP": "127.0.0.1", "Type": "tcp"})
    found = engine_of(monkeypatch, tmp_path, FakeEngine(containers=[{"Names": ["/web"], "Ports": ports}]))
    assert [entry[:3] for entry in found] == [("port 5001 at 127.0.0.1", "free", "taken by container web")]


def test_disk_that_is_too_small(monkeypatch, tmp_path):
    monkeypatch.setattr(_host, "free_room", lambda path: 1000)
    layer = {"digest": "sha256:1", "diff_id": "sha256:2", "size": 4 * GIB, "media_type": "application/vnd.oci.image.layer.v1.tar+zstd"}
    image = {"name": "x:1", "platform": "linux/amd64", "manifest": "sha256:3", "config": "sha256:4", "layers": [layer], "manifest_size": 1, "config_size": 1}
    (found,) = engine_of(monkeypatch, tmp_path, FakeEngine(), images=[image])
    assert found[0].startswith("room at /") and found[2] == "1000 B"


@pytest.mark.parametrize(
    ("runtimes", "devices", "found"),
    [
        ({"runc", "nvidia"}, ["/dev/nvidia0"], None),
        ({"runc"}, ["/dev/nvidia0"], "no runtime nvidia in Docker Engine"),
        ({"runc", "nvidia"}, [], "no device /dev/nvidia0"),
        ({"runc"}, [], "no device /dev/nvidia0, no runtime nvidia in Docker Engine"),
    ],
)
def test_one_line_for_all_that_want_a_gpu(runtimes, devices, found):
    short = Shortfalls("edge1")
    declared = services(
        SENTIMENT,
        {"name": "sum", "family": "summarization", "tag": "gpu", "port": 5003, "settings": {"kind": "ExtractiveSummarization"}},
        {"name": "sum-cpu", "family": "summarization", "tag": "cpu", "port": 5004, "settings": {"kind": "ExtractiveSummarization"}},
        {"name": "cs", "family": "cs-text", "tag": "latest", "port": 5005},
        {"name": "cs-cpu", "family": "cs-image", "tag": "latest", "port": 5006, "settings": {"cuda": False}},
    )
    _host.check_gpu(short, declared, runtimes, devices)
    assert [(line["level"], line["service"], line["what"], line["found"]) for line in short.found] == ([("error", "sum, cs", "GPU", found)] if found else [])
    if found:
        assert "CUDA 11.8" in short.found[0]["need"] and "summarization" in short.found[0]["source"]


def test_a_host_without_services_for_a_gpu_needs_none():
    short = Shortfalls("edge1")
    _host.check_gpu(short, services(SENTIMENT), set(), [])
    assert short.found == []
