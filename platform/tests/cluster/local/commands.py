"""Running other programs to their end."""

import os
import subprocess

from cluster.local.errors import ClusterError

# Debian's `su` leaves these out, and iptables is there.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def environment() -> dict[str, str]:
    """The environment of every program that is started here: a proxy knows no way to the cluster's addresses."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | {"PATH": PATH}


def run(*command: str, text: str | None = None) -> str:
    """Runs a command with `text` as its input; gives what it prints, or raises with what it complains of."""
    try:
        done = subprocess.run(
            command, input=text or "", capture_output=True, text=True, check=True, env=environment()
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        message = error.stderr.strip() or error.stdout.strip()
        raise ClusterError(f"{' '.join(command)} failed: {message}") from error
    return done.stdout


def succeeds(*command: str) -> bool:
    """Whether a command ends well."""
    try:
        run(*command)
    except ClusterError:
        return False
    return True
