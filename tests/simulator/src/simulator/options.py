# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration as the containers read it: C(key=value) arguments before environment, no matter the case, nested by C(:) or C(__)."""

from __future__ import annotations

import typing as t


class Options:
    """What the operator gave. C(words) are bare arguments without a value."""

    def __init__(self, arguments: t.Sequence[str], environment: t.Mapping[str, str]) -> None:
        self.words: list[str] = []
        self._values = {_fold(name): value for name, value in environment.items()}
        for argument in arguments:
            key, equals, value = argument.partition("=")
            if equals and key:
                self._values[_fold(key)] = value
            else:
                self.words.append(argument)

    def get(self, key: str, default: str = "") -> str:
        return self._values.get(_fold(key), default).strip() or default

    def flag(self, key: str) -> bool:
        return self.get(key).lower() == "true"

    def proxies(self) -> dict[str, str]:
        return {scheme: self.get(f"{scheme}_proxy") for scheme in ("http", "https") if self.get(f"{scheme}_proxy")}


def _fold(key: str) -> str:
    return key.replace("__", ":").lower()
