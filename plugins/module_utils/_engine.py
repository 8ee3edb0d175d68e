# Copyright (c) 2026 the airgap.cognitive authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection; may change in any release.

"""A Docker Engine, through the Docker SDK for Python (5.0.3, as Debian 12 ships it, and later).

Everything that talks to an engine goes through here, so that its errors become one sentence, and
so that the differences between the two image stores are known in one place.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.cognitive.plugins.module_utils._errors import CognitiveError

try:
    import docker
    import docker.errors
    import requests.exceptions
    import urllib3.exceptions

    DOCKER_IMPORT_ERROR = None
except ImportError as import_error:  # pragma: no cover - depends on the host
    DOCKER_IMPORT_ERROR = import_error

# Loading and saving are silent for as long as the engine unpacks one large layer.
IDLE_TIMEOUT = 3600


# Where containerd keeps its data when the engine uses the machine's own one.
_CONTAINERD_ROOT = "/var/lib/containerd"


class LoadRefused(CognitiveError):
    """The engine read an archive and did not take it."""


@dataclass(frozen=True)
class EngineImage:
    """An image that an engine holds.

    C(id) is the config digest in the classic store and the manifest (or index) digest in the
    containerd store; C(diff_ids) are the digests of the uncompressed layers, base first, and mean
    the same in both. C(complete) is false where the engine says that some of it is missing, which only
    the containerd store can say, from API version 1.48 on.
    """

    id: str
    tags: tuple[str, ...]
    repo_digests: tuple[str, ...]
    diff_ids: tuple[str, ...]
    size: int
    os: str
    architecture: str
    complete: bool = True


class Engine:
    """One Docker Engine. Every method raises L(CognitiveError) where the engine refuses or is gone."""

    def __init__(self, url: str | None = None, timeout: int = 60) -> None:
        """C(url) as in C(DOCKER_HOST); without it the environment decides, and then the local socket."""
        if DOCKER_IMPORT_ERROR is not None:
            raise CognitiveError(
                f"The Docker SDK for Python is missing ({DOCKER_IMPORT_ERROR}); install the distribution's python3-docker, or the package 'docker' "
                "for the Python interpreter that Ansible uses here."
            )
        self.url = url
        with self.speaking():
            options = {"base_url": url} if url else docker.utils.kwargs_from_env()
            # The API version is negotiated: engines from 29 on refuse old ones, 20.10 refuses new ones.
            self.api = docker.APIClient(version="auto", timeout=timeout, **options)
            self.info: dict[str, t.Any] = self.api.info()

    @property
    def version(self) -> str:
        """Version of the engine, for example C(20.10.24+dfsg1)."""
        return str(self.info.get("ServerVersion", "0"))

    @property
    def major(self) -> int:
        """First number of the version; 0 for a development build."""
        first = self.version.split(".", 1)[0]
        return int(first) if first.isdigit() else 0

    @property
    def api_version(self) -> str:
        """Version of the API that was agreed on."""
        return str(self.api._version)  # pylint: disable=protected-access

    @property
    def store(self) -> str:
        """C(containerd) where images live in containerd's content store, otherwise C(classic)."""
        for key, value in self.info.get("DriverStatus") or []:
            if key == "driver-type" and value == "io.containerd.snapshotter.v1":
                return "containerd"
        return "classic"

    @property
    def root(self) -> str:
        """The directory on the engine's host that holds its data."""
        return str(self.info.get("DockerRootDir", "/var/lib/docker"))

    @property
    def local(self) -> bool:
        """Whether the engine runs on this machine, as far as its address says."""
        return str(self.api.base_url) == "http+docker://localhost"

    @property
    def content_root(self) -> str:
        """The directory whose file system takes the layers of new images."""
        own = os.path.join(self.root, "containerd", "daemon")
        if self.store == "classic":
            return self.root
        return own if os.path.isdir(own) and not os.path.isdir(os.path.join(_CONTAINERD_ROOT, "io.containerd.content.v1.content")) else _CONTAINERD_ROOT

    @contextlib.contextmanager
    def speaking(self) -> t.Iterator[None]:
        """Turn what the SDK raises into one sentence; that something is not found is for the caller to say."""
        try:
            yield
        except docker.errors.NotFound:
            raise
        except docker.errors.APIError as error:
            raise CognitiveError(f"Docker Engine refused: {error.explanation or error}") from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise CognitiveError(
                f"No Docker Engine answers at {self.url or os.environ.get('DOCKER_HOST') or 'the local socket'} ({_innermost(error)}); "
                "start it (systemctl start docker) and see that this user may use it."
            ) from error

    def image(self, name: str) -> EngineImage | None:
        """The image that C(name) (a reference or an ID) stands for, or None."""
        try:
            with self.speaking():
                found = self._inspect_image(name)
        except docker.errors.NotFound:
            return None
        return EngineImage(
            id=found["Id"],
            tags=tuple(found.get("RepoTags") or ()),
            repo_digests=tuple(found.get("RepoDigests") or ()),
            diff_ids=tuple((found.get("RootFS") or {}).get("Layers") or ()),
            size=int(found.get("Size") or 0),
            os=found.get("Os", ""),
            architecture=found.get("Architecture", ""),
            complete=_complete(found),
        )

    def _inspect_image(self, name: str) -> dict[str, t.Any]:
        # pylint: disable=protected-access
        if self.store != "containerd" or docker.utils.version_lt(self.api._version, "1.48"):
            return dict(self.api.inspect_image(name))
        answer = self.api._get(self.api._url("/images/{0}/json", name), params={"manifests": 1})
        return dict(self.api._result(answer, json=True))

    def images(self) -> list[EngineImage]:
        """Every image of the engine, tagged or not."""
        with self.speaking():
            listed = self.api.images()
        found = (self.image(entry["Id"]) for entry in listed)
        return [image for image in found if image is not None]

    def tags(self) -> list[str]:
        """Every name that an image of the engine has; images are not looked into for that."""
        with self.speaking():
            return [tag for entry in self.api.images() for tag in entry.get("RepoTags") or ()]

    def pull(self, name: str) -> None:
        """Pull C(name) from its registry."""
        repository, _colon, tag = name.rpartition(":")
        try:
            with self.speaking():
                for line in self.api.pull(repository, tag=tag, stream=True, decode=True):
                    if "error" in line:
                        raise CognitiveError(f"Image {name} cannot be pulled: {line['error']}")
        except docker.errors.NotFound as error:
            raise CognitiveError(f"Image {name} cannot be pulled: {error.explanation}") from error

    def save(self, names: t.Sequence[str], chunk_size: int = 1 << 20) -> t.Iterator[bytes]:
        """The archive of C(names) as C(docker save) writes it, layers that they share once."""
        url = self.api._url("/images/get")  # pylint: disable=protected-access
        try:
            with self.speaking():
                answer = self.api._get(url, params={"names": list(names)}, stream=True, timeout=IDLE_TIMEOUT)  # pylint: disable=protected-access
                self.api._raise_for_status(answer)  # pylint: disable=protected-access
                # iter_content would give the pieces of 32 KiB in which engines write.
                yield from iter(lambda: answer.raw.read(chunk_size), b"")
        except docker.errors.NotFound as error:
            raise CognitiveError(f"The engine cannot save {', '.join(names)}: {error.explanation}") from error

    def load(self, archive: t.Iterator[bytes]) -> list[str]:
        """Load an archive as it is made; the lines that the engine answered.

        Raises L(LoadRefused) where the engine did not take it. Engines from 27.2 on report a failed
        unpack in the containerd store as a line of text with status 200, so the whole answer is read.
        """
        # pylint: disable=protected-access
        url = self.api._url("/images/load")
        lines = []
        # Older versions of requests send an empty block as the end of the body.
        blocks = (block for block in archive if block)
        try:
            # quiet=0: otherwise the engine is silent until it is done, and clients give up.
            answer = self.api._post(url, data=blocks, params={"quiet": 0}, stream=True, timeout=IDLE_TIMEOUT)
            self.api._raise_for_status(answer)
            for raw in answer.iter_lines():
                line = json.loads(raw) if raw.strip() else {}
                text = str(line.get("stream") or line.get("status") or "").strip()
                problem = line.get("error") or (line.get("errorDetail") or {}).get("message")
                if problem or text.startswith("Error unpacking image"):
                    raise refused(str(problem or text))
                if line.get("stream"):
                    lines.append(text)
        except docker.errors.APIError as error:
            raise refused(str(error.explanation or error)) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError, ValueError) as error:
            raise CognitiveError(f"Docker Engine broke off while it loaded an image ({_innermost(error)}); look at its log, then run again.") from error
        return lines

    def tag(self, image: str, name: str) -> None:
        """Let C(name) stand for C(image)."""
        repository, _colon, tag = name.rpartition(":")
        with self.speaking():
            self.api.tag(image, repository, tag, force=True)

    def remove_image(self, name: str, noprune: bool = False) -> bool:
        """Take C(name) away; whether it was there."""
        try:
            with self.speaking():
                self.api.remove_image(name, force=True, noprune=noprune)
        except docker.errors.NotFound:
            return False
        return True


def refused(reason: str) -> CognitiveError:
    """What it means that an engine did not take an archive."""
    if "no space left on device" in reason:
        return CognitiveError(f"Docker Engine ran out of room while it loaded an image ({reason}); make room where it keeps its data, then run again.")
    return LoadRefused(f"Docker Engine did not load the image: {reason}")


def _complete(found: t.Mapping[str, t.Any]) -> bool:
    """Whether an image that was inspected is all there, as far as the engine says; proofs of origin are no part of it."""
    parts = [part for part in found.get("Manifests") or () if part.get("Kind", "image") == "image"]
    return not parts or any(part.get("Available", True) for part in parts)


def _innermost(error: BaseException) -> str:
    """The last cause of a chain of exceptions, which says what really happened."""
    seen = error
    while isinstance(seen, BaseException):
        following = seen.__cause__ or seen.__context__ or next((arg for arg in seen.args if isinstance(arg, BaseException)), None)
        if following is None:
            break
        seen = following
    return getattr(seen, "strerror", None) or json.dumps(str(seen))[1:-1]
