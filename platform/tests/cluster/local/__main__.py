"""The command line of the local cluster: PYTHONPATH=platform/tests .venv/bin/python -m cluster.local up"""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from cluster.local import ClusterError, LocalCluster
from cluster.local.machine import tools_on_path


def main() -> int:
    """Runs one command; errors are one line, or the log of the part that failed."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cluster.local",
        description="A real Kubernetes of one node on this machine, for tests.",
        epilog="Its files are in .cache/cluster, or where CHAT_CLUSTER_HOME says. Needs root and Debian.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring it up; does nothing where it is up")
    up.add_argument("--outbound", action="store_true", help="let pods reach whatever this machine reaches")
    commands.add_parser("down", help="remove its pods, processes, network and data; programs and images stay")
    load = commands.add_parser("load", help="import images, so that pods can use them")
    load.add_argument("archives", metavar="ARCHIVE", nargs="+", type=Path, help="of `docker save`, or OCI as tar")
    commands.add_parser("environment", help='print what a shell needs: eval "$(… environment)"')
    commands.add_parser("status", help="show its parts; fails where it is not up")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    cluster = LocalCluster(outbound=getattr(arguments, "outbound", False))
    match arguments.command:
        case "up":
            begun = time.monotonic()
            cluster.start()
            print(f"The cluster is up after {time.monotonic() - begun:.0f} s. For kubectl and Helm:")
            print(_exports(cluster))
        case "down":
            cluster.stop()
        case "load":
            for archive in arguments.archives:
                cluster.load(archive)
        case "environment":
            print(_exports(cluster))
        case "status":
            return _show_parts(cluster)
    return 0


def _exports(cluster: LocalCluster) -> str:
    # What the tests load images with, where KUBECONFIG tells them not to bring up a cluster of their own.
    load = f"env PYTHONPATH={Path(__file__).parents[2]} {sys.executable} -m cluster.local load"
    exports = {"KUBECONFIG": str(cluster.kubeconfig), "CHAT_CLUSTER_LOAD": load}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    return "\n".join([*lines, f"export PATH={shlex.quote(tools_on_path(cluster.binaries))}:$PATH"])


def _show_parts(cluster: LocalCluster) -> int:
    for name, process in cluster.parts().items():
        print(f"{name:<20}{f'process {process.pid}, {_memory(process.pid)} MiB' if process else 'down'}")
    return 0 if cluster.is_up else 1


def _memory(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


if __name__ == "__main__":
    sys.exit(main())
