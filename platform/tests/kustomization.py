"""What Kustomize makes of a folder of the platform, with the components that Argo CD adds for a cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from manifests import REPOSITORY
from rendering import Object

KUSTOMIZE = REPOSITORY / ".cache" / "tools" / "kustomize"


class NotRendered(Exception):  # noqa: N818 - it is an answer
    """Kustomize refused a folder; the message is Kustomize's."""


def built(folder: Path, *components: Path) -> list[Object]:
    """The objects of a folder with components put to it, in their order. Raises NotRendered."""
    if not components:
        return _asked(folder)
    with TemporaryDirectory() as place:
        # Kustomize wants paths that are relative to its own folder, links resolved.
        here = Path(place).resolve()
        up = "../" * (len(here.parts) - 1)
        lines = {
            "resources": [up + str(folder.resolve().relative_to("/"))],
            "components": [up + str(component.resolve().relative_to("/")) for component in components],
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(lines))
        return _asked(here)


def _asked(folder: Path) -> list[Object]:
    done = subprocess.run([KUSTOMIZE, "build", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotRendered(done.stderr)
    return [one for one in yaml.load_all(done.stdout, yaml.CSafeLoader) if one]
