# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine for tests of downloads."""

from __future__ import annotations

import contextlib
import datetime
import os

import pytest

from ansible_collections.airgap.cognitive.plugins.module_utils._engine import EngineImage

docker_errors = pytest.importorskip("docker.errors")

KEY = "0123456789abcdef0123456789abcdef"
IMAGE = EngineImage(id="sha256:1", tags=(), repo_digests=("x@sha256:9",), diff_ids=("sha256:2",), size=1, os="linux", architecture="amd64")
TODAY = datetime.datetime.now(datetime.timezone.utc).date()


class FakeEngine:
    """An engine whose containers do, at each look, the next of C(steps): a function of the mounted directories, and then a state."""

    def __init__(self, *runs):
        self.api = self
        self.info = {"Runtimes": {"runc": {}}}
        self.runs = list(runs)
        self.steps = []
        self.says = ""
        self.made = []
        self.removed = []
        self.left = []

    @contextlib.contextmanager
    def speaking(self):
        yield

    def containers(self, all, filters):
        return [{"Id": identity} for identity in self.left]

    def create_host_config(self, mounts, network_mode, log_config, device_requests):
        return {"gpu": bool(device_requests), "mounts": {mount["Target"]: mount["Source"] for mount in mounts}, "network": network_mode}

    def create_container(self, image, command, environment, host_config, labels):
        self.made.append({"image": image, "command": command, "environment": environment, "labels": labels, **host_config})
        return {"Id": f"c{len(self.made)}"}

    def start(self, identity):
        self.steps = list(self.runs.pop(0))

    def inspect_container(self, identity):
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if callable(step):
            step = step(self.made[-1]["mounts"])
        if step is None:
            raise docker_errors.NotFound("gone")
        if isinstance(step, int):
            return {"State": {"Running": False, "ExitCode": step}}
        return {"State": {"Running": True, "ExitCode": 0}}

    def logs(self, identity, tail, since=None):
        return self.says.encode()

    def remove_container(self, identity, force, v):
        assert force and v
        self.removed.append(identity)


def writes(name, content="secret bytes", then="runs", target="/license"):
    def step(mounts):
        path = os.path.join(mounts[target], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(content)
        return then

    return step
