# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What is to be downloaded on the connected side, and what of it can never work."""

from __future__ import annotations

import datetime
import os
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError
from ansible_collections.airgap.cognitive.plugins.module_utils._family import Family
from ansible_collections.airgap.cognitive.plugins.module_utils._settings import Settings, check_settings, fill_words, of_downloads, release

LABEL = "airgap.cognitive.download"
_ENDPOINT = re.compile(r"https?://[^\s/]+(?:/[^\s]*)?")
# Some families may take an hour for their models.
_LICENSE_TIMEOUT, _MODELS_TIMEOUT = 900.0, 4000.0


@dataclass(frozen=True)
class Request:
    """What to download, for which image, from where, and where to."""

    family: Family
    tag: str
    image: str
    endpoint: str
    api_key: str = field(repr=False)
    path: str
    models_path: str | None
    network: str | None
    environment: dict[str, str]
    renew_before: int
    ends: str | None
    # Seconds for each run; None for what its kind takes at most.
    timeout: float | None
    # How long nothing may change before a directory counts as whole while its container still runs.
    settle: float
    # What the operator chose within the family.
    settings: Settings = field(default_factory=dict)
    # A second resource, for families whose models come by another one than the license.
    model_endpoint: str | None = None
    model_api_key: str | None = field(default=None, repr=False)
    # Where files lie that were brought by hand.
    models_source: str | None = None

    @property
    def title(self) -> str:
        """For messages."""
        return f"License of {self.family.name} {self.release}"

    @property
    def release(self) -> str:
        """The tag, and with it what the settings chose; license and models have it for a tag."""
        return release(self.family, self.tag, self.settings)

    @property
    def chosen(self) -> dict[str, t.Any]:
        """The settings on which the download depends."""
        return of_downloads(self.family, self.settings)

    @property
    def record_path(self) -> str:
        """The record of the download, beside the directory so that nothing is added to it."""
        return self.path + ".json"

    @property
    def kinds(self) -> list[str]:
        """What there is to download, in the order of the family."""
        return list(dict.fromkeys(kind for step in self.family.downloads for kind in kinds_of(step)))

    def directory(self, kind: str) -> str:
        """Where the tree of C(kind) goes."""
        return str(self.models_path) if kind == "models" else self.path

    def resource(self, step: t.Mapping[str, t.Any]) -> tuple[str, str]:
        """Endpoint and key for a run."""
        if step.get("resource") == "model":
            return str(self.model_endpoint), str(self.model_api_key)
        return self.endpoint, self.api_key

    def seconds(self, step: t.Mapping[str, t.Any]) -> float:
        """How long a run may take."""
        return self.timeout or (_LICENSE_TIMEOUT if step["kind"] == "license" else _MODELS_TIMEOUT)

    def source_files(self) -> dict[str, str]:
        """By name, the files that are brought by hand, and where they lie."""
        names = [name for step in self.family.downloads for name in fill_words(self.family, step.get("files", []), self.settings)]
        return {name: os.path.join(str(self.models_source), name) for name in names}

    def check(self) -> None:
        """Refuse what can never work, before anything is run."""
        problem = self._problem()
        if problem:
            raise CognitiveError(f"{self.title}: {problem}.")

    def _problem(self) -> str | None:
        family = self.family
        second = any(step.get("resource") for step in family.downloads)
        problem = None
        if "models" in self.kinds and not self.models_path:
            problem = "the family needs models; say with models_path where they go"
        elif family.models == "" and "models" in self.kinds:
            problem = "the family downloads models but says not where they are mounted; add the field models to it"
        problem = problem or _resource_problem("", self.endpoint, self.api_key)
        if problem is None and second and not (self.model_endpoint and self.model_api_key):
            problem = (
                f"its model comes by another Azure resource than its license; add cognitive_resources.{family.name}.model with the endpoint and api_key of it"
            )
        problem = problem or (_resource_problem(" of the model", str(self.model_endpoint), str(self.model_api_key)) if second else None)
        return problem or self._files_problem() or self._numbers_problem()

    def _files_problem(self) -> str | None:
        if not any("files" in step for step in self.family.downloads):
            return None
        if not self.models_source:
            return f"its models are files that you bring; add cognitive_resources.{self.family.name}.models_dir with the directory that they are in"
        lacking = [path for path in self.source_files().values() if not os.path.isfile(path)]
        return f"there is no file {lacking[0]}; put it there under just this name, as it was exported" if lacking else None

    def _numbers_problem(self) -> str | None:
        if self.ends is not None and parse_date(self.ends) is None:
            return f"ends {self.ends!r} is not a date; write it as 2027-03-31"
        if self.renew_before < 0 or (self.timeout is not None and self.timeout <= 0) or self.settle <= 0:
            return "renew_before, timeout and settle are days and seconds; write numbers that are not below zero"
        return None


def read_settings(family: Family, tag: str, given: object) -> dict[str, str | list[str]]:
    """The settings of a download; raises with every mistake in them."""
    settings, mistakes = check_settings(family, given)
    if mistakes:
        raise CognitiveError("\n".join(f"License of {family.name} {tag}: {mistake}" for mistake in mistakes))
    return settings


def _resource_problem(whose: str, endpoint: str, api_key: str) -> str | None:
    if not _ENDPOINT.fullmatch(endpoint):
        return f"the endpoint{whose} {endpoint!r} is not an address; write it as https://NAME.cognitiveservices.azure.com"
    if not api_key or re.search(r"\s", api_key):
        return f"the key{whose} is empty or has blanks in it; see Keys and Endpoint of the Azure resource"
    return None


def kinds_of(step: t.Mapping[str, t.Any]) -> list[str]:
    """What a run brings, in the order in which it comes."""
    return ["models", "license"] if step["kind"] == "both" else [step["kind"]]


def parse_date(text: str | None) -> datetime.date | None:
    """A date as 2027-03-31, or None."""
    try:
        return datetime.date.fromisoformat(text or "")
    except ValueError:
        return None
