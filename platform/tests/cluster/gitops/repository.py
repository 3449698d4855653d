"""The Git repositories that Argo CD reads, made here: this working tree as it is, and one that it names."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.kinds import folder, pinned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[4]
BRANCH = "main"
PLATFORM = "chat/platform.git"
GATEWAY_API = "kubernetes-sigs/gateway-api"
MODULE_OF_GATEWAY_API = "sigs.k8s.io/gateway-api"
KINDS_OF_GATEWAY_API = "config/crd/standard"


class Repository:
    """A repository with a working tree; its path on the server is `name`."""

    def __init__(self, place: Path, name: str) -> None:
        """Make an empty one below `place`."""
        self.tree = place / "trees" / name
        """Its working tree, as last committed."""
        self.served = place / "served"
        """The folder that a server of Git serves: of all that were made below the same place."""
        git_dir = self.served / name
        # Nothing of the settings of whoever runs the tests: not their name, their hooks or their signature.
        self._environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"} | {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
        }
        for made in (self.tree, git_dir.parent):
            made.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", f"--initial-branch={BRANCH}", f"--separate-git-dir={git_dir}")

    @property
    def head(self) -> str:
        """The commit that `main` is at."""
        return self._git("rev-parse", BRANCH).strip()

    def read(self, path: str) -> str:
        """A file as last committed."""
        return (self.tree / path).read_text()

    def names(self, pattern: str) -> list[str]:
        """The files that a pattern finds, as last committed."""
        return sorted(str(path.relative_to(self.tree)) for path in self.tree.glob(pattern))

    def take(self, source: Path, names: Iterable[str]) -> None:
        """Commit files of a folder."""
        for name in names:
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, self.tree / name, follow_symlinks=False)
        self._commit("Everything")

    def commit(self, message: str, files: Mapping[str, str | None]) -> str:
        """Commit new contents of files, None for no file; the commit's name."""
        for path, content in files.items():
            place = self.tree / path
            if content is None:
                place.unlink()
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content)
        return self._commit(message)

    def revert(self) -> str:
        """Take the last commit back by another one, whose name this is."""
        self._git("revert", "--no-edit", "HEAD")
        return self.head

    def tag(self, name: str) -> None:
        """Give the last commit a name that stays."""
        self._git("tag", name)

    def _commit(self, message: str) -> str:
        self._git("add", "--all", "--force")
        self._git("commit", "--quiet", f"--message={message}")
        return self.head

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.tree,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr}")
        return done.stdout


def platform(place: Path) -> Repository:
    """The platform's: all that is in this working tree, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    made = Repository(place, PLATFORM)
    made.take(ROOT, [name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file()])
    return made


def gateway_api(place: Path) -> Repository:
    """The Gateway API's, as far as the platform takes it from there: its kinds, as tools/kinds pins them."""
    source = folder(MODULE_OF_GATEWAY_API)
    made = Repository(place, GATEWAY_API)
    made.take(source, [str(file.relative_to(source)) for file in (source / KINDS_OF_GATEWAY_API).iterdir()])
    made.tag(f"v{pinned()[MODULE_OF_GATEWAY_API]}")
    return made
