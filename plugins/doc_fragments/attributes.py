# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module says of itself: check mode, diff mode, idempotence. Each module adds its C(support)."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of the modules of this collection."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what it would do without doing it.
  diff_mode:
    description: Returns what it changed, or in C(check_mode) what it would change, when diff mode is on.
  idempotent:
    description:
      - Run twice in a row with the same options, the second run changes nothing, and says so.
      - This holds as long as nothing else changes the machine between the two runs.
"""

    # For modules that look and change nothing.
    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what it would do without doing it.
    support: full
    details:
      - This module changes nothing, in check mode or out of it.
  diff_mode:
    description: Returns what it changed, or in C(check_mode) what it would change, when diff mode is on.
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    description:
      - Run twice in a row with the same options, the second run changes nothing, and says so.
      - This holds as long as nothing else changes the machine between the two runs.
    support: full
    details:
      - This module changes nothing.
"""

    # For modules whose controller half is an action plugin.
    ACTION = r"""
options: {}
attributes:
  action:
    description: A part of this runs on the controller, as an action plugin.
    support: full
  async:
    description: Can be run in the background with C(async).
    support: none
    details:
      - The controller's part has to be there until the end.
"""

    ACTIONGROUP_COGNITIVE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/airgap.cognitive.cognitive) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - airgap.cognitive.cognitive
"""
