# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The catalogue's families of speech."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._family_common import GUID, IMAGE_TAGS, LICENSE, LOCALE, VERSIONED

SPEECH = "Install and run Speech containers with Docker"
SPEECH_TO_TEXT = "Speech to text containers with Docker"
CUSTOM_SPEECH_TO_TEXT = "Custom speech to text containers with Docker"
TEXT_TO_SPEECH = "Neural text to speech containers with Docker"

_DECODERS = {"decoders": {"pattern": "[1-9][0-9]?", "rule": "a number of decoders from 1 to 99", "example": "4"}}
_SOUND = {
    "method": "POST",
    "path": "/speech/recognition/conversation/cognitiveservices/v1?language=en-US&format=simple",
    "content_type": "audio/wav; codecs=audio/pcm; samplerate=16000",
    # 0.1 s of silence would be 3 KiB: the header of a sound of no length is enough to be answered.
    "body_base64": "UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAAZGF0YQAAAAA=",
    "status": 200,
    "answer": ["RecognitionStatus"],
}

FAMILIES: dict[str, dict[str, t.Any]] = {
    "speech-to-text": {
        "title": "Speech to text",
        "repository": "azure-cognitive-services/speechservices/speech-to-text",
        "tag": {
            "pattern": rf"latest|{VERSIONED}-amd64-{LOCALE}",
            "rule": "a version, amd64 and a locale, all in lower case, or latest (en-us)",
            "example": "4.12.0-amd64-en-us",
        },
        # The minimum is for the container, on top of it comes the model: 4 to 8 GB.
        "cpus": {"minimum": 4, "recommended": 8},
        "memory": {"minimum": "8g", "recommended": "16g"},
        "cpu_flags": {"required": ["avx2"]},
        "settings": _DECODERS,
        "environment": {"DECODER_MAX_COUNT": "{decoders}"},
        "query": _SOUND,
        "commitment": "Speech to text, standard",
        "sources": {"*": SPEECH, "repository": SPEECH_TO_TEXT, "tag": IMAGE_TAGS, "query": SPEECH_TO_TEXT},
    },
    "custom-speech-to-text": {
        "title": "Custom speech to text",
        "repository": "azure-cognitive-services/speechservices/custom-speech-to-text",
        "tag": {
            "pattern": rf"latest|{VERSIONED}-amd64(?:-preview)?",
            "rule": "a version and amd64, without a locale, or latest",
            "example": "4.12.0-amd64",
        },
        "cpus": {"minimum": 4, "recommended": 8},
        "memory": {"minimum": "8g", "recommended": "16g"},
        "cpu_flags": {"required": ["avx2"]},
        # No other place is looked at.
        "models": "/usr/local/models",
        "settings": {
            "model_id": {"pattern": GUID, "rule": "the ID of a custom model as Speech Studio shows it", "example": "b8a3e1c2-0d4f-4e6a-9b1c-2f3d4e5a6b7c", "required": True},
            "display_locale": {"pattern": r"[a-z]{2,3}(?:-[A-Za-z0-9]+)+", "rule": "a locale", "example": "en-us"},
            "display": {
                "pattern": "FullDisplay|Punct|Rescore|Resegment|Wfstitn",
                "rule": "FullDisplay, or some of Punct, Rescore, Resegment and Wfstitn",
                "example": ["Punct", "Rescore"],
                "list": True,
            },
            **_DECODERS,
        },
        # The model comes by a resource for speech, the license by the one with the commitment, and it holds for that model only.
        "downloads": [
            {"kind": "models", "resource": "model", "options": {"ModelId": "{model_id}", "DisplayLocale": "{display_locale}"}, "words": ["{display}"]},
            LICENSE,
        ],
        "environment": {"DECODER_MAX_COUNT": "{decoders}"},
        "query": _SOUND,
        "commitment": "Speech to text, custom",
        "sources": {"*": CUSTOM_SPEECH_TO_TEXT, "cpus": SPEECH, "memory": SPEECH, "cpu_flags": SPEECH, "tag": IMAGE_TAGS},
    },
    "neural-text-to-speech": {
        "title": "Neural text to speech",
        "repository": "azure-cognitive-services/speechservices/neural-text-to-speech",
        "tag": {
            "pattern": rf"latest|{VERSIONED}-amd64-{LOCALE}-[a-z0-9]+(?:-preview)?",
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
}
