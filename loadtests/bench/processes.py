"""Processes: servers and the generator, each on a core of its own, ended whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.job import Job, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

START_S = 30.0
END_S = 10.0
JOB_S = 120.0
"""What connecting, preparing and settling may take beside the measured time."""

SERVER_CORE, GENERATOR_CORE = 0, 1


class BenchError(Exception):
    """A benchmark cannot be run, and why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers."""

    port: int
    pid: int


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(
    command: Sequence[str | Path], environment: Mapping[str, str], port: int, log: Path
) -> Iterator[Server]:
    """Run a server until the block is left; what it says goes to `log`."""
    with log.open("wb") as output, on_core(SERVER_CORE):
        # A session of its own: Ctrl-C comes to us alone, and we end what we started.
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _await_answer(process, port, log)
        yield Server(port, process.pid)
    finally:
        _end(process)


def generate(job: Job) -> Outcome:
    """Run the generator on one job."""
    packages = str(Path(__file__).parents[1])
    with on_core(GENERATOR_CORE):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"],
            env=os.environ | {"PYTHONPATH": packages},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
    try:
        told, _ = process.communicate(msgspec.json.encode(job), timeout=job.warm_up_s + job.seconds + JOB_S)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the load {job.kind} did not end") from error
    finally:
        _end(process)
    if process.returncode:
        raise BenchError(f"the load {job.kind} failed, see above")
    return msgspec.json.decode(told, type=Outcome)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started inside runs on that core alone, where the machine has two and lets us choose."""
    if not pinning():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pinning() -> bool:
    """Whether servers and the generator are given cores of their own."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > max(SERVER_CORE, GENERATOR_CORE)


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    said = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise BenchError("a server did not start; it said:\n" + "\n".join(said or ["nothing"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    # SIGTERM would have the service wait for its clients.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()
