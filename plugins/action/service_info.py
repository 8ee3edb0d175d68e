# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resolve declared services on the controller; documented beside the modules."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Catalogue
from ansible_collections.airgap.cognitive.plugins.module_utils._service import Site, resolve

_ARGUMENTS = {
    "declared": {"type": "dict", "required": True},
    "families": {"type": "dict", "default": {}},
    "registry": {"type": "str", "default": ""},
    "root": {"type": "str", "default": "/var/lib/cognitive"},
    "bind": {"type": "str", "default": "127.0.0.1"},
    "network": {"type": "str", "default": "cognitive"},
    "resources": {"type": "list", "elements": "str"},
}


class ActionModule(ActionBase):
    """All that this needs is in the inventory, so nothing goes to a host."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """The services and images, or one failure with every mistake."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        site = Site(registry=args["registry"], root=args["root"], bind=args["bind"], network=args["network"])
        try:
            resolved = resolve(args["declared"], Catalogue(args["families"]), site, args["resources"])
        except CognitiveError as error:
            result.update(failed=True, changed=False, msg=str(error), **error.details)
            return result
        result.update(changed=False, **resolved)
        return result
