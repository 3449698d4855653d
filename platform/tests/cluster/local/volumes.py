"""Storage: a default StorageClass, and volumes made beforehand as nothing here provisions any."""

import json
import shutil
from pathlib import Path

from cluster.local.kubectl import Kubectl
from cluster.local.places import NODE

COUNT = 8
CAPACITY = "16Gi"
STORAGE_CLASS = "standard"  # as in kind


def objects(folder: Path) -> list[dict[str, object]]:
    """The StorageClass and the volumes below `folder`."""
    storage_class: dict[str, object] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Retain",  # only a provisioner could delete
    }
    return [storage_class, *(_volume(_name(number), folder) for number in range(1, COUNT + 1))]


def make(folder: Path) -> None:
    """Makes what is behind all volumes, empty."""
    for number in range(1, COUNT + 1):
        _empty(folder / _name(number))


def renew(kubectl: Kubectl, folder: Path) -> list[str]:
    """Empties the volumes whose claims are gone, and makes them free for others; gives their names."""
    released = [
        volume["metadata"]["name"]
        for volume in json.loads(kubectl("get", "persistentvolumes", "--output=json"))["items"]
        if volume["spec"].get("storageClassName") == STORAGE_CLASS and volume["status"].get("phase") == "Released"
    ]
    for name in released:
        _empty(folder / name)
        kubectl("patch", "persistentvolume", name, "--type=merge", '--patch={"spec": {"claimRef": null}}')
    return released


def _name(number: int) -> str:
    return f"local-{number}"


def _volume(name: str, folder: Path) -> dict[str, object]:
    here = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": CAPACITY},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Retain",
            # Not hostPath, for which the kubelet does not give the files to the pod's fsGroup.
            "local": {"path": str(folder / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": here}},
        },
    }


def _empty(folder: Path) -> None:
    # The folder too: it still belongs to the last pod's group.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o755)
