# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command lines that Microsoft's documents print, with their mistakes put right; the placeholders are theirs.

What is written here was read, and not made from the catalogue: so that the two can be compared.
"""

from __future__ import annotations

LICENSE = (
    "docker run --rm -it -p 5000:{port} -v {LICENSE_MOUNT} {IMAGE} eula=accept billing={ENDPOINT_URI} apikey={API_KEY} "
    "DownloadLicense=True Mounts:License={CONTAINER_LICENSE_DIRECTORY}"
)
RUN = (
    "docker run --rm -it -p 5000:{port} --memory {MEMORY_SIZE} --cpus {NUMBER_CPUS} -v {LICENSE_MOUNT} -v {OUTPUT_PATH} {IMAGE} "
    "eula=accept Mounts:License={CONTAINER_LICENSE_DIRECTORY} Mounts:Output={CONTAINER_OUTPUT_DIRECTORY}"
)
_GPU = "docker run --rm -it --gpus all -p"
_DOCKER = "docker run --rm -it -p"


def _with(command: str, volume: str = "", options: str = "", gpu: bool = False) -> str:
    """C(command) with one more mount and more options."""
    command = command.replace(" {IMAGE}", f" -v {volume} {{IMAGE}}" if volume else " {IMAGE}")
    return (command.replace(_DOCKER, _GPU) if gpu else command) + (f" {options}" if options else "")


_SPEECH_MODEL = "{VOLUME_NAME}:/usr/local/models"
_SUMMARY_MODEL = "{HOST_MODELS_PATH}:/models"
_PACKAGE = "{MODEL_DIRECTORY}:/DeploymentPackage"
_APP = "{HOST_INPUT_PATH}:/input"
_SHARED = "{SHARED_MOUNT_PATH}:/share"
_SHARE_OPTIONS = "Mounts:Shared=/share SharedRootFolder=/share"

# By family, the runs in their order: those of the connected side, then the disconnected one.
COMMANDS: dict[str, list[str]] = {
    "custom-speech-to-text": [
        f"docker run --rm -it -p 5000:{{port}} -v {_SPEECH_MODEL} {{IMAGE}} ModelId={{MODEL_ID}} Eula=accept Billing={{ENDPOINT_URI}} ApiKey={{API_KEY}}",
        _with(LICENSE, _SPEECH_MODEL),
        _with(RUN, _SPEECH_MODEL),
    ],
    "summarization": [
        f"docker run --rm -it -p 5000:{{port}} -v {_SUMMARY_MODEL} {{IMAGE}} downloadModels=ExtractiveSummarization billing={{ENDPOINT_URI}} apikey={{API_KEY}}",
        _with(LICENSE, _SUMMARY_MODEL, "rai_terms=accept"),
        _with(RUN, _SUMMARY_MODEL, "rai_terms=accept"),
    ],
    "clu": [
        f"docker run --rm -it -p {{HOST_PORT}}:80 -v {_PACKAGE} {{IMAGE}} Billing={{ENDPOINT_URI}} ApiKey={{API_KEY}} downloadmodel "
        "projectName={PROJECT_NAME} exportedModelName={EXPORTED_MODEL_NAME}",
        LICENSE,
        _with(RUN, _PACKAGE),
    ],
    "luis": [_with(LICENSE, _APP, "Mounts:Input=/input"), _with(RUN, _APP, "Mounts:Input=/input")],
    "text-translation": [
        "docker run --rm -it -p 5000:{port} -v {MODEL_MOUNT_PATH}:/usr/local/models -v {LICENSE_MOUNT} -e Mounts:License={CONTAINER_LICENSE_DIRECTORY} "
        "-e DownloadLicense=true -e eula=accept -e billing={ENDPOINT_URI} -e apikey={API_KEY} -e Languages={LANGUAGES_LIST} {IMAGE}",
        "docker run --rm -it -p 5000:{port} --memory {MEMORY_SIZE} --cpus {NUMBER_CPUS} -v {MODEL_MOUNT_PATH}:/usr/local/models -v {LICENSE_MOUNT} "
        "-v {OUTPUT_PATH} -e Mounts:License={CONTAINER_LICENSE_DIRECTORY} -e Mounts:Output={CONTAINER_OUTPUT_DIRECTORY} -e eula=accept "
        "-e MODELS={MODELS_DIRECTORY_LIST} -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/{TRANSLATORSYSTEMCONFIG_JSON} {IMAGE}",
    ],
    "di-invoice": [LICENSE, _with(RUN).replace(" {IMAGE}", " -e AzureCognitiveServiceLayoutHost=http://{LAYOUT}:5000 {IMAGE}")],
    "di-document": [LICENSE, _with(RUN).replace(" {IMAGE}", " -e AzureCognitiveServiceLayoutHost=http://{LAYOUT}:5000 {IMAGE}")],
    "di-receipt": [LICENSE, _with(RUN).replace(" {IMAGE}", " -e AzureCognitiveServiceReadHost=http://{READ}:5000 {IMAGE}")],
    "di-id-document": [LICENSE, _with(RUN).replace(" {IMAGE}", " -e AzureCognitiveServiceReadHost=http://{READ}:5000 {IMAGE}")],
    "di-businesscard": [LICENSE, _with(RUN).replace(" {IMAGE}", " -e AzureCognitiveServiceReadHost=http://{READ}:5000 {IMAGE}")],
    "di-custom-template": [LICENSE, _with(RUN, _SHARED, _SHARE_OPTIONS).replace(" {IMAGE}", " -e AzureCognitiveServiceLayoutHost=http://{LAYOUT}:5000 {IMAGE}")],
    **{
        name: [LICENSE.replace(" {IMAGE}", " -e CUDA_ENABLED=true {IMAGE}"), _with(RUN, gpu=True).replace(" {IMAGE}", " -e CUDA_ENABLED=true {IMAGE}")]
        for name in ("cs-text", "cs-image", "cs-promptshields")
    },
}

# What a copy of the printed command meets; the general ones are in the first commands of the disconnected page.
GENERAL_DEFECTS = (
    "the image stands before the options of Docker, so that port and mounts go to the container as arguments",
    "one placeholder stands for the mount and for the directory in the container, so that the license goes into an anonymous volume and is lost",
    "a blank follows the backslash at the end of a line, so that the command ends there",
    "the backslash after `Mounts:License` is missing, so that no output is mounted",
)
DEFECTS: dict[str, str] = {
    "clu": "`-v` stands after the image, so that the mount is ignored",
    "language-detection": "the example gives 4 GB of memory, less than its own minimum of 5 GB",
    "di-layout": "the page on offline use publishes port 5050, and Layout listens on 5000",
    "di-read": "the page on offline use publishes port 5050, and Read listens on 5000",
    "di-custom-template": "the page on offline use publishes port 5050 of nginx, and its configuration listens on 5000",
    "summarization": "nothing says in the commands that the license must be downloaded again after the models",
    "text-translation": "the command that the container prints after the download lacks the mounts of license and output",
}


def commands_of(family: str) -> list[str]:
    """The runs of a family; most are as the general page says."""
    return COMMANDS.get(family, [LICENSE, RUN])
