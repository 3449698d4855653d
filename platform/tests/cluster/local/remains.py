"""What the cluster's parts leave behind when they end: pods, mounts, cgroups."""

import contextlib
import os
from pathlib import Path

from cluster.local.commands import run
from cluster.local.places import CONTAINERD_SOCKET

CGROUPS = Path("/sys/fs/cgroup")
KUBELET_CGROUP = "kubepods"


def has_pods(run_folder: Path) -> bool:
    """Whether containerd has left something running."""
    return any((run_folder / "containerd").glob("io.containerd.runtime.v2.task/*/*"))


def remove_pods(binaries: Path) -> None:
    """Removes every pod by its runtime, with its network and its mounts."""
    run(str(binaries / "remove-pods"), f"unix://{CONTAINERD_SOCKET}")


def unmount(*folders: Path) -> None:
    """Unmounts what is mounted below folders: the kubelet's volumes, which only it would unmount."""
    mounted = [
        Path(line.split()[1].replace("\\040", " ")) for line in Path("/proc/mounts").read_text().splitlines()
    ]
    # The last first: one may be below another.
    for place in reversed(mounted):
        if any(place.is_relative_to(folder) for folder in folders):
            run("umount", str(place))


def remove_cgroups() -> None:
    """Removes the pods' groups, in each hierarchy of cgroup v1 or the one of v2."""
    for top in (CGROUPS / KUBELET_CGROUP, *CGROUPS.glob(f"*/{KUBELET_CGROUP}")):
        for folder, _, _ in os.walk(top, topdown=False):
            # Some kinds are mounted at two places: gone at the one, gone at the other.
            with contextlib.suppress(FileNotFoundError):
                Path(folder).rmdir()
