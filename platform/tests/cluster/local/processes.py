"""The cluster's processes: started in the background, known again later, ended."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster.local.commands import environment
from cluster.local.errors import ClusterError

STOP_SECONDS = 10


@dataclass(frozen=True)
class Process:
    """A process of the cluster, and the moment it was born: a number alone may belong to another by now."""

    pid: int
    born: int

    def lives(self) -> bool:
        """Whether it is still this one that runs."""
        return _born(self.pid) == self.born


@dataclass(frozen=True)
class Processes:
    """Those whose pid files are in `run` and whose logs are in `logs`."""

    run: Path
    logs: Path

    def start(self, name: str, *command: str) -> None:
        """Starts a part in a session of its own, so that it outlives this process and its terminal."""
        log = os.open(self._log(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            # Not Popen, which warns of every process that its object does not see the end of.
            pid = os.posix_spawnp(
                command[0],
                command,
                environment(),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,
            )
        except FileNotFoundError as error:
            raise ClusterError(f"{command[0]} is missing: run scripts/kubernetes") from error
        finally:
            os.close(log)
        self._file(name).write_text(f"{pid} {_born(pid)}\n")

    def wait(self, name: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Waits until a part is ready; raises with the end of its log where it dies or does not get there."""
        deadline = time.monotonic() + seconds
        while True:
            is_ready = ready()
            # Also then: another program may have the port, and answer on it.
            if not self.lives(name):
                raise ClusterError(f"{name} ended while it came up; its log ends with\n{self.tail(name)}")
            if is_ready:
                return
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{name} is not ready after {seconds:.0f} s; its log ends with\n{self.tail(name)}"
                )
            time.sleep(0.1)

    def find(self, name: str) -> Process | None:
        """The process of a part where it lives."""
        try:
            pid, born = map(int, self._file(name).read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        process = Process(pid, born)
        return process if process.lives() else None

    def lives(self, name: str) -> bool:
        """Whether a part runs."""
        return self.find(name) is not None

    def stop(self, name: str) -> None:
        """Ends a part: asks, and after some seconds makes it."""
        process = self.find(name)
        if process is not None:
            _end(process)
        self._file(name).unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 20) -> str:
        """The end of a part's log."""
        try:
            return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-lines:])
        except FileNotFoundError:
            return "(it has written none)"

    def _file(self, name: str) -> Path:
        return self.run / f"{name}.pid"

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def _born(pid: int) -> int | None:
    """When a process was born, in ticks since the machine's start; None where it is gone."""
    try:
        # The name before the last parenthesis may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _end(process: Process) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Looked at again through the handle, which can only mean this one process.
        if not process.lives():
            return
        watch = select.poll()
        watch.register(handle, select.POLLIN)
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if watch.poll(seconds * 1000):
                break
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    finally:
        os.close(handle)
