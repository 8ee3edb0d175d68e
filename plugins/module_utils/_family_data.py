# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The catalogue: one entry for each container family that may run disconnected.

An entry has the fields of L(Family) in C(_family.py), which also says what each means and what it is
when it is left out. C(sources) names the Microsoft document that each fact comes from, by its title.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils import _family_document, _family_language, _family_speech

FAMILIES: dict[str, dict[str, t.Any]] = {**_family_speech.FAMILIES, **_family_language.FAMILIES, **_family_document.FAMILIES}

# Containers that exist but may not run disconnected: by name, why.
REFUSED: dict[str, str] = {
    "speech-language-identification": "Microsoft does not offer Speech language identification as a disconnected container",
    "text-analytics-for-health": "Microsoft does not offer Text Analytics for health as a disconnected container",
    "custom-ner": "Microsoft does not offer custom named entity recognition as a disconnected container",
    "anomaly-detector": "Microsoft does not offer Anomaly Detector as a disconnected container",
    "spatial-analysis": "Microsoft does not say that Spatial Analysis may run disconnected",
    "di-studio": "the Document Intelligence studio is a companion without a license, not a service",
    "diagnostic": "the diagnostic container only checks a billing endpoint, which an air-gapped site does not have",
}
