# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The catalogue's families of language, and translation."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._family_common import DISCONNECTED, GUID, IMAGE_TAGS, LICENSE, VERSIONED

SENTIMENT = "Install and run Sentiment Analysis containers"
KEYPHRASE = "Install and run Key Phrase Extraction containers"
LANGUAGE_DETECTION = "Use language detection Docker containers on-premises"
NER = "Use named entity recognition Docker containers on-premises"
PII = "Use Personally Identifiable Information (PII) detection Docker containers on-premises"
SUMMARIZATION = "Use summarization Docker containers on-premises"
CLU = "Install and run conversational language understanding (CLU) containers"
LUIS = "Install and run Docker containers for LUIS"
TRANSLATOR = "Install and run Azure AI Translator container"
TRANSLATOR_CONFIGURATION = "Configure Azure AI Translator containers"

_TEXT_TAG = {
    # Builds before the language tags carried a version and amd64 alone.
    "pattern": rf"latest|{VERSIONED}-[a-z]{{2,3}}(?:-[a-z]+)?|{VERSIONED}(?:-onprem)?-amd64(?:-preview)?",
    "rule": "a version and a language, or latest (English)",
    "example": "3.0-en",
}
_ONE_TAG = {"pattern": rf"latest|{VERSIONED}[a-z0-9.-]*", "rule": "a version or latest", "example": "1.0"}
_AVX512 = {"recommended": ["avx512f"]}
_TEXT = "The fleet is ready, and all is well."


def _text_query(operation: str, document: dict[str, str]) -> dict[str, t.Any]:
    return {
        "method": "POST",
        "path": f"/text/analytics/v3.0/{operation}",
        "content_type": "application/json",
        "body": {"documents": [document]},
        "status": 200,
        "answer": ["documents"],
    }


def _analyze_query(kind: str) -> dict[str, t.Any]:
    return {
        "method": "POST",
        "path": "/language/:analyze-text?api-version=2023-04-01",
        "content_type": "application/json",
        "body": {"kind": kind, "analysisInput": {"documents": [{"id": "1", "language": "en", "text": _TEXT}]}},
        "status": 200,
        "answer": ["kind", "results"],
    }


FAMILIES: dict[str, dict[str, t.Any]] = {
    "sentiment": {
        "title": "Sentiment analysis",
        "repository": "azure-cognitive-services/textanalytics/sentiment",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 4},
        "memory": {"minimum": "2g", "recommended": "8g"},
        "query": _text_query("sentiment", {"id": "1", "language": "en", "text": _TEXT}),
        "commitment": "Language, sentiment analysis",
        "sources": {"*": SENTIMENT, "tag": IMAGE_TAGS},
    },
    "keyphrase": {
        "title": "Key phrase extraction",
        "repository": "azure-cognitive-services/textanalytics/keyphrase",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 1},
        "memory": {"minimum": "2g", "recommended": "4g"},
        "query": _text_query("keyPhrases", {"id": "1", "language": "en", "text": _TEXT}),
        "commitment": "Language, key phrase extraction",
        "sources": {"*": KEYPHRASE, "tag": IMAGE_TAGS},
    },
    "language-detection": {
        "title": "Language detection",
        "repository": "azure-cognitive-services/textanalytics/language",
        # One image for all languages; builds have numbers of their own.
        "tag": {"pattern": rf"latest|{VERSIONED}[a-z0-9.-]*", "rule": "a version or latest", "example": "3.0"},
        "cpus": {"minimum": 1, "recommended": 1},
        "memory": {"minimum": "5g", "recommended": "8g"},
        "query": _text_query("languages", {"id": "1", "text": "La flotte est prête."}),
        "commitment": "Language, language detection",
        "sources": {"*": LANGUAGE_DETECTION, "tag": IMAGE_TAGS},
    },
    "ner": {
        "title": "Named entity recognition",
        "repository": "azure-cognitive-services/textanalytics/ner",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 4},
        "memory": {"minimum": "2g", "recommended": "8g"},
        "cpu_flags": _AVX512,
        "query": _analyze_query("EntityRecognition"),
        "commitment": "Language, named entity recognition",
        "sources": {"*": NER, "tag": IMAGE_TAGS},
    },
    "pii": {
        "title": "Detection of personal information",
        "repository": "azure-cognitive-services/textanalytics/pii",
        "tag": _TEXT_TAG,
        "cpus": {"minimum": 1, "recommended": 4},
        "memory": {"minimum": "2g", "recommended": "8g"},
        "cpu_flags": _AVX512,
        "query": _analyze_query("PiiEntityRecognition"),
        "commitment": "Language, detection of personal information",
        "sources": {"*": PII, "tag": IMAGE_TAGS},
    },
    "summarization": {
        "title": "Summarization (preview)",
        "repository": "azure-cognitive-services/textanalytics/summarization",
        "tag": {"pattern": "cpu|gpu", "rule": "cpu or gpu", "example": "cpu"},
        "cpus": {"minimum": 16, "recommended": 16},
        "memory": {"minimum": "48g", "recommended": "48g"},
        "sizes": [{"tags": "gpu", "cpus": {"minimum": 2, "recommended": 2}, "memory": {"minimum": "24g", "recommended": "24g"}}],
        "gpu": {"tags": "gpu", "need": "an NVIDIA GPU with 16 GB of memory, and CUDA 11.8"},
        "models": "/models",
        "settings": {
            "kind": {
                "pattern": "ExtractiveSummarization|AbstractiveSummarization|ConversationSummarization",
                "rule": "ExtractiveSummarization, AbstractiveSummarization or ConversationSummarization",
                "example": "ExtractiveSummarization",
                "required": True,
            },
        },
        "options": {"rai_terms": "accept"},
        # The license is of no use for models that come after it.
        "downloads": [{"kind": "models", "options": {"downloadModels": "{kind}"}}, LICENSE],
        "query": {
            "method": "POST",
            "path": "/language/analyze-text/jobs?api-version=2023-04-01",
            "content_type": "application/json",
            "body": {
                "analysisInput": {"documents": [{"id": "1", "language": "en", "text": _TEXT}]},
                "tasks": [{"kind": "{kind}", "taskName": "1"}],
            },
            "status": 202,
            "answer": [],
            "by_setting": {
                "kind": {
                    "ConversationSummarization": {
                        "path": "/language/analyze-conversations/jobs?api-version=2023-04-01",
                        "body": {
                            "analysisInput": {
                                "conversations": [
                                    {
                                        "id": "1",
                                        "language": "en",
                                        "modality": "text",
                                        "conversationItems": [{"id": "1", "participantId": "Agent", "role": "Agent", "text": _TEXT}],
                                    }
                                ]
                            },
                            "tasks": [{"kind": "ConversationalSummarizationTask", "taskName": "1", "parameters": {"summaryAspects": ["issue", "resolution"]}}],
                        },
                    }
                }
            },
        },
        "commitment": "Language, summarization",
        "sources": {"*": SUMMARIZATION},
    },
    "clu": {
        "title": "Conversational language understanding",
        "repository": "azure-cognitive-services/language/clu",
        "tag": _ONE_TAG,
        "cpus": {"minimum": 1, "recommended": 4},
        "memory": {"minimum": "2g", "recommended": "8g"},
        "cpu_flags": _AVX512,
        "models": "/DeploymentPackage",
        "settings": {
            "project": {"pattern": r"[^\s/]{1,100}", "rule": "the name of a project, without blanks", "example": "EmailApp", "required": True},
            "exported_model": {"pattern": r"[^\s/]{1,100}", "rule": "the name of an exported model, without blanks", "example": "EmailAppExport", "required": True},
        },
        # This run listens on port 80, where nobody asks it.
        "downloads": [
            {"kind": "models", "words": ["downloadmodel"], "options": {"projectName": "{project}", "exportedModelName": "{exported_model}"}},
            LICENSE,
        ],
        "companions": {"ner": {"option": "Ner_Url", "value": "http://{name}:{port}", "optional": True}},
        "query": {
            "method": "POST",
            "path": "/language/:analyze-conversations?api-version=2023-04-01",
            "content_type": "application/json",
            "body": {
                "kind": "Conversation",
                "analysisInput": {"conversationItem": {"id": "1", "participantId": "1", "text": _TEXT}},
                "parameters": {"projectName": "{project}", "deploymentName": "production"},
            },
            "status": 200,
            "answer": ["kind", "result"],
        },
        "commitment": "Language, conversational language understanding",
        "sources": {"*": CLU, "tag": IMAGE_TAGS},
    },
    "luis": {
        "title": "Language understanding (LUIS)",
        "repository": "azure-cognitive-services/language/luis",
        "tag": {"pattern": rf"latest|{VERSIONED}(?:-amd64(?:-preview)?)?", "rule": "a version, with or without amd64, or latest", "example": "1.1.010330004-amd64"},
        "cpus": {"minimum": 1, "recommended": 1},
        "memory": {"minimum": "2g", "recommended": "4g"},
        "models": "/input",
        "settings": {
            "app_id": {"pattern": GUID, "rule": "the ID of an app", "example": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "required": True},
            "slot": {"pattern": "production|staging", "rule": "production or staging, in lower case", "example": "production", "required": True},
        },
        "options": {"Mounts:Input": "/input"},
        # The app is exported from the portal by hand, and its file keeps its name.
        "downloads": [{"kind": "models", "files": ["{app_id}_{slot}.gz"]}, LICENSE],
        "query": {
            "method": "GET",
            "path": "/luis/prediction/v3.0/apps/{app_id}/slots/{slot}/predict?query=Ready",
            "status": 200,
            "answer": ["query", "prediction"],
        },
        "commitment": "Language understanding (LUIS)",
        "sources": {"*": LUIS, "tag": IMAGE_TAGS, "downloads": DISCONNECTED},
    },
    "text-translation": {
        "title": "Text translation",
        "repository": "azure-cognitive-services/translator/text-translation",
        # What stands after the image takes the place of its own command, so it must get nothing there.
        "style": "environment",
        "tag": {"pattern": rf"latest|{VERSIONED}-amd64(?:-preview)?", "rule": "a version and amd64, or latest", "example": "1.0.019410001-amd64"},
        "cpus": {"minimum": 4, "recommended": 4},
        # 4 GB for itself, and 2 GB for each of four pairs of languages.
        "memory": {"minimum": "4g", "recommended": "12g"},
        "models": "/usr/local/models",
        "settings": {
            "languages": {
                "pattern": r"[a-z]{2,3}(?:-[A-Za-z]+)*",
                "rule": "a list of 2 to 12 codes of languages, en among them",
                "example": ["en", "fr", "es"],
                "required": True,
                "list": True,
                "includes": "en",
                "count": [2, 12],
            },
            "categories": {"pattern": r"[A-Za-z0-9-]+", "rule": "a list of categories of custom models", "example": ["generalnn"], "list": True},
        },
        # One run brings both, ends in a service of its own, and is allowed an hour for the models.
        "downloads": [{"kind": "both", "options": {"DownloadLicense": "true", "Languages": "{languages}", "CATEGORIES": "{categories}"}}],
        # It tells these two at the end of the download, and nothing else does.
        "captures": {"MODELS": {"directories": ""}, "TRANSLATORSYSTEMCONFIG": {"newest": "Config"}},
        "companions": {
            "language-detection": {"option": "ladurl", "value": "http://{name}:{port}", "optional": True, "environment": {"LADINCLUSTER": "true"}},
            "vision-read": {"option": "VISIONURL", "value": "http://{name}:{port}", "optional": True},
        },
        "ready_timeout": 900,
        "query": {
            "method": "POST",
            "path": "/translate?api-version=3.0&from=en&to={languages_other}",
            "content_type": "application/json",
            "body": [{"Text": "Ready."}],
            "status": 200,
            "answer": ["translations"],
        },
        "commitment": "Translator, text translation",
        "sources": {"*": TRANSLATOR, "tag": IMAGE_TAGS, "companions": TRANSLATOR_CONFIGURATION},
    },
}
