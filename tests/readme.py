#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does what the README says, as it is printed, on the fleet that runs.

Its YAML goes into the files that it names, and every command of its sections on use is run: first in a directory of the connected side, then, with
what is carried, in one of the inside. Beside them lie only group_vars and host_vars with what a reader has to fill in, and names, ports and sizes
that are in nobody's way here. A command that this test does not know is an error, and so is one that the README does not print any more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "tests" / "fleet"), str(CHECKOUT / "tests" / "simulator" / "src")]

import fleet
from simulator.profiles import PROFILES

BIN = CHECKOUT / ".build" / "venv" / "bin"
DEMO = CHECKOUT / ".build" / "demo"
SECTIONS = ("Use it for your fleet", "What happens at each step")
PROGRAM = r"(?:ansible[a-z-]*|ssh-keygen|sha256sum|skopeo|docker|echo|cd|mkdir|cat)\b"
REGISTRY = f"{fleet.SCOPE}.example.com"
PASSWORD = "what a reader types\n"
SMALL = {"cpus": 0.5, "memory": "192m"}
ROOT = "/var/lib/cognitive-readme"
CLEAN = f"""
docker ps --all --quiet --filter name=^/readme- | xargs --no-run-if-empty docker rm --force --volumes
docker network rm readme 2>/dev/null
docker images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' '{REGISTRY}/*/*/*' | xargs --no-run-if-empty docker image rm
rm -rf {ROOT}
"""
READY = "import sys, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{sys.argv[1]}/ready', timeout=10)"


def printed(text: str) -> tuple[list[str], list[str]]:
    """The YAML blocks, and the commands: of indented lines, of comments in YAML, and of the text between."""
    parts = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    blocks: list[str] = []
    commands: list[str] = []
    for title in SECTIONS:
        for fenced, block, line in re.findall(r"^```(\w+)\n(.*?)^```$|^([^\n]+)$", parts[title], re.MULTILINE | re.DOTALL) if title in parts else []:
            if fenced == "yaml":
                blocks.append(block)
                commands += re.findall(rf"# (?:.*: )?({PROGRAM}.*)$", block, re.MULTILINE)
            elif fenced:
                sys.exit(f"readme: a block of {fenced} in {title!r} is not known to this test.")
            else:
                commands += printed_in_line(line)
    return blocks, commands


def printed_in_line(line: str) -> list[str]:
    """The commands of a line of text, or of an indented one without its comment."""
    if line.startswith("    "):
        return [command for command in [re.sub(r"(^|\s+)# .*", "", line.strip())] if command]
    return [code for code in re.findall(r"`([^`]+)`", line) if re.match(PROGRAM, code)]


class Reader:
    """Somebody who follows the README; C(place) is an empty directory."""

    def __init__(self, place: Path, inventory: str, vault: str) -> None:
        self.place = place
        self.inventory = inventory
        self.vault = vault
        self.connected, self.inside = place / "connected", place / "inside"
        self.here = self.connected
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MAKE", "MOLECULE_", "PYTHON"))}
        self.environment = {**kept, "HOME": str(place / "home"), "PATH": f"{BIN}:{kept.get('PATH', '')}", "NO_COLOR": "1"}
        self.services: dict[str, list[dict[str, t.Any]]] = {
            host: [{**service, "name": f"readme-{service['name']}", "port": service["port"] + 100, **SMALL} for service in variables["cognitive_services"]]
            for host, variables in yaml.safe_load(inventory)["fleet"]["hosts"].items()
        }
        self.steps: dict[str, t.Callable[[str], None]] = {
            # Galaxy does not answer everywhere; what the collection depends on is there.
            "ansible-galaxy collection install airgap-cognitive-*.tar.gz": lambda command: self.shell(f"{command} --offline"),
            "ssh-keygen -t ed25519 -N '' -f ~/.ssh/bundle-signing": self.shell,
            'echo "me@example.com $(cat ~/.ssh/bundle-signing.pub)" > allowed_signers': self.shell,
            "ansible-vault create group_vars/connected/vault.yml": self.create_vault,
            "ansible-playbook -i inventory.yml --ask-vault-pass airgap.cognitive.export": self.play,
            "ansible-playbook -i inventory.yml airgap.cognitive.site": self.deploy,
            "ansible-playbook -i inventory.yml airgap.cognitive.rollup": self.play,
            "cd bundle": self.enter_bundle,
            "ssh-keygen -Y verify -f ../allowed_signers -I me@example.com -n airgap.cognitive.bundle -s SHA256SUMS.sig < SHA256SUMS": self.shell,
            "sha256sum -c --quiet SHA256SUMS": self.shell,
            "skopeo inspect oci:.:registry.example.com/azure-cognitive-services/textanalytics/sentiment:3.0-en": self.shell,
            "ansible-doc airgap.cognitive.bundle_export": self.shell,
            'mkdir bundle; for volume in *.tar; do tar -xf "$volume" -C bundle; done': self.unpack_volumes,
            "cat bundle/parts/CHECKSUM-* > bundle/blobs/sha256/CHECKSUM": self.join_parts,
        }

    def shell(self, command: str, typed: str = "", editor: str = "false") -> str:
        """Run a command as it is, but for the registry's name, where the reader is; without a terminal, programs read what is typed from their input."""
        done = subprocess.run(
            ["bash", "-c", command.replace("registry.example.com", REGISTRY)],
            cwd=self.here,
            env={**self.environment, "EDITOR": editor},
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"readme: in {self.here}: {command}\n{done.stdout}\nreadme: this command of the README ended with status {done.returncode}.")
        print(f"ok       {command}", flush=True)
        return done.stdout

    def begin(self) -> None:
        """What there is before the first command: collections, the inventory as printed, and beside it what is filled in."""
        for directory in (self.connected / "host_vars", self.connected / "group_vars" / "connected", self.inside, self.place / "home" / ".ssh"):
            directory.mkdir(parents=True, mode=0o700)
        community = CHECKOUT / ".build" / "collections" / "ansible_collections" / "community"
        shutil.copytree(community, self.place / "home" / ".ansible" / "collections" / "ansible_collections" / "community", symlinks=False)
        self.build_collection()
        (self.connected / "inventory.yml").write_text(self.inventory)
        status = fleet.status()
        families = yaml.safe_load((CHECKOUT / "tests" / "fleet" / "inventory" / "group_vars" / "all.yml").read_text())["cognitive_families"]
        ssh = f"-o UserKnownHostsFile={status['known_hosts']} -o StrictHostKeyChecking=yes"
        overlay: dict[str, dict[str, t.Any]] = {
            "group_vars/all.yml": {"cognitive_registry": REGISTRY, "cognitive_families": families, "cognitive_root": ROOT, "cognitive_network": "readme"},
            "group_vars/fleet.yml": {"ansible_ssh_private_key_file": status["key"], "ansible_ssh_common_args": ssh},
            "group_vars/connected/overlay.yml": {"ansible_python_interpreter": str(BIN / "python"), "cognitive_license_network": status["connected"]},
        }
        for host, services in self.services.items():
            overlay[f"host_vars/{host}.yml"] = {"ansible_host": status["hosts"][host]["address"], "cognitive_services": services}
        for name, variables in overlay.items():
            (self.connected / name).write_text(json.dumps(variables))

    def build_collection(self) -> None:
        """The artifact, of what is tracked."""
        source = self.place / "source"
        source.mkdir()
        listed = subprocess.run(["git", "-C", str(CHECKOUT), "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (CHECKOUT / name).exists():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / name, source / name)
        build = [str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(self.connected), str(source)]
        subprocess.run(build, check=True, env=self.environment, stdout=subprocess.DEVNULL)

    def create_vault(self, command: str) -> None:
        """The printed vault, with the endpoints and keys of the simulated resources; the editor is one that writes it."""
        filled = yaml.safe_load(self.vault)
        resources = json.loads((DEMO / "resources.json").read_text())["resources"]
        for family in filled["vault_resources"]:
            filled["vault_resources"][family] = next({key: entry[key] for key in ("endpoint", "api_key")} for entry in resources if family in entry["families"])
        content = self.place / "vault.yml"
        content.touch(mode=0o600)
        content.write_text(json.dumps(filled))
        self.shell(f"{command} --skip-tty-check", typed=2 * PASSWORD, editor=f"cp {content}")
        content.unlink()
        if not (self.connected / command.split()[-1]).read_text().startswith("$ANSIBLE_VAULT;"):
            sys.exit("readme: the vault was not encrypted.")

    def play(self, command: str) -> None:
        """Try first with --check --diff, as the README says that one may; then really."""
        self.shell(f"{command} --check --diff", typed=PASSWORD)
        self.shell(command, typed=PASSWORD)

    def deploy(self, command: str) -> None:
        """Carry the bundle, the inventory without the vault, and allowed_signers inside; deploy, and ask every service."""
        shutil.copytree(self.connected, self.inside, dirs_exist_ok=True, ignore=shutil.ignore_patterns("vault.yml", "staging", "*.tar.gz", "connected"))
        self.here = self.inside
        self.play(command)
        for host, services in self.services.items():
            for service in services:
                container = next(found.container for found in fleet.HOSTS if found.name == host)
                asked = fleet.docker("exec", container, "python3", "-c", READY, str(service["port"]), check=False)
                if asked.returncode:
                    sys.exit(f"readme: {service['name']} on {host} is not ready: {asked.stderr.strip()}")

    def enter_bundle(self, _command: str) -> None:
        """Go there for the commands that follow."""
        self.here = self.inside / "bundle"

    def unpack_volumes(self, command: str) -> None:
        """Cut the bundle that was exported, so that a file of it is cut too, and unpack the volumes elsewhere."""
        media = self.place / "media"
        options = {"path": str(self.connected / "bundle"), "dest": str(media), "size": "12m", "signing_key": "~/.ssh/bundle-signing"}
        self.here = self.connected
        self.shell(f"ansible localhost --module-name airgap.cognitive.bundle_volumes --args '{json.dumps(options)}'")
        self.here = media
        self.shell(command)

    def join_parts(self, command: str) -> None:
        """For each file that was cut; then the bundle must be whole."""
        names = {part.name.partition("-")[0] for part in (self.here / "bundle" / "parts").iterdir()}
        if not names:
            sys.exit("readme: no file was cut.")
        for name in names:
            self.shell(command.replace("CHECKSUM", name))
        self.here /= "bundle"
        self.shell("sha256sum -c --quiet SHA256SUMS")

    def follow(self, commands: list[str]) -> None:
        """Run the commands in the order in which they are printed."""
        strangers = [command for command in commands if command not in self.steps]
        gone = [command for command in self.steps if command not in commands]
        if strangers or gone:
            sys.exit(f"readme: the README prints commands that this test does not know ({strangers}), or does not print ones that it knows ({gone}).")
        for command in commands:
            self.steps[command](command)
        if not (self.inside / "report" / "usage.html").stat().st_size:
            sys.exit("readme: there is no report.")


def images(services: dict[str, list[dict[str, t.Any]]]) -> list[str]:
    """The images of C(services), without a registry."""
    return sorted({f"{PROFILES[service['family']].repository}:{service['tag']}" for of_host in services.values() for service in of_host})


def clean() -> None:
    """Take away what an earlier run or this one left on the hosts."""
    for host in fleet.HOSTS:
        fleet.docker("exec", host.container, "sh", "-c", CLEAN)


def main() -> int:
    """Read and follow."""
    blocks, commands = printed((CHECKOUT / "README.md").read_text())
    if len(blocks) != 2:
        sys.exit(f"readme: the README prints {len(blocks)} blocks of YAML; this test knows an inventory and a vault.")
    place = Path(tempfile.mkdtemp(prefix="airgap-readme-"))
    reader = Reader(place, *blocks)
    names = images(reader.services)
    try:
        clean()
        for name in names:
            fleet.docker("tag", name, f"{REGISTRY}/{name}")
        reader.begin()
        reader.follow(commands)
    finally:
        clean()
        for name in names:
            fleet.docker("image", "rm", f"{REGISTRY}/{name}", check=False)
        shutil.rmtree(place)
    print(f"{len(commands)} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
