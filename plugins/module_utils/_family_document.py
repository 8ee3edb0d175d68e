# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""The catalogue's families of vision, documents and content safety."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.cognitive.plugins.module_utils._family_common import IMAGE_TAGS, VERSIONED, WHITE_PNG

READ = "Install Azure AI Vision 3.2 GA Read OCR container"
DOCUMENT_INTELLIGENCE = "Install and run Document Intelligence containers"
DOCUMENT_INTELLIGENCE_OFFLINE = "Containers in disconnected (offline) environments"
CONTENT_SAFETY = "Install and run content safety containers with Docker"

_DOCUMENT_TAG = {
    "pattern": rf"latest|\d{{4}}-\d{{2}}-\d{{2}}(?:-preview)?|{VERSIONED}[a-z0-9.-]*",
    "rule": "a date, a version or latest",
    "example": "2023-07-31",
}
_LAYOUT = {"option": "AzureCognitiveServiceLayoutHost", "value": "http://{name}:{port}"}
_READ = {"option": "AzureCognitiveServiceReadHost", "value": "http://{name}:{port}"}
# One of the two; Read comes first because the documents name it first.
_READ_OR_LAYOUT = {"di-read": {**_READ, "any_of": "ocr"}, "di-layout": {**_LAYOUT, "any_of": "ocr"}}
_SHARE = {"mount": "/share", "options": {"SharedRootFolder": "/share", "Mounts:Shared": "/share"}}
_PREBUILT = "Document Intelligence, prebuilt"


def _document(title: str, repository: str, model: str, memory: str, **fields: t.Any) -> dict[str, t.Any]:
    """A prebuilt model; images of 3.0 speak an older version of the API."""
    return {
        "title": f"Document Intelligence {title}",
        "repository": f"azure-cognitive-services/form-recognizer/{repository}",
        "tag": _DOCUMENT_TAG,
        "cpus": {"minimum": 8, "recommended": 8},
        "memory": {"minimum": memory, "recommended": "24g"},
        "query": {
            "method": "POST",
            "path": f"/formrecognizer/documentModels/{model}:analyze?api-version={'2022-08-31' if repository.endswith('-3.0') else '2023-07-31'}",
            "content_type": "application/json",
            "body": {"base64Source": WHITE_PNG},
            "status": 202,
            "answer": [],
        },
        "commitment": _PREBUILT,
        "sources": {"*": DOCUMENT_INTELLIGENCE, "shared": DOCUMENT_INTELLIGENCE_OFFLINE},
        **fields,
    }


def _content_safety(title: str, repository: str, operation: str, body: dict[str, t.Any], answer: str) -> dict[str, t.Any]:
    return {
        "title": f"Content safety, {title} (preview)",
        "repository": f"azure-cognitive-services/contentsafety/{repository}",
        "tag": {"pattern": rf"latest|{VERSIONED}-amd64(?:-preview)?", "rule": "a version and amd64, or latest", "example": "1.0.0-amd64-preview"},
        "cpus": {"minimum": 4, "recommended": 4},
        "memory": {"minimum": "16g", "recommended": "16g"},
        "gpu": {"tags": ".*", "need": "an NVIDIA GPU (T4 or better), and CUDA 11.8 or 12.6", "unless": {"cuda": "false"}},
        "settings": {"cuda": {"pattern": "true|false", "rule": "true or false", "example": "true", "default": "true"}},
        "environment": {"CUDA_ENABLED": "{cuda}"},
        "query": {
            "method": "POST",
            "path": f"/contentsafety/{operation}?api-version=2024-09-01",
            "content_type": "application/json",
            "body": body,
            "status": 200,
            "answer": [answer],
        },
        "commitment": "Content safety",
        "sources": {"*": CONTENT_SAFETY},
    }


FAMILIES: dict[str, dict[str, t.Any]] = {
    "vision-read": {
        "title": "Vision Read (OCR)",
        "repository": "azure-cognitive-services/vision/read",
        "tag": {
            "pattern": rf"latest|{VERSIONED}(?:-model-\d{{4}}-\d{{2}}-\d{{2}}|-preview(?:\.\d+)?)?|{VERSIONED}-[a-z0-9-]*amd64(?:-preview)?",
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
            "body_base64": WHITE_PNG,
            "status": 200,
            "answer": ["analyzeResult"],
        },
        "commitment": "OCR (Read)",
        "sources": {"*": READ, "tag": IMAGE_TAGS},
    },
    "di-layout": _document("Layout", "layout-3.1", "prebuilt-layout", "16g", shared=_SHARE),
    "di-read": _document("Read", "read-3.1", "prebuilt-read", "10g", commitment="OCR (Read)"),
    "di-invoice": _document("Invoice", "invoice-3.1", "prebuilt-invoice", "16g", port=5050, companions={"di-layout": _LAYOUT}),
    "di-receipt": _document("Receipt", "receipt-3.1", "prebuilt-receipt", "11g", port=5050, companions=_READ_OR_LAYOUT),
    "di-id-document": _document("ID document", "id-document-3.1", "prebuilt-idDocument", "8g", port=5050, companions=_READ_OR_LAYOUT),
    "di-businesscard": _document("Business card", "businesscard-3.0", "prebuilt-businessCard", "16g", port=5050, companions=_READ_OR_LAYOUT),
    "di-document": _document("General document", "document-3.0", "prebuilt-document", "12g", port=5050, companions={"di-layout": _LAYOUT}),
    "di-custom-template": _document(
        "Custom template",
        "custom-template-3.1",
        "",
        "16g",
        companions={"di-layout": {**_LAYOUT, "shared": True}},
        shared=_SHARE,
        # Which models there are is the customer's own matter; that they can be listed is not.
        query={"method": "GET", "path": "/formrecognizer/documentModels?api-version=2023-07-31", "status": 200, "answer": ["value"]},
        commitment="Document Intelligence, custom",
    ),
    "cs-text": _content_safety("text", "text-analyze", "text:analyze", {"text": "The fleet is ready."}, "categoriesAnalysis"),
    "cs-image": _content_safety("images", "image-analyze", "image:analyze", {"image": {"content": WHITE_PNG}}, "categoriesAnalysis"),
    "cs-promptshields": _content_safety(
        "prompt shields", "promptshields", "text:shieldPrompt", {"userPrompt": "Is the fleet ready?", "documents": []}, "userPromptAnalysis"
    ),
}
