"""kubectl as the cluster's administrator."""

from dataclasses import dataclass
from pathlib import Path

from cluster.local.commands import run
from cluster.local.errors import ClusterError


@dataclass(frozen=True)
class Kubectl:
    """kubectl of a folder of programs, by a kubeconfig."""

    binaries: Path
    kubeconfig: Path

    def __call__(self, *arguments: str, text: str | None = None) -> str:
        """Runs kubectl to its end; gives what it prints, or raises with what it complains of."""
        return run(str(self.binaries / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments, text=text)

    def succeeds(self, *arguments: str) -> bool:
        """Whether kubectl ends well."""
        try:
            self(*arguments)
        except ClusterError:
            return False
        return True
