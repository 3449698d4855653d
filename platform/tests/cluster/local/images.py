"""Images: into containerd's store without a registry, and the one that every pod's first process comes from."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

from cluster.local.commands import run
from cluster.local.errors import ClusterError
from cluster.local.places import CONTAINERD_SOCKET

PAUSE = "localhost/chat-cluster/pause:1"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def ctr(*arguments: str) -> str:
    """Asks containerd, in the namespace that the kubelet sees."""
    return run("ctr", "--address", str(CONTAINERD_SOCKET), "--namespace", "k8s.io", *arguments)


def load(archive: Path) -> None:
    """Imports the images of an archive: of `docker save`, or an OCI layout as tar."""
    if not archive.is_file():
        raise ClusterError(f"there is no image archive {archive}")
    ctr("images", "import", str(archive))


def make_pause(program: Path, archive: Path) -> None:
    """Writes the image of the pause program in the form of `docker save`."""
    layer = _tar({"pause": program.read_bytes()}, mode=0o755)
    configuration = {
        "os": "linux",
        "architecture": ARCHITECTURES[platform.machine()],
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]}]
    files = {
        "manifest.json": json.dumps(manifest).encode(),
        "config.json": json.dumps(configuration).encode(),
        "layer.tar": layer,
    }
    archive.write_bytes(_tar(files, mode=0o644))


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return output.getvalue()
