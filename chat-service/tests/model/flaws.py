"""Deliberately broken rules, each of which the model has to catch."""

from dataclasses import dataclass
from enum import StrEnum

from .room_state import Scenario


class Flaw(StrEnum):
    """One rule of the append protocol, broken."""

    KEYS_UNCHECKED_AFTER_LOST_RACE = "keys are not checked again after a lost race"
    PERMISSIONS_UNCHECKED_AFTER_LOST_RACE = "permissions are not checked again after a lost race"
    KEYS_CHECKED_IN_MEMORY_ONLY = "keys beyond memory are not looked up, and no index refuses them"
    KEYS_NOT_COMPARED_IN_BATCH = "keys are not compared with each other inside a batch"
    PERMISSIONS_IGNORE_BATCH = "permissions ignore what earlier entries of the same batch change"
    REFUSES_FOR_UNSTORED_ENTRY = "a send is refused because of a batch mate that is not stored yet"
    KEY_REUSED_FOR_UNSTORED_ENTRY = "`key_reused` is said because of a batch mate that is not stored yet"
    DIGEST_IGNORED = "a repeat with another digest is answered as a duplicate"
    PERMISSIONS_BEFORE_KEYS = "permissions are checked before keys"
    LAST_TAKEN_AFTER_CHECK = "`last` is taken after the keys were checked up to an older one"
    BATCH_GROWS_AFTER_CHECK = "sends that arrive during the check join the batch"
    ACK_BEFORE_INSERT = "a send is acknowledged before its insert is confirmed"
    ACK_BEFORE_MAJORITY = "a send is acknowledged before a majority holds it"
    READS_UNCOMMITTED = "reads see entries that no majority holds"
    UNORDERED_INSERT = "the server goes on with a batch after a refused entry"
    SKIPS_INVISIBLE_SEQ = "a seq that is taken but not visible is skipped"
    RENUMBERS_WITHOUT_READING = "after a time-out a batch is renumbered without reading the entries"
    TIMEOUT_IS_STORED = "a time-out is answered as stored"
    TIMEOUT_IS_FAILURE = "a time-out is answered as failed"
    SHORT_APPEND_IS_FAILURE = "what an append came back without is answered as failed"
    TRIED_FOLLOWER_FAILS = "a send that may still be stored is failed with its predecessor"
    CONNECTION_GOES_ON_AFTER_FAILURE = "later sends of a connection go on after a failed one"
    ANSWERS_OWN_ID = "a repeat is answered with an id of this node's own"
    INDEX_CONFLICT_NOT_LOOKED_UP = "a key conflict at a free seq is retried without looking the key up"
    PUBLISHES_BEFORE_CONFIRMATION = "entries are published before their insert is confirmed"
    INSERTS_WHILE_HANDED_OVER = "a writer inserts its next batch while a hand-over is unanswered"
    HANDS_OVER_TWICE = "a writer hands over its next batch while a hand-over is unanswered"
    HANDS_OVER_WHILE_INSERTING = "a writer hands over its next batch while its own insert is in flight"
    LOST_REPLY_IS_FAILURE = "a hand-over without an answer counts as failed"
    DOUBTFUL_SEND_IS_REFUSED = "a send is refused for good after a hand-over of it without an answer"
    HANDOVER_TAKEN_TWICE = "a hand-over that the bus repeats is taken again"
    RECEIVER_FORGETS_CONNECTIONS = "the receiver of a hand-over does not know which sends share a connection"
    RECEIVER_FAILS_UNTRIED = "a receiver that gives up a send answers `failed` for those behind it"
    REFUSES_ON_KNOWN_LAST = "a send is refused on what is known, without reading the log's end first"
    DEADLINE_FAILS_BATCH = "a send whose time is up while its batch is decided is answered as failed"
    REPEAT_IS_REFUSED = "a send repeated after a hand-over with unknown outcome is refused for good"
    CONNECTION_GOES_ON_AFTER_UNKNOWN = "a connection goes on after a handed-over send with unknown outcome"
    DOUBTFUL_REFUSAL_TAKES_NOTHING = "where a refusal is answered as unknown, what was sent behind it goes on"
    DOUBT_OUTLIVES_ITS_ANSWER = "a connection stays in doubt about a send that nothing can bring back"
    DOUBTS_ARE_OF_KEYS = "the answer to one request ends the doubt about another one under the same key"


@dataclass(frozen=True)
class Rules:
    """The scenario and the rules it is played by."""

    scenario: Scenario
    flaw: Flaw | None = None
