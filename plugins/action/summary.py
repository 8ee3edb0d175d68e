# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print a table for people at the end of a play; documented beside the modules."""

from __future__ import annotations

import shutil
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.airgap.cognitive.plugins.plugin_utils._table import render_table

_ARGUMENTS = {
    "title": {"type": "str", "required": True},
    "columns": {"type": "list", "elements": "str", "required": True},
    "rows": {"type": "list", "elements": "dict", "required": True},
    "notes": {"type": "list", "elements": "str", "default": []},
    "fail_when_level": {"type": "str", "choices": ["error", "warning"]},
    "fail_message": {"type": "str"},
}


class ActionModule(ActionBase):
    """The controller's terminal is the only thing that this action touches."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Print, and fail when a row has the level that was said to fail."""
        result = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            _ARGUMENTS, required_together=[("fail_when_level", "fail_message")]
        )
        rows: list[dict[str, t.Any]] = args["rows"]
        width = shutil.get_terminal_size((160, 24)).columns
        text = render_table(args["title"], args["columns"], rows, args["notes"], width)
        if text:
            Display().display("\n" + text)
        failing = any(row.get("level") in _levels(args["fail_when_level"]) for row in rows)
        # What was printed is not shown a second time below the failure.
        result.update(changed=False, **({"failed": True, "msg": args["fail_message"]} if failing else {"text": text}))
        return result


def _levels(lowest: str | None) -> tuple[str, ...]:
    """The levels that are as bad as C(lowest) or worse."""
    return {None: (), "error": ("error",), "warning": ("error", "warning")}[lowest]
