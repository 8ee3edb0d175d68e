# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The controller's half of a push: send the blobs that a host lacks, over the connection that there is."""

from __future__ import annotations

import base64
import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.airgap.cognitive.plugins.module_utils._bundle import Bundle
from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._units import format_size

# A blob up to this size goes with the call of the module; a larger one is a transfer of its own.
INLINE = 32 * 1024
# Below this nobody waits long enough to be told.
_WORTH_TELLING = 64 * 1024**2


class HostRefuses(Exception):
    """The host's half failed; its result is the task's result."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class PushAction(ActionBase):
    """What the actions that push have in common: they call their module, and send blobs in between."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Push, and leave with one sentence where that is not possible."""
        result = super().run(tmp, task_vars)
        try:
            result.update(self._push(task_vars or {}))
        except CognitiveError as error:
            result.update(failed=True, changed=False, msg=str(error), **error.details)
        except HostRefuses as refusal:
            result.update(refusal.result)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _push(self, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        raise NotImplementedError

    def _on_host(self, module: str, args: dict[str, t.Any], step: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        """One call of the host's half."""
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()
        # The owner of this directory is the user that the connection logs in as, whoever the module becomes.
        step = {**step, "login_directory": self._connection._shell.tmpdir}
        answer = self._execute_module(module_name=module, module_args={**args, "_step": step}, task_vars=task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise HostRefuses(answer)
        return answer

    def _send(self, bundle: Bundle, lacking: t.Mapping[str, int], incoming: str, host: str) -> int:
        """Send the blobs C(lacking) (size by digest) into the directory C(incoming); the bytes that were sent."""
        total = sum(lacking.values())
        sent = 0
        for number, (digest, size) in enumerate(sorted(lacking.items(), key=lambda item: item[1]), 1):
            if total > _WORTH_TELLING:
                Display().display(f"{host}: sending {number} of {len(lacking)}, {format_size(size)} ({format_size(sent)} of {format_size(total)} sent)")
            source = bundle.blob_path(digest)
            if not os.path.isfile(source):
                raise CognitiveError(f"{host} lacks blob {digest} ({format_size(size)}), and so does {bundle.path}; get the bundle again from where it was made.")
            target = self._connection._shell.join_path(incoming, digest.partition(":")[2])
            try:
                self._connection.put_file(source, target)
            except AnsibleError as error:
                raise CognitiveError(f"{host}: the connection broke while blob {digest} was sent ({error}); run again, what arrived whole is kept.") from error
            sent += size
        return sent


def documents(bundle: Bundle, digests: t.Iterable[str]) -> dict[str, str]:
    """The content of small blobs, base64 by digest, to go with a call."""
    found = {}
    for digest in digests:
        with open(bundle.blob_path(digest), "rb") as stream:
            found[digest] = base64.b64encode(stream.read()).decode("ascii")
    return found
