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

# Titles of the documents, as Microsoft publishes them.
DISCONNECTED = "Use Docker containers in disconnected environments"
IMAGE_TAGS = "Azure Cognitive Services container image tags and release notes"
SPEECH = "Install and run Speech containers with Docker"
SPEECH_TO_TEXT = "Speech to text containers with Docker"
TEXT_TO_SPEECH = "Neural text to speech containers with Docker"
SENTIMENT = "Install and run Sentiment Analysis containers"
KEYPHRASE = "Install and run Key Phrase Extraction containers"
LANGUAGE_DETECTION = "Use language detection Docker containers on-premises"
READ = "Install Azure AI Vision 3.2 GA Read OCR container"
DOCUMENT_INTELLIGENCE = "Install and run Document Intelligence containers"
DOCUMENT_INTELLIGENCE_OFFLINE = "Containers in disconnected (offline) environments"

_LOCALE = r"[a-z]{2,3}(?:-[a-z0-9]+)+"
_VERSIONED = r"\d+(?:\.\d+)+"

_TEXT_TAG = {
    # Builds before the language tags carried a version and amd64 alone.
    "pattern": rf"latest|{_VERSIONED}-[a-z]{{2,3}}(?:-[a-z]+)?|{_VERSIONED}(?:-onprem)?-amd64(?:-preview)?",
    "rule": "a version and a language, or latest (English)",
    "example": "3.0-en",
}
_DOCUMENT_TAG = {
    "pattern": rf"latest|\d{{4}}-\d{{2}}-\d{{2}}(?:-preview)?|{_VERSIONED}[a-z0-9.-]*",
    "rule": "a date, a version or latest",
    "example": "2023-07-31",
}
# The smallest document that the services accept: a white PNG of 64 by 64 pixels, in black and white.
_WHITE_PNG = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACCEkxzAAAAEklEQVR42mP4DwUMo4xRBukMAOPT/hAC2mzjAAAAAElFTkSuQmCC"
_LAYOUT = {
    "option": "AzureCognitiveServiceLayoutHost",
    "value": "http://{name}:{port}",
}
_DOCUMENT_SHARE = {"mount": "/share", "options": {"SharedRootFolder": "/share", "Mounts:Shared": "/share"}}


def _text_query(operation: str, document: dict[str, str]) -> dict[str, t.Any]:
    return {
        "method": "POST",
        "path": f"/text/analytics/v3.0/{operation}",
        "content_type": "application/json",
        "body": {"documents": [document]},
        "status": 200,
        "answer": ["documents"],
    }


FAMILIES: dict[str, dict[str, t.Any]] = {
    "speech-to-text": {
        "title": "Speech to text",
        "repository": "azure-cognitive-services/speechservices/speech-to-text",
        "tag": {
            "pattern": rf"latest|{_VERSIONED}-amd64-{_LOCALE}",
            "rule": "a version, amd64 and a locale, all in lower case, or latest (en-us)",
            "example": "4.12.0-amd64-en-us",
        },
        # The minimum is for the container, on top of it comes the model: 4 to 8 GB.
        "cpus": {"minimum": 4, "recommended": 8},
        "memory": {"minimum": "8g", "recommended": "16g"},
        "cpu_flags": {"required": ["avx2"]},
        "query": {
            "method": "POST",
            "path": "/speech/recognition/conversation/cognitiveservices/v1?language=en-US&format=simple",
            "content_type": "audio/wav; codecs=audio/pcm; samplerate=16000",
            # 0.1 s of silence would be 3 KiB: the header of a sound of no length is enough to be answered.
            "body_base64": "UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA=",
            "status": 200,
            "answer": ["RecognitionStatus"],
        },
        "commitment": "Speech to text, standard",
        "sources": {"*": SPEECH, "repository": SPEECH_TO_TEXT, "tag": IMAGE_TAGS, "query": SPEECH_TO_TEXT},
    },
    "neural-text-to-speech": {
        "title": "Neural text to speech",
        "repository": "azure-cognitive-services/speechservices/neural-text-to-speech",
        "tag": {
            "pattern": rf"latest|{_VERSIONED}-amd64-{_LOCALE}-[a-z0-9]+(?:-preview)?",
            "rule": "a version, amd64, a locale and a voice, all in lower case, or latest",
            "example": "3.11.0-amd64-en-us-arianeural",
        },
        "cpus": {"minimum": 6, "recommended": 8},
        "memory": {"minimum": "12g", "recommended": "16g"},
        "cpu_flags": {"required": ["avx2"]},
        "query": {
            "method": "POST",
            "path": "/cognitiveservices/v1",
            "content_type": "application/ssml+xml",
            "headers": {"X-Microsoft-OutputFormat": "riff-24khz-16bit-mono-pcm"},
            "body": "<speak version='1.0' xml:lang='en-US'><voice name='en-US-AriaNeural'>Ready.</voice></speak>",
            "status": 200,
            "answer": [],
        },
        "commitment": "Neural text to speech",
        "sources": {"*": SPEECH, "repository": TEXT_TO_SPEECH, "tag": IMAGE_TAGS, "query": TEXT_TO_SPEECH},
    },
    "sentiment": {
        "title": "Sentiment analysis",
        "repository": "azure-cognitive-services/textanalytics/sentiment",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 4},
        "memory": {"minimum": "2g", "recommended": "8g"},
        "query": _text_query("sentiment", {"id": "1", "language": "en", "text": "The fleet is ready, and all is well."}),
        "commitment": "Language, sentiment analysis",
        "sources": {"*": SENTIMENT, "tag": IMAGE_TAGS},
    },
    "keyphrase": {
        "title": "Key phrase extraction",
        "repository": "azure-cognitive-services/textanalytics/keyphrase",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 1},
        "memory": {"minimum": "2g", "recommended": "4g"},
        "query": _text_query("keyPhrases", {"id": "1", "language": "en", "text": "The fleet is ready, and all is well."}),
        "commitment": "Language, key phrase extraction",
        "sources": {"*": KEYPHRASE, "tag": IMAGE_TAGS},
    },
    "language-detection": {
        "title": "Language detection",
        "repository": "azure-cognitive-services/textanalytics/language",
        # One image for all languages; builds have numbers of their own.
        "tag": {"pattern": rf"latest|{_VERSIONED}[a-z0-9.-]*", "rule": "a version or latest", "example": "3.0"},
        "cpus": {"minimum": 1, "recommended": 1},
        "memory": {"minimum": "5g", "recommended": "8g"},
        "query": _text_query("languages", {"id": "1", "text": "La flotte est prête."}),
        "commitment": "Language, language detection",
        "sources": {"*": LANGUAGE_DETECTION, "tag": IMAGE_TAGS},
    },
    "vision-read": {
        "title": "Vision Read (OCR)",
        "repository": "azure-cognitive-services/vision/read",
        "tag": {
            "pattern": rf"latest|{_VERSIONED}(?:-model-\d{{4}}-\d{{2}}-\d{{2}}|-preview(?:\.\d+)?)?|{_VERSIONED}-[a-z0-9-]*amd64(?:-preview)?",
            "rule": "a version, with or without the date of its model, or latest",
            "example": "3.2-model-2022-04-30",
        },
        "cpus": {"minimum": 4, "recommended": 8},
        "memory": {"minimum": "8g", "recommended": "16g"},
        "sizes": [
            {"tags": ".*model-2021-04-12", "memory": {"minimum": "16g", "recommended": "24g"}},
        ],
        "cpu_flags": {"required": ["avx2"]},
        "query": {
            "method": "POST",
            "path": "/vision/v3.2/read/syncAnalyze",
            "content_type": "application/octet-stream",
            "body_base64": _WHITE_PNG,
            "status": 200,
            "answer": ["analyzeResult"],
        },
        "commitment": "OCR (Read)",
        "sources": {"*": READ, "tag": IMAGE_TAGS},
    },
    "di-layout": {
        "title": "Document Intelligence Layout",
        "repository": "azure-cognitive-services/form-recognizer/layout-3.1",
        "tag": _DOCUMENT_TAG,
        "cpus": {"minimum": 8, "recommended": 8},
        "memory": {"minimum": "16g", "recommended": "24g"},
        "shared": _DOCUMENT_SHARE,
        "query": {
            "method": "POST",
            "path": "/formrecognizer/documentModels/prebuilt-layout:analyze?api-version=2023-07-31",
            "content_type": "application/json",
            "body": {"base64Source": _WHITE_PNG},
            "status": 202,
            "answer": [],
        },
        "commitment": "Document Intelligence, prebuilt",
        "sources": {"*": DOCUMENT_INTELLIGENCE, "shared": DOCUMENT_INTELLIGENCE_OFFLINE},
    },
    "di-invoice": {
        "title": "Document Intelligence Invoice",
        "repository": "azure-cognitive-services/form-recognizer/invoice-3.1",
        "port": 5050,
        "tag": _DOCUMENT_TAG,
        "cpus": {"minimum": 8, "recommended": 8},
        "memory": {"minimum": "16g", "recommended": "24g"},
        "companions": {"di-layout": _LAYOUT},
        "query": {
            "method": "POST",
            "path": "/formrecognizer/documentModels/prebuilt-invoice:analyze?api-version=2023-07-31",
            "content_type": "application/json",
            "body": {"base64Source": _WHITE_PNG},
            "status": 202,
            "answer": [],
        },
        "commitment": "Document Intelligence, prebuilt",
        "sources": {"*": DOCUMENT_INTELLIGENCE},
    },
    "di-custom-template": {
        "title": "Document Intelligence Custom template",
        "repository": "azure-cognitive-services/form-recognizer/custom-template-3.1",
        "tag": _DOCUMENT_TAG,
        "cpus": {"minimum": 8, "recommended": 8},
        "memory": {"minimum": "16g", "recommended": "24g"},
        "companions": {"di-layout": {**_LAYOUT, "shared": True}},
        "shared": _DOCUMENT_SHARE,
        # Which models there are is the customer's own matter; that they can be listed is not.
        "query": {
            "method": "GET",
            "path": "/formrecognizer/documentModels?api-version=2023-07-31",
            "status": 200,
            "answer": ["value"],
        },
        "commitment": "Document Intelligence, custom",
        "sources": {"*": DOCUMENT_INTELLIGENCE, "shared": DOCUMENT_INTELLIGENCE_OFFLINE},
    },
}

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
