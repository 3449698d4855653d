"""Asks gator, Gatekeeper's own judge, what the policies say to objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from manifests import REPOSITORY
from rendering import Object

GATOR = REPOSITORY / ".cache" / "tools" / "gator"


class Unjudged(Exception):  # noqa: N818 - it is an answer
    """gator could not use the policies or the objects; the message is gator's."""


@dataclass(frozen=True)
class Violation:
    """What a policy says against an object."""

    policy: str
    action: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.policy} ({self.action}): {self.message}"


def violations(policies: Sequence[Object], those: Sequence[Object]) -> list[Violation]:
    """What policies say against objects. Raises Unjudged."""
    with TemporaryDirectory() as folder:
        for name, some in (("policies", policies), ("objects", those)):
            # JSON is YAML, and quicker to write.
            (Path(folder) / f"{name}.yaml").write_text("\n---\n".join(map(json.dumps, some)))
        done = subprocess.run(
            [GATOR, "test", f"--filename={folder}", "--output=json"], capture_output=True, text=True, check=False
        )
    # 0 and 1 say whether something was refused; everything else is an error of gator's own.
    if done.stderr or done.returncode not in {0, 1}:
        raise Unjudged(done.stderr or done.stdout)
    return [_violation(one) for one in json.loads(done.stdout or "null") or []]


def _violation(one: Object) -> Violation:
    # A policy that does not compile answers with its error to every object, as if that had broken it.
    if "compilation" in one["msg"] or "no such key" in one["msg"]:
        raise Unjudged(one["msg"])
    subject = one["violatingObject"]
    return Violation(
        policy=one["constraint"]["metadata"]["name"],
        action=one["enforcementAction"],
        subject=f"{subject['kind']}/{subject['metadata']['name']}",
        message=one["msg"],
    )


def verify(folder: Path) -> tuple[bool, str]:
    """Whether every suite below a folder holds, and what gator says."""
    done = subprocess.run([GATOR, "verify", f"{folder}/..."], capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr
