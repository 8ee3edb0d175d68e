# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The type of the fixture C(switches)."""

from __future__ import annotations

import typing as t

from simulator.switches import Switches

SwitchesAt = t.Callable[..., Switches]
