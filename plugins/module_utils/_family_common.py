# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""What the entries of the catalogue have in common."""

from __future__ import annotations

# Titles of documents, as Microsoft publishes them.
DISCONNECTED = "Use Docker containers in disconnected environments"
IMAGE_TAGS = "Azure Cognitive Services container image tags and release notes"

LOCALE = r"[a-z]{2,3}(?:-[a-z0-9]+)+"
VERSIONED = r"\d+(?:\.\d+)+"
# The smallest document that the services accept: a white PNG of 64 by 64 pixels, in black and white.
WHITE_PNG = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABAAQAAAACCEkxzAAAAEklEQVR42mP4DwUMo4xRBukMAOPT/hAC2mzjAAAAAElFTkSuQmCC"
LICENSE = {"kind": "license", "options": {"DownloadLicense": "True"}}
GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
