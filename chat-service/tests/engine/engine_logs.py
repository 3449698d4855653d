"""What is logged, wherever it is logged: bad input must not leave a trace of a fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.testing import capture_logs


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(f"{record.name}: {record.getMessage()} {record.exc_info}")


@contextmanager
def no_complaints() -> Iterator[None]:
    """Fail when a warning, an error or a traceback was logged."""
    found: list[str] = []
    collector = _Collector(found)
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        with capture_logs() as entries:
            yield
    finally:
        root.removeHandler(collector)
    found += [str(entry) for entry in entries if entry["log_level"] not in {"debug", "info"}]
    assert found == []
