"""Order in time: what was acknowledged before something else began stands before it, and connections are FIFO."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.checks.case import Case
    from chaos.history import Acked, Operation

_LOOK_BACK = 30
"""Earlier operations of a client that one is compared with: more than it ever has unanswered."""


def find_late(case: Case) -> Iterator[str]:
    """Operations that stand before one that had been acknowledged when they began, whoever sent the two."""
    for operations in case.writes.values():
        known: list[tuple[float, Operation, Acked]] = []
        for operation in operations:
            ack = case.first_ack(operation)
            if ack is not None and operation.begun is not None and case.place(operation) is not None:
                known.append((operation.begun, operation, ack))
        begun = sorted(known, key=lambda one: one[0])
        acked = sorted(known, key=lambda one: one[2].at)
        newest, position = 0, 0
        for start, operation, ack in begun:
            while position < len(acked) and acked[position][2].at < start:
                newest = max(newest, acked[position][2].seq)
                position += 1
            if ack.seq <= newest:
                yield f"{operation}: stands at {ack.seq}, but {newest} was acknowledged before it was sent"


def find_swapped(case: Case) -> Iterator[str]:
    """Two operations of one client in one room that stand in another order than they were sent in.

    Only where the earlier one had gone before the later one wherever that went: an answer that asks for a repeat,
    or a client that gave one up, leaves the order open. So does a connection whose answers were lost, where the
    earlier one was stored by a repeat on a later one: that answer may have asked for it.
    """
    for operations in case.writes.values():
        by_client: dict[str, list[Operation]] = defaultdict(list)
        for operation in operations:
            if operation.attempts and not operation.refusals and case.place(operation) is not None:
                by_client[operation.client].append(operation)
        for mine in by_client.values():
            for index, later in enumerate(mine):
                for earlier in mine[max(0, index - _LOOK_BACK) : index]:
                    if (case.place(earlier) or 0) > (case.place(later) or 0) and _in_front(case, earlier, later):
                        yield f"{later}: stands at {case.place(later)}, before {earlier}, which was sent first"


def _in_front(case: Case, earlier: Operation, later: Operation) -> bool:
    ack = case.first_ack(earlier)
    sent = {attempt.connection: attempt.at for attempt in reversed(earlier.attempts)}
    stored_from = _stored_from(earlier, ack)
    for attempt in later.attempts:
        acked_before = ack is not None and ack.at < attempt.at
        sent_before = sent.get(attempt.connection, attempt.at + 1) <= attempt.at
        if not acked_before and not (sent_before and sent[attempt.connection] >= stored_from):
            return False
    return True


def _stored_from(operation: Operation, ack: Acked | None) -> float:
    """When it had first gone out on the last of the connections by which it may have been stored."""
    went = [attempt for attempt in operation.attempts if ack is None or attempt.at <= ack.at]
    connections = {attempt.connection: attempt.at for attempt in reversed(went)}
    if ack is not None and ack.duplicate and len(connections) > 1:
        del connections[went[-1].connection]
    return max(connections.values())
