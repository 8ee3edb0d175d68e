# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The one exception that domain code raises for what a user can put right."""

from __future__ import annotations

import typing as t


class CognitiveError(Exception):
    """What is wrong, where (file, service, host), and what to do, in one sentence.

    C(details) are extra keys for the failed result of a module; they never hold a secret.
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.details = details
