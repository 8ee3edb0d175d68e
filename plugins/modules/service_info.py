#!/usr/bin/python
# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The controller does all of this, in plugins/action/service_info.py; here is its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_info
short_description: Resolve the services that a fleet declares
version_added: 0.1.0
description:
  - Takes the C(cognitive_services) of all hosts and returns each service complete, as the other modules of this collection expect it, with image,
    options, mounts, sizes, needs and the order in which the services of a host start.
  - Every mistake in the declarations is named in one failure, one sentence for each, with the host and the service it is in.
  - Runs on the controller and asks no host anything.
author:
  - the airgap.cognitive authors
extends_documentation_fragment:
  - airgap.cognitive.attributes.info
  - airgap.cognitive.attributes.action
  - airgap.cognitive.attributes.actiongroup_cognitive
options:
  declared:
    description:
      - By host, the list of its services.
      - A service has V(name), V(family), V(tag) and V(port), and it may have V(cpus) and V(memory) (the family's recommendation otherwise), V(bind),
        V(env) and V(arguments) (further environment and options of the container), V(output) (another output directory, which services may
        share), V(restart), V(ready_timeout) (seconds) and V(companions) (by family, the name of the service that it works with).
      - V(settings) are what a family lets an operator choose, as languages, a model, or a project; P(airgap.cognitive.family#lookup) shows them.
        A family that needs some says so, and so does one that is given what it does not know.
    type: dict
    required: true
  families:
    description: Families that the inventory adds, and fields of families that it overrides; see P(airgap.cognitive.family#lookup).
    type: dict
    default: {}
  registry:
    description: Host of the registry that begins the names of the images. Empty means that the names have none.
    type: str
    default: ""
  root:
    description: Directory of the hosts below which each service has its own.
    type: str
    default: /var/lib/cognitive
  bind:
    description: Address on which services listen. The containers ask nobody who they are, so think before you change it.
    type: str
    default: 127.0.0.1
  network:
    description: Network of the engine on which the services of a host find each other by name.
    type: str
    default: cognitive
  resources:
    description:
      - The families for which the connected side has an Azure resource. Then a family without one is a mistake.
      - Without this option, resources are of no interest.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Resolve the services of the fleet
  airgap.cognitive.service_info:
    declared:
      edge1:
        - name: sentiment-en
          family: sentiment
          tag: "3.0-en"
          port: 5001
          cpus: 4
          memory: 8g
  register: service_resolved

- name: Show the images that a bundle must hold
  ansible.builtin.debug:
    var: service_resolved.images
"""

RETURN = r"""
services:
  description: The services, by host and in the order in which they start.
  returned: success
  type: list
  elements: dict
  contains:
    host:
      description: The host that declares it.
      type: str
    name:
      description: Name of the service, of its container and of its directory.
      type: str
    family:
      description: Family in the catalogue.
      type: str
    tag:
      description: Tag of the image.
      type: str
    release:
      description: The tag, and with it what the settings chose where downloads depend on them.
      type: str
    settings:
      description: The settings, checked.
      type: dict
    gpu:
      description: Whether it runs with all GPUs of the host.
      type: bool
    image:
      description: Reference of the image.
      type: str
    port:
      description: Port of the host.
      type: int
    bind:
      description: Address of the host on which the port is published.
      type: str
    container_port:
      description: Port on which the container listens.
      type: int
    cpus:
      description: Limit of CPUs.
      type: float
    memory:
      description: Limit of memory, in bytes.
      type: int
    command:
      description: Options of the container that go after the image.
      type: list
      elements: str
    env:
      description: Environment of the container.
      type: dict
    volumes:
      description: Mounts of the container.
      type: list
      elements: str
    network:
      description: Network of the engine.
      type: str
    root:
      description: Directory of the service.
      type: str
    license_dir:
      description: Directory of its license.
      type: str
    output_dir:
      description: Directory that its usage logs go to.
      type: str
    models_dir:
      description: Directory of its models, where the family has any.
      type: str
    shared_dir:
      description: Directory that it shares with a companion, where it does.
      type: str
    owner:
      description: Number of the user that the container runs as.
      type: int
    restart:
      description: Restart policy.
      type: str
    ready_timeout:
      description: Seconds to wait until it is ready.
      type: int
    companions:
      description: By family, the service that it works with.
      type: dict
    depends_on:
      description: Services that start before it.
      type: list
      elements: str
    order:
      description: Its place in the order in which the services of the host start.
      type: int
    needs:
      description: What the host must have for it, and the document that says so.
      type: dict
    trees:
      description: License and models, as M(airgap.cognitive.tree_push) takes them.
      type: list
      elements: dict
    query:
      description: A query that a ready container answers.
      type: dict
images:
  description: The images that the services need, each once.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Reference of the image.
      type: str
    family:
      description: Family in the catalogue.
      type: str
    tag:
      description: Tag of the image.
      type: str
downloads:
  description: Licenses and models that the services need, each once.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Reference of the image.
      type: str
    family:
      description: Family in the catalogue.
      type: str
    tag:
      description: Tag of the image.
      type: str
    release:
      description: The tag, and with it what the settings chose.
      type: str
    settings:
      description: The settings.
      type: dict
mistakes:
  description: Every mistake in the declarations.
  returned: failure
  type: list
  elements: str
"""
