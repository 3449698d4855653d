"""What people ask of rooms: the checked types of every request body, shared by REST and sockets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import msgspec.inspect
from msgspec import UNSET, Meta, UnsetType

from chat_service.model.errors import ChatError, Code
from chat_service.model.ids import DELIVERY_PATTERN, FILE_PATTERN, ROOM_PATTERN, USER_PATTERN, WEBHOOK_PATTERN
from chat_service.model.rooms import HistoryAccess, Visibility

T = TypeVar("T")

LARGEST_SEQ = 2**53 - 1
"""JavaScript reads integers exactly up to here."""

PAGE_LIMIT = 200
"""Most items that one page may be asked for."""

FILES_MOST = 10
"""Most files of one message."""

RETENTION_MOST_DAYS = 36_500
"""A hundred years: whoever wants more wants 0."""

MAX_NAME_CHARS = 80
MAX_TOPIC_CHARS = 250
MAX_TEXT_CHARS = 1_000_000
"""The largest that the setting CHAT_MAX_MESSAGE_CHARS, which `check_length` holds a text to, can be."""

_END = r"(?!\n)$"  # Python's $ also matches before a last newline
_CONTROL = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
_HALVES = r"\ud800-\udfff"
_KEY = r"^[A-Za-z0-9._:-]+" + _END
_TEXT = rf"^(?=\s*\S)[^{_CONTROL}{_HALVES}]+$"
_LINE = rf"^(?=\s*\S)[^\t\n{_CONTROL}{_HALVES}]+{_END}"
_TOPIC = rf"^[^\t\n{_CONTROL}{_HALVES}]*{_END}"
_EMOJI = rf"^[^\s{_CONTROL}{_HALVES}]+{_END}"

_WORDS = {
    ROOM_PATTERN: "a room id (c, d or o and 21 characters of a-z and 2-7)",
    FILE_PATTERN: "a file id (f and 21 characters of a-z and 2-7)",
    WEBHOOK_PATTERN: "a webhook id (w and 21 characters of a-z and 2-7)",
    DELIVERY_PATTERN: "a delivery id (v and 21 characters of a-z and 2-7)",
    USER_PATTERN: "a user id (u, g or l and 15 characters of a-z and 2-7)",
    _KEY: "only characters of A-Z a-z 0-9 . _ : -",
    _TEXT: "text that is not blank and has no control characters other than newline and tab",
    _LINE: "one line that is not blank and has no control characters",
    _TOPIC: "one line without control characters",
    _EMOJI: "an emoji without spaces or control characters",
}
"""What a pattern means, for whoever broke it."""


def published(pattern: str) -> str:
    """The pattern as JSON Schema readers know it: their $ is the very end, their strings have no halves."""
    return pattern.replace(_HALVES, "").replace(_END, "$")


RoomId = Annotated[str, Meta(pattern=ROOM_PATTERN, max_length=22, description="Id of a room.")]
UserId = Annotated[str, Meta(pattern=USER_PATTERN, max_length=16, description="Id of a person.")]
FileId = Annotated[str, Meta(pattern=FILE_PATTERN, max_length=22, description="Id of a file.")]
WebhookId = Annotated[str, Meta(pattern=WEBHOOK_PATTERN, max_length=22, description="Id of a webhook.")]
DeliveryId = Annotated[str, Meta(pattern=DELIVERY_PATTERN, max_length=22, description="Id of a delivery.")]
Seq = Annotated[int, Meta(ge=1, le=LARGEST_SEQ, description="Place of an entry in its room: 1, 2, 3 …")]
Position = Annotated[int, Meta(ge=0, le=LARGEST_SEQ, description="A seq, or 0 for before the first.")]
Limit = Annotated[int, Meta(ge=1, le=PAGE_LIMIT, description="Most items to return.")]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=_KEY,
        description="Idempotency key: sending the same request with the same key again changes nothing.",
    ),
]
Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        pattern=_TEXT,
        description="What is said. The service may be set to a smaller length.",
    ),
]
Emoji = Annotated[str, Meta(min_length=1, max_length=32, pattern=_EMOJI)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS, pattern=_LINE)]
Topic = Annotated[str, Meta(max_length=MAX_TOPIC_CHARS, pattern=_TOPIC)]
Files = Annotated[
    list[FileId],
    Meta(min_length=1, max_length=FILES_MOST, description="Files that were uploaded to the room, each once."),
]
MemberRole = Literal["owner", "admin", "member", "guest"]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request body: a field that is not declared is refused, so that a misspelt one is never ignored."""


class MessageBody(Request, omit_defaults=True):
    """A message as it is asked for: text, files, or both.

    `reply_to` is the seq of an earlier message that it answers, `thread` of the one whose thread it goes to.
    """

    text: Text | UnsetType = UNSET
    reply_to: Seq | UnsetType = UNSET
    thread: Seq | UnsetType = UNSET
    files: Files | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Hold together what belongs together."""
        check_message(self.text, self.reply_to, self.thread, self.files)


class EditBody(Request):
    """The new text of a message."""

    text: Text


class ReactionBody(Request):
    """One person's emoji on a message, set or taken back."""

    emoji: Emoji
    on: bool


class ChannelCreate(Request):
    """A new channel. `history` is how far back members read; `guests` lets guests be invited."""

    name: Name
    topic: Topic = ""
    visibility: Visibility = Visibility.PRIVATE
    history: HistoryAccess = HistoryAccess.ALL
    guests: bool = False
    key: Key | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Take the space around name and topic away."""
        self.name, self.topic = self.name.strip(), self.topic.strip()


RetentionDays = Annotated[
    int,
    Meta(ge=0, le=RETENTION_MOST_DAYS, description="Days after which messages are removed; 0 is never."),
]


class RoomChange(Request):
    """What is to change of a channel; what is left out stays."""

    name: Name | UnsetType = UNSET
    topic: Topic | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    history: HistoryAccess | UnsetType = UNSET
    guests: bool | UnsetType = UNSET
    retention_days: RetentionDays | UnsetType = UNSET
    key: Key | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Take the space around name and topic away."""
        if self.name is not UNSET:
            self.name = self.name.strip()
        if self.topic is not UNSET:
            self.topic = self.topic.strip()


class PreferenceChange(Request):
    """What is to change of one's preferences for a room; what is left out stays."""

    muted: bool | UnsetType = UNSET
    favourite: bool | UnsetType = UNSET


class DirectOpen(Request):
    """The other person of a direct-message room."""

    user: UserId
    key: Key | UnsetType = UNSET


class MemberAdd(Request):
    """Somebody to be let into a room, and as what."""

    user: UserId
    role: MemberRole = "member"
    key: Key | UnsetType = UNSET


class RoleChange(Request):
    """What a member is to be."""

    role: MemberRole
    key: Key | UnsetType = UNSET


class ReadMark(Request):
    """How far a person has read a room."""

    seq: Position


class RequestError(ChatError):
    """A request whose shape is wrong; `field` is the path to the value, empty for the whole."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(Code.INVALID, message)
        self.field = field

    def as_dict(self) -> dict[str, Any]:
        """The one error shape, with the field."""
        shape = super().as_dict()
        if self.field:
            shape["field"] = self.field
        return shape


def parse(raw: object, kind: type[T]) -> T:
    """Check decoded JSON and make a `kind` of it. RequestError names the field and what was expected."""
    try:
        return msgspec.convert(raw, kind)
    except (ValueError, RecursionError) as problem:
        raise refusal(problem, kind) from problem


def parse_json(raw: bytes, kind: type[T]) -> T:
    """`parse` of JSON text. Raises RequestError also for what is no JSON."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as problem:
        raise refusal(problem, kind) from problem


def check_message(
    text: str | UnsetType,
    reply_to: int | UnsetType,
    thread: int | UnsetType,
    files: Sequence[str] | UnsetType,
    *,
    text_field: str = "text",
) -> None:
    """Raise ValueError where the parts of a message do not go together, beginning with the field that is wrong."""
    if text is UNSET and files is UNSET:
        raise ValueError(f"{text_field}: is required where there are no files")
    if reply_to is not UNSET and thread is not UNSET:
        raise ValueError("reply_to: cannot be given together with thread")
    if files is not UNSET and len(set(files)) < len(files):
        raise ValueError("files: expected every file once")


def message_body(
    text: str | UnsetType, reply_to: int | UnsetType, files: Sequence[str] | UnsetType
) -> dict[str, Any]:
    """The body of a message's write: always with text, with the other parts where they are given."""
    body: dict[str, Any] = {"text": "" if text is UNSET else text}
    if reply_to is not UNSET:
        body["reply_to"] = reply_to
    if files is not UNSET:
        body["files"] = list(files)
    return body


def check_length(text: str, limit: int) -> None:
    """Raise ChatError `too_large` for a text of more than `limit` characters."""
    if len(text) > limit:
        raise ChatError(
            Code.TOO_LARGE, f"A message has at most {limit} characters, this one has {len(text)}. Split it."
        )


_AT = re.compile(r"(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_OWN = re.compile(r"(?P<field>[a-z_.]+): (?P<words>.*)", re.DOTALL)
_PATTERN = re.compile(r"Expected `str` matching regex (?P<quoted>'.*'|\".*\")", re.DOTALL)
_PHRASES = {repr(pattern): words for pattern, words in _WORDS.items()}


def refusal(problem: Exception, kind: Any) -> RequestError:
    """Say what msgspec found wrong with a `kind` in words for the one who sent it."""
    if isinstance(problem, RecursionError):
        return RequestError("The body is nested too deeply.")
    if not isinstance(problem, msgspec.ValidationError):
        return RequestError("The body is not valid JSON in UTF-8 (half surrogate pairs are not allowed).")
    found = _AT.fullmatch(str(problem))
    what, path = (found["what"], found["path"] or "") if found else (str(problem), "")
    named = _FIELD.fullmatch(what)
    if named:
        field = _shown(f"{path}.{named['name']}" if path else named["name"])
        missing = named["how"].startswith("missing")
        return RequestError(f"{field}: is {'required' if missing else 'not a field of this request'}.", field)
    pattern = _PATTERN.fullmatch(what)
    if pattern:
        what = "Expected " + _PHRASES.get(pattern["quoted"], "another form")
    elif what.startswith("Invalid enum value"):  # what came is in there too, and may be anything
        what = "Expected one of " + ", ".join(_choices(kind, path))
    what = what.replace("`", "")
    own = _OWN.fullmatch(what)  # from a __post_init__ here
    if own:
        field = f"{path}.{own['field']}" if path else own["field"]
        return RequestError(f"{field}: {own['words']}.", field)
    return RequestError(f"{path}: {what[:1].lower()}{what[1:]}." if path else f"{what}.", path)


def _choices(kind: Any, path: str) -> list[str]:
    """The values of the enum at `path` in `kind`; a list's item is a `[2]` or `[...]` behind its name."""
    at = msgspec.inspect.type_info(kind)
    for step in path.split("."):
        name, _, item = step.partition("[")
        if isinstance(at, msgspec.inspect.StructType):
            at = next(field.type for field in at.fields if field.encode_name == name)
        if isinstance(at, msgspec.inspect.UnionType):
            at = next(one for one in at.types if not isinstance(one, msgspec.inspect.NoneType))
        if isinstance(at, msgspec.inspect.ListType) and item:
            at = at.item_type
    if isinstance(at, msgspec.inspect.EnumType):
        return [str(value) for value in at.cls]
    return [str(value) for value in at.values] if isinstance(at, msgspec.inspect.LiteralType) else []


def _shown(field: str) -> str:
    """A field's path short enough for an answer and a log line: the sender chose its name."""
    return field if len(field) <= 80 else field[:79] + "…"
