# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option that says where the Docker Engine is."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that talk to an engine."""

    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Where the Docker Engine listens, for example V(unix:///run/docker.sock).
      - Without it the environment of the module decides (C(DOCKER_HOST)), and then the local socket.
    type: str
requirements:
  - Docker Engine 20.10 or later
  - "Docker SDK for Python 5.0.3 or later (Debian: C(python3-docker))"
"""
