"""A node whose wall clock can be moved while it runs: `python -m chaos.launchers.own_clock FILE`.

The file holds the seconds by which the clock is ahead. libfaketime would do this beneath Python, but also changes
how its calls wait: with 0.9.10 `time.sleep` of Python 3.11 fails with EINVAL once the clock was moved. The service
takes its wall-clock time from `time.time` and `time.time_ns`, and waits by the monotonic clock, which stays as it
is.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

LOOK_S = 0.1
"""How long what the file says is kept."""


class MovedClock:
    """Gives the time as the file says it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._true = time.time
        self._ahead_s = 0
        self._looked = 0.0

    def __call__(self) -> float:
        """Seconds since 1970, and what the file adds."""
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._looked = now
            self._ahead_s = int(self._file.read_text() or 0)
        return self._true() + self._ahead_s


if __name__ == "__main__":
    clock = MovedClock(Path(sys.argv[1]))
    time.time = clock
    time.time_ns = lambda: int(clock() * 1e9)
    # Imported now, so that whoever takes the function by its name gets the moved one.
    from chat_service.cli import main

    sys.exit(main(["serve"]))
