# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of M(airgap.cognitive.receipt)."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.plugin_utils._receipt import depot_receipt, host_receipt, reason_to_write, write_receipt

_MODULE = "airgap.cognitive.receipt"
_ARGUMENTS = {
    "bundle": {"type": "path", "required": True},
    "path": {"type": "path", "required": True},
    "of": {"type": "str", "choices": ["host", "depot"], "default": "host"},
    "trees": {"type": "dict", "default": {}},
    "usage_dir": {"type": "path"},
    "spool": {"type": "path", "default": "/var/lib/cognitive/.spool"},
    "docker_host": {"type": "str"},
}


class ActionModule(ActionBase):
    """Asks the host what its engine holds, and writes that here."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Write the receipt, unless it says what it would say already."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(_ARGUMENTS)
        try:
            bundle = Bundle(args["bundle"])
            if args["of"] == "depot":
                receipt = depot_receipt(bundle)
            else:
                answer = self._execute_module(_MODULE, {"spool": args["spool"], "docker_host": args["docker_host"]}, task_vars=task_vars)
                if answer.get("failed") or answer.get("unreachable"):
                    return {**result, **answer}
                receipt = host_receipt(str((task_vars or {})["inventory_hostname"]), answer["holds"], bundle, args["trees"], args["usage_dir"])
            path, reason, before = reason_to_write(receipt, args["path"])
            if reason and not self._task.check_mode:
                write_receipt(receipt, path)
        except CognitiveError as error:
            return {**result, "failed": True, "msg": str(error), **error.details}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return {
            **result,
            "changed": bool(reason),
            "path": path,
            "reason": reason,
            "msg": f"Receipt {os.path.basename(path)}: {reason}." if reason else f"Receipt {os.path.basename(path)} is up to date.",
            "diff": {"before": before, "after": receipt} if reason else {},
        }
