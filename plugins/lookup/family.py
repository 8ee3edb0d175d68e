# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: family
short_description: A family of containers from the catalogue
version_added: 0.1.0
description:
  - Returns what the catalogue says of a family of containers, with what the inventory overrides.
author:
  - the airgap.cognitive authors
options:
  _terms:
    description: Names of families; none means all of them, in order of their names.
    type: list
    elements: str
  families:
    description:
      - Families that the inventory adds, and fields of families that it overrides.
      - Without it, the variable C(cognitive_families) is used where it is defined.
    type: dict
"""

EXAMPLES = r"""
- name: Show how much memory the Read container should have
  ansible.builtin.debug:
    msg: "{{ lookup('airgap.cognitive.family', 'vision-read').memory.recommended }}"

- name: Show what an operator chooses for the Translator, and what is allowed
  ansible.builtin.debug:
    msg: "{{ lookup('airgap.cognitive.family', 'text-translation').settings }}"

- name: Show the names of all families
  ansible.builtin.debug:
    msg: "{{ query('airgap.cognitive.family') | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary for each family. Sizes of memory are bytes.
  type: list
  elements: dict
"""

import typing as t  # noqa: E402

from ansible.errors import AnsibleLookupError  # noqa: E402
from ansible.plugins.lookup import LookupBase  # noqa: E402

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError  # noqa: E402
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue  # noqa: E402


class LookupModule(LookupBase):
    """The catalogue for templates."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """The families named in C(terms), or all."""
        self.set_options(var_options=variables, direct=kwargs)
        families = self.get_option("families")
        if families is None and "cognitive_families" in (variables or {}):
            families = self._templar.template(variables["cognitive_families"]) if self._templar else variables["cognitive_families"]
        try:
            catalogue = Catalogue(families)
            return [catalogue.get(name).as_dict() for name in terms or catalogue.names()]
        except CognitiveError as error:
            raise AnsibleLookupError(str(error)) from error
