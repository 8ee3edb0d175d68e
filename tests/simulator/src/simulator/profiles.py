# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the families differ in."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Profile:
    """One family.

    C(kind) is the kind of its samples: C(text), C(speech), C(voice), C(read), C(document), C(custom).
    C(service) is what C(/ready), C(/status), the report and the output directory call it.
    """

    family: str
    repository: str
    kind: str
    service: str
    api_type: str
    meter: str
    operation: str = ""
    port: int = 5000
    billed_factor: str = "1"
    exposed: bool = True
    volume: bool = False
    needs_layout: bool = False
    environment: tuple[tuple[str, str], ...] = ()
    model_layer: str = ""

    @property
    def layer(self) -> str:
        """Families of one name share their model layer."""
        return self.model_layer or self.family


_SHARE = (("Mounts:Shared", "/share"),)
# Only this meter's name is documented (for key phrases); the others follow its shape.
_TEXT_METER = "CognitiveServices.TextAnalytics.Container.BatchScoring"

PROFILES: dict[str, Profile] = {
    profile.family: profile
    for profile in (
        Profile(
            "speech-to-text",
            "azure-cognitive-services/speechservices/speech-to-text",
            "speech",
            "speechtotext",
            "speech",
            "CognitiveServices.SpeechServices.Container.SpeechToTextHours",
        ),
        Profile(
            "neural-text-to-speech",
            "azure-cognitive-services/speechservices/neural-text-to-speech",
            "voice",
            "neuraltexttospeechonprem",
            "speech",
            "CognitiveServices.SpeechServices.Container.NeuralTextToSpeechCharacters",
        ),
        Profile(
            "sentiment", "azure-cognitive-services/textanalytics/sentiment", "text", "sentimentonnx", "textanalytics", _TEXT_METER, "sentiment", volume=True
        ),
        Profile("keyphrase", "azure-cognitive-services/textanalytics/keyphrase", "text", "keyphrase", "textanalytics", _TEXT_METER, "keyPhrases", volume=True),
        Profile(
            "language-detection",
            "azure-cognitive-services/textanalytics/language",
            "text",
            "languagefasttext",
            "textanalytics",
            _TEXT_METER,
            "languages",
            volume=True,
        ),
        Profile(
            "vision-read",
            "azure-cognitive-services/vision/read",
            "read",
            "computervisionread",
            "computervision",
            "CognitiveServices.ComputerVision.Container.ReadPages",
            exposed=False,
            environment=_SHARE,
        ),
        Profile(
            "di-layout",
            "azure-cognitive-services/form-recognizer/layout-3.1",
            "document",
            "layout",
            "formrecognizer",
            "CognitiveServices.FormRecognizer.Container.LayoutPages",
            "prebuilt-layout",
            billed_factor="1.5",
            model_layer="di-ocr",
        ),
        Profile(
            "di-invoice",
            "azure-cognitive-services/form-recognizer/invoice-3.1",
            "document",
            "invoice",
            "formrecognizer",
            "CognitiveServices.FormRecognizer.Container.InvoicePages",
            "prebuilt-invoice",
            port=5050,
            billed_factor="1.5",
            needs_layout=True,
            model_layer="di-ocr",
        ),
        Profile(
            "di-custom-template",
            "azure-cognitive-services/form-recognizer/custom-template-3.1",
            "custom",
            "customtemplate",
            "formrecognizer",
            "CognitiveServices.FormRecognizer.Container.CustomTemplatePages",
            billed_factor="1.5",
            needs_layout=True,
        ),
    )
}

# Two versions of each, as the real repositories tag them.
TAGS: dict[str, tuple[str, str]] = {
    "speech-to-text": ("4.11.0-amd64-en-us", "4.12.0-amd64-en-us"),
    "neural-text-to-speech": ("3.10.0-amd64-en-us-arianeural", "3.11.0-amd64-en-us-arianeural"),
    "sentiment": ("3.0-en", "3.1-en"),
    "keyphrase": ("3.0-en", "3.1-en"),
    "language-detection": ("3.0", "3.1"),
    "vision-read": ("3.2-model-2021-04-12", "3.2-model-2022-04-30"),
    "di-layout": ("2023-07-31", "2024-11-30"),
    "di-invoice": ("2023-07-31", "2024-11-30"),
    "di-custom-template": ("2023-07-31", "2024-11-30"),
}


@dataclasses.dataclass(frozen=True)
class Image:
    """Which image this is; the build writes it into the image."""

    family: str
    version: str

    @property
    def profile(self) -> Profile:
        return PROFILES[self.family]
