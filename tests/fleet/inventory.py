#!/usr/bin/env python3
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the inventory of the demo into .build/demo, with keys that are made once, and starts the simulated billing endpoint.

The hosts' addresses are those of the fleet that runs (fleet.py up).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
DEMO = CHECKOUT / ".build" / "demo"
INVENTORY = DEMO / "inventory"
VENV = CHECKOUT / ".build" / "venv" / "bin"
BILLING = CHECKOUT / "tests" / "simulator" / "billing.py"
SIGNER = "demo@airgap-cognitive.example"

SMALL = {"cpus": 0.5, "memory": "192m"}
SERVICES: dict[str, list[dict[str, t.Any]]] = {
    "edge1": [
        {"name": "sentiment-en", "family": "sentiment", "tag": "3.0-en", "port": 5001},
        {"name": "keyphrase-en", "family": "keyphrase", "tag": "3.0-en", "port": 5002},
        {"name": "speech-en", "family": "speech-to-text", "tag": "4.11.0-amd64-en-us", "port": 5003},
    ],
    "edge2": [
        {"name": "language", "family": "language-detection", "tag": "3.0", "port": 5001},
        # Two services on one output mount: each reports the sum of both, and it counts once.
        {"name": "language-2", "family": "language-detection", "tag": "3.0", "port": 5002, "output": "/var/lib/cognitive/language/output"},
        {"name": "read", "family": "vision-read", "tag": "3.2-model-2021-04-12", "port": 5003},
    ],
    "edge3": [
        {"name": "layout", "family": "di-layout", "tag": "2023-07-31", "port": 5001},
        {"name": "invoice", "family": "di-invoice", "tag": "2023-07-31", "port": 5002},
        {"name": "sentiment-en", "family": "sentiment", "tag": "3.0-en", "port": 5003},
    ],
}
# One resource for each kind of commitment, as a customer has them.
RESOURCES = {
    "language": ["sentiment", "keyphrase", "language-detection"],
    "speech": ["speech-to-text", "neural-text-to-speech"],
    "vision": ["vision-read"],
    "documents": ["di-layout", "di-invoice", "di-custom-template"],
}


def write(path: Path, content: str, mode: int = 0o644) -> None:
    """Write beside, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.touch(mode=mode)
    beside.chmod(mode)
    beside.write_text(content)
    os.replace(beside, path)


def ensure_keys() -> list[dict[str, t.Any]]:
    """The resources with their keys, for the billing endpoint; made once, so that a second export has nothing to do."""
    path = DEMO / "resources.json"
    if not path.exists():
        resources = [
            {"endpoint": f"https://{name}.cognitiveservices.example", "api_key": secrets.token_hex(16), "families": families}
            for name, families in RESOURCES.items()
        ]
        write(path, json.dumps({"resources": resources}), 0o600)
    if not (DEMO / "vault-password").exists():
        write(DEMO / "vault-password", secrets.token_hex(16) + "\n", 0o600)
    key = DEMO / "signing-key"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", f"{key}.new"], check=True)
        os.replace(f"{key}.new.pub", f"{key}.pub")
        os.replace(f"{key}.new", key)
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    write(DEMO / "allowed_signers", f'{SIGNER} namespaces="airgap.cognitive.bundle" {public}\n')
    return list(json.loads(path.read_text())["resources"])


def write_vault(resources: list[dict[str, t.Any]]) -> None:
    """The keys for the export, encrypted, for the connected side alone."""
    path = INVENTORY / "group_vars" / "connected" / "vault.yml"
    if path.exists():
        return
    plain = {family: {"endpoint": entry["endpoint"], "api_key": entry["api_key"]} for entry in resources for family in entry["families"]}
    # Never under a name that Ansible would read.
    source, encrypted = path.with_suffix(".plain"), path.with_suffix(".encrypted")
    write(source, json.dumps({"cognitive_resources": plain}), 0o600)
    command = [VENV / "ansible-vault", "encrypt", "--vault-password-file", DEMO / "vault-password", "--output", encrypted, source]
    # make exports the name of the password file, which would then be there twice.
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_VAULT_PASSWORD_FILE"}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, env=environment)
    source.unlink()
    if done.returncode:
        sys.exit(f"inventory: ansible-vault failed: {done.stderr.strip()}")
    os.replace(encrypted, path)


def main() -> int:
    """Write all, and start the billing endpoint."""
    status = json.loads(subprocess.run([sys.executable, str(HERE / "fleet.py"), "status"], check=True, capture_output=True, text=True).stdout)
    down = [name for name, host in status["hosts"].items() if not host.get("address")]
    if down:
        sys.exit(f"inventory: {', '.join(down)} does not run; start the fleet with tests/fleet/fleet.py up.")
    DEMO.mkdir(parents=True, exist_ok=True)
    DEMO.chmod(0o700)
    resources = ensure_keys()
    shutil.copytree(HERE / "inventory" / "group_vars", INVENTORY / "group_vars", dirs_exist_ok=True)
    write_vault(resources)
    fleet = {
        name: {"ansible_host": host["address"], "cognitive_services": [{**service, **SMALL} for service in SERVICES[name]]}
        for name, host in status["hosts"].items()
    }
    hosts = {
        "connected": {
            "hosts": {"staging": {"ansible_connection": "local", "ansible_python_interpreter": str(VENV / "python")}},
            "vars": {"cognitive_license_network": status["connected"]},
        },
        "fleet": {
            "hosts": fleet,
            "vars": {
                "ansible_ssh_private_key_file": status["key"],
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={status['known_hosts']} -o StrictHostKeyChecking=yes",
            },
        },
    }
    # JSON is YAML, and needs nothing installed.
    write(INVENTORY / "hosts.yml", json.dumps(hosts, indent=2) + "\n")
    name = status["network"].removesuffix("-fleet") + "-billing"
    running = subprocess.run(["docker", "inspect", "--format", "{{.State.Running}}", name], capture_output=True, text=True, check=False)
    if running.stdout.strip() != "true":
        command = [sys.executable, str(BILLING), "start", "--name", name, "--network", status["connected"], "--resources", str(DEMO / "resources.json")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 0


if __name__ == "__main__":
    sys.exit(main())
