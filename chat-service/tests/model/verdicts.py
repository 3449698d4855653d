"""What the check decides for each send of a batch, from what the writer knows and what it looked up."""

from typing import NamedTuple

from .flaws import Flaw, Rules
from .room_state import Answer, Entry, Handover, Send, State, Writer, same_key


class View(NamedTuple):
    """What a batch is checked against."""

    node: int
    known: tuple[Entry, ...]
    keyed: tuple[tuple[int, Entry], ...]
    """(seq, entry) of every entry whose key can be found: in memory, or by the look-up."""
    permissions_checked: bool
    served: frozenset[Handover]


class Plan(NamedTuple):
    """The sends to insert, and the answers that the log alone gives to others."""

    kept: tuple[int, ...]
    settled: tuple[tuple[int, Answer], ...]


def view_of(rules: Rules, state: State, node: int) -> View:
    """What the writer has in memory, and the look-up where the rules ask for one."""
    writer = state.writers[node]
    rechecked_keys = rules.flaw is not Flaw.KEYS_UNCHECKED_AFTER_LOST_RACE or not writer.unsettled
    keyed = _keyed_entries(rules, state, writer) if rechecked_keys else ()
    skips = rules.flaw is Flaw.PERMISSIONS_UNCHECKED_AFTER_LOST_RACE and writer.unsettled
    return View(node, writer.known, keyed, not skips, writer.served)


def plan_batch(rules: Rules, view: View, batch: tuple[int, ...]) -> Plan:
    """Judge the batch in order; it ends before the first send whose verdict hangs on an unstored mate."""
    kept: list[int] = []
    settled: list[tuple[int, Answer]] = []
    failed: list[int] = []
    for send in batch:
        if any(goes_along(rules, view.node, view.served, other, send) for other in failed):
            continue
        if _hangs_on_mate(rules, view, send, kept):
            break
        verdict = _judge(rules, view, send, kept)
        if verdict is None:
            kept.append(send)
            continue
        settled.append((send, verdict))
        if verdict.kind != "duplicate":
            failed.append(send)
    return Plan(tuple(kept), tuple(settled))


def goes_along(rules: Rules, node: int, served: frozenset[Handover], failed: int, later: int) -> bool:
    """Whether a failed send takes a later waiting one with it: one of its connection.

    The receiver of hand-overs knows only of each by itself which of its sends share a connection.
    """
    one, other = rules.scenario.sends[failed], rules.scenario.sends[later]
    if (
        later <= failed
        or one.connection != other.connection
        or rules.flaw is Flaw.CONNECTION_GOES_ON_AFTER_FAILURE
    ):
        return False
    if one.node == node:
        return True
    together = any({failed, later} <= set(handover.sends) for handover in served)
    return together and rules.flaw is not Flaw.RECEIVER_FORGETS_CONNECTIONS


def is_banned(rules: Rules, entries: tuple[Entry, ...], sender: str) -> bool:
    """Whether the newest entry about this sender is a ban."""
    for entry in reversed(entries):
        send = rules.scenario.sends[entry.send]
        if sender in (send.bans, send.lifts):
            return send.bans == sender
    return False


def is_gone(rules: Rules, entries: tuple[Entry, ...], wanted: Send) -> bool:
    """Whether what a send is about was deleted."""
    return bool(wanted.about) and any(
        rules.scenario.sends[entry.send].deletes == wanted.about for entry in entries
    )


def _keyed_entries(rules: Rules, state: State, writer: Writer) -> tuple[tuple[int, Entry], ...]:
    in_memory = tuple(enumerate(writer.known, start=1))[writer.forgotten :]
    if not _looks_up(rules, writer):
        return in_memory
    looked_up = tuple(enumerate(state.log[: state.committed], start=1))
    return looked_up + in_memory


def _looks_up(rules: Rules, writer: Writer) -> bool:
    if rules.flaw is Flaw.KEYS_CHECKED_IN_MEMORY_ONLY:
        return False
    if rules.scenario.unique_keys:
        return writer.unsettled and rules.flaw is not Flaw.INDEX_CONFLICT_NOT_LOOKED_UP
    return True


def _find(rules: Rules, view: View, wanted: Send) -> tuple[int, Entry] | None:
    for seq, entry in view.keyed:
        if same_key(rules.scenario.sends[entry.send], wanted):
            return seq, entry
    return None


def _hangs_on_mate(rules: Rules, view: View, send: int, kept: list[int]) -> bool:
    wanted = rules.scenario.sends[send]
    if not kept or _find(rules, view, wanted) or rules.flaw is Flaw.REFUSES_FOR_UNSTORED_ENTRY:
        return False
    if rules.flaw is Flaw.KEY_REUSED_FOR_UNSTORED_ENTRY and _reuses_key_of_mate(rules, wanted, kept):
        return False
    for mate in (rules.scenario.sends[other] for other in kept):
        if same_key(mate, wanted) and rules.flaw is not Flaw.KEYS_NOT_COMPARED_IN_BATCH:
            return True
        if wanted.sender in (mate.bans, mate.lifts) and rules.flaw is not Flaw.PERMISSIONS_IGNORE_BATCH:
            return True
        if wanted.about and wanted.about == mate.deletes:
            return True
    return False


def _judge(rules: Rules, view: View, send: int, kept: list[int]) -> Answer | None:
    wanted = rules.scenario.sends[send]
    banned = view.permissions_checked and is_banned(rules, view.known, wanted.sender)
    if banned and rules.flaw is Flaw.PERMISSIONS_BEFORE_KEYS:
        return Answer("refused")
    stored = _find(rules, view, wanted)
    if stored is not None:
        return _repeat_answer(rules, view, send, stored)
    if rules.flaw is Flaw.KEY_REUSED_FOR_UNSTORED_ENTRY and _reuses_key_of_mate(rules, wanted, kept):
        return Answer("key_reused")
    if banned or _refused_for_mate(rules, wanted, kept):
        return Answer("refused")
    return Answer("gone") if is_gone(rules, view.known, wanted) else None


def _repeat_answer(rules: Rules, view: View, send: int, stored: tuple[int, Entry]) -> Answer:
    seq, entry = stored
    wanted, first = rules.scenario.sends[send], rules.scenario.sends[entry.send]
    if wanted.digest != first.digest and rules.flaw is not Flaw.DIGEST_IGNORED:
        return Answer("key_reused")
    if rules.flaw is Flaw.ANSWERS_OWN_ID:
        entry = Entry(send, view.node)
    return Answer("duplicate", seq, entry)


def _reuses_key_of_mate(rules: Rules, wanted: Send, kept: list[int]) -> bool:
    mates = (rules.scenario.sends[mate] for mate in kept)
    return any(same_key(mate, wanted) and mate.digest != wanted.digest for mate in mates)


def _refused_for_mate(rules: Rules, wanted: Send, kept: list[int]) -> bool:
    if rules.flaw is not Flaw.REFUSES_FOR_UNSTORED_ENTRY:
        return False
    return any(rules.scenario.sends[mate].bans == wanted.sender for mate in kept)
