# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""How the result or the error of domain code leaves a module: the same way in all of them."""

from __future__ import annotations

import traceback
import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError


class ModuleLike(t.Protocol):
    """The two ways out of a module that this file uses."""

    def exit_json(self, **result: t.Any) -> t.NoReturn: ...

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn: ...


def run_module(module: ModuleLike, work: t.Callable[[], dict[str, t.Any]]) -> t.NoReturn:
    """Call C(work) and leave the module with its result, or with one sentence where it raised.

    An exception that nobody foresaw is a defect of this collection; its traceback goes to the
    C(exception) key, which Ansible shows with C(-vvv) only.
    """
    try:
        result = work()
    except CognitiveError as error:
        module.fail_json(msg=str(error), **error.details)
    except Exception as error:  # pylint: disable=broad-exception-caught
        module.fail_json(
            msg=f"This is a defect of airgap.cognitive, please report it: {type(error).__name__}: {error}",
            exception=traceback.format_exc(),
        )
    module.exit_json(**result)
