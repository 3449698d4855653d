"""The images of the tests as archives: the service as it is in this tree, and what is beside it on the cluster."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from docker_engine import docker_engine

ROOT = Path(__file__).parents[3]
ARCHIVES = ROOT / ".cache" / "cluster" / "images"
MAKE = ROOT / "chat-service" / "tests" / "servers" / "images" / "make"

SERVICE = "localhost/chat-service:0.1.0"
NEXT = "localhost/chat-service:0.2.0"
"""A version after it, with a migration."""
MONGODB = "docker.io/library/mongo:8.0"
REDIS = "docker.io/library/redis:8.2"
KEDA = "ghcr.io/kedacore/keda:2.20.2"
KEDA_ADAPTER = "ghcr.io/kedacore/keda-metrics-apiserver:2.20.2"
METRICS_SERVER = "registry.k8s.io/metrics-server/metrics-server:v0.9.0"
PROMETHEUS = "docker.io/prom/prometheus:v3.14.0"
GATEKEEPER = "docker.io/openpolicyagent/gatekeeper:v3.23.0"

_BASES = {
    SERVICE: ("python", "node", "distroless"),
    NEXT: (),
    MONGODB: ("mongo",),
    REDIS: ("redis",),
    KEDA: ("keda",),
    KEDA_ADAPTER: ("keda-adapter",),
    METRICS_SERVER: ("metrics-server",),
    PROMETHEUS: ("prometheus",),
    GATEKEEPER: ("gatekeeper",),
}
_OURS = (
    "chat-service/Dockerfile",
    "chat-service/src",
    "chat-service/web",
    "requirements/run.txt",
    "pyproject.toml",
)
_STAND_INS = ("chat-service/tests/servers/images", "chat-service/tests/servers/ferretdb")
_NEXT = "platform/tests/cluster/next_version"
_TOOLS = "platform/tests/cluster/tools"
_SOURCES = {
    SERVICE: _OURS,
    NEXT: (*_OURS, _NEXT),
    MONGODB: _STAND_INS,
    REDIS: _STAND_INS,
    KEDA: (_STAND_INS[0], f"{_TOOLS}/keda"),
    KEDA_ADAPTER: (_STAND_INS[0], f"{_TOOLS}/keda"),
    METRICS_SERVER: (_STAND_INS[0], f"{_TOOLS}/metrics-server"),
    PROMETHEUS: _STAND_INS[:1],
    GATEKEEPER: (_STAND_INS[0], f"{_TOOLS}/gatekeeper"),
}
_BUILT = {
    SERVICE: ("--file=chat-service/Dockerfile", "."),
    NEXT: (f"--file={_NEXT}/Dockerfile", _NEXT),
}
"""What `docker build` is told of those that are not pulled or stood in for."""
BUILD_S = 1200.0


def archives(*images: str) -> list[Path]:
    """An archive of each image, built where it is not there as its sources are. Needs a Docker Engine for that.

    Raises NoEngineError.
    """
    paths = {image: _path(image) for image in images}
    missing = [image for image, path in paths.items() if not path.exists()]
    if missing:
        ARCHIVES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, docker_engine(Path(folder)) as environment:
            for image in missing:
                _build(image, paths[image], environment)
    return list(paths.values())


def _build(image: str, path: Path, environment: dict[str, str]) -> None:
    for old in ARCHIVES.glob(f"{path.stem.rpartition('-')[0]}-*"):
        old.unlink()
    if _BASES[image]:
        subprocess.run([MAKE, *_BASES[image]], env=environment, check=True, timeout=BUILD_S)
    if image in _BUILT:
        command = ["docker", "build", "--quiet", f"--tag={image}", *_BUILT[image]]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=BUILD_S)
    part = path.with_suffix(".part")
    subprocess.run(["docker", "save", f"--output={part}", image], env=environment, check=True, timeout=BUILD_S)
    part.rename(path)


def _path(image: str) -> Path:
    """Where the archive is; its name says what it was made of."""
    digest = hashlib.sha256()
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_SOURCES[image]]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in sorted(filter(None, names)):
        source = ROOT / name
        if source.is_file():
            digest.update(f"{name}\0".encode() + hashlib.sha256(source.read_bytes()).digest())
    short = image.rpartition("/")[2].replace(":", "-")
    return ARCHIVES / f"{short}-{digest.hexdigest()[:16]}.tar"
