"""Resume: what a client is shown of a room is the log itself, each entry once, in order, without a hole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.checks.case import same
from chaos.history import Ended, Opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import LogEntry, Message, Stream


def find(case: Case) -> Iterator[str]:
    """Holes, repeats and swaps in what clients were shown, also across their connections; needless new starts."""
    yield from case.history.complaints
    for stream in case.streams:
        yield from _Reader(case, stream).read()


class _Reader:
    """Goes through one stream as its client did; `position` is what it holds."""

    def __init__(self, case: Case, stream: Stream) -> None:
        self._case = case
        self._stream = stream
        self._where = f"{stream.client} in {stream.room}"
        self._position: int | None = None
        self._epoch = ""
        self._log: list[LogEntry] = []

    def read(self) -> Iterator[str]:
        for step in self._stream.steps:
            if isinstance(step, Opened):
                yield from self._open(step)
            elif isinstance(step, Ended):
                self._position = None
            elif self._position is None:
                yield f"{self._where}: shown {step.entry.seq} while the room is not open"
            else:
                yield from self._show(step.entry, self._position)
                self._position = step.entry.seq

    def _show(self, entry: LogEntry, position: int) -> Iterator[str]:
        if entry.seq != position + 1:
            yield f"{self._where}: shown {entry.seq} after {position}"
        if not 1 <= entry.seq <= len(self._log):
            yield f"{self._where}: shown {entry.seq}, the log ends at {len(self._log)}"
        elif not same(entry, self._log[entry.seq - 1]):
            yield f"{self._where}: shown another {entry.seq} than the log has"

    def _open(self, opened: Opened) -> Iterator[str]:
        before, self._log = self._log, self._case.log_of(self._stream.room, opened)
        another_log = bool(self._epoch) and opened.epoch != self._epoch
        self._epoch = opened.epoch
        position, self._position = self._position, opened.position
        if opened.reset is None:
            if opened.position != (0 if position is None else position):
                yield f"{self._where}: went on behind {opened.position}, though it holds {position}"
            if another_log and position:
                yield f"{self._where}: went on behind {position} of a log that is not there any more"
            return
        yield from self._page(opened.position, opened.reset)
        if position is None or another_log:
            return
        if opened.position < position:
            yield f"{self._where}: begins anew at {opened.position}, though it holds {position} already"
        elif len(before) - position <= self._case.ending.resume_max:
            yield f"{self._where}: told to begin anew, though it held {position} and missed little"

    def _page(self, as_of: int, page: tuple[Message, ...]) -> Iterator[str]:
        if as_of > len(self._log):
            yield f"{self._where}: begins at {as_of}, the log ends at {len(self._log)}"
        seqs = [message.seq for message in page]
        newest = [entry.seq for entry in self._log[:as_of] if entry.kind == "message"]
        if seqs != newest[len(newest) - len(seqs) :]:
            yield f"{self._where}: begins at {as_of} without some of the newest messages"
        for message in page:
            if message.seq <= len(self._log) and message.id != self._log[message.seq - 1].id:
                yield f"{self._where}: begins with another {message.seq} than the log has"
