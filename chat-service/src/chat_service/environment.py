"""Reads typed values from CHAT_* environment variables, and says everything that is wrong at once."""

from __future__ import annotations

import difflib
import re
import typing
from dataclasses import MISSING, Field, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from chat_service.rate import Rate
from chat_service.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

PREFIX = "CHAT_"
FILE_SUFFIX = "_FILE"
UNITS = {
    "_MS": "milliseconds",
    "_S": "seconds",
    "_BYTES": "bytes",
    "_ENTRIES": "entries",
    "_CHARS": "characters",
    "_DAYS": "days",
}

# Kubernetes gives every pod the address of every Service beside it; a Service named `chat` makes CHAT_PORT.
_SERVICE_LINK = re.compile(r"CHAT_(.+_)?(SERVICE_(HOST|PORT)(_.+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)")
_LINK_ADVICE = "this looks like a Kubernetes Service link: set enableServiceLinks: false on the pod"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the variable, what was expected, what came (None: not to be shown), advice."""

    variable: str
    expected: str
    came: str | None = None
    advice: str = ""

    def __str__(self) -> str:
        """Write it as one sentence for the person who set the variable."""
        came = "" if self.came is None else f", got {self.came!r}"
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.variable}: expected {self.expected}{came}{advice}"


class SettingsError(Exception):
    """The environment cannot be used; `problems` has every reason."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems in the order found."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Rule:
    """What has to hold between several fields, checked when each of them is right by itself."""

    fields: tuple[str, ...]
    holds: Callable[..., bool]
    expected: str


@dataclass(frozen=True)
class Declared:
    """What a field says of itself beside its type: meaning, bounds (both included), examples, a pattern."""

    meaning: str
    between: tuple[float, float] | None
    like: str
    pattern: str


def setting(
    default: T, meaning: str, *, between: tuple[float, float] | None = None, like: str = "", pattern: str = ""
) -> T:
    """Declare a field of a settings dataclass; a number needs `between`, free text needs `like`."""
    return field(default=default, metadata={"declared": Declared(meaning, between, like, pattern)})


def generated(make: Callable[[], T], meaning: str, *, like: str, pattern: str) -> T:
    """Declare a field whose default is made anew for each process."""
    declared = Declared(meaning, None, like, pattern)
    return field(default_factory=make, metadata={"declared": declared})


@dataclass(frozen=True)
class Variable:
    """One variable, as the settings type declares it."""

    field: str
    kind: Any
    declared: Declared
    default: str

    @property
    def name(self) -> str:
        """The variable's name in the environment."""
        return PREFIX + self.field.upper()

    @property
    def unit(self) -> str:
        """The unit that the name ends in, empty for what is not a quantity."""
        return next((unit for suffix, unit in UNITS.items() if self.name.endswith(suffix)), "")

    @property
    def secret(self) -> bool:
        """Whether the value is masked and may come from a file."""
        return self.kind is Secret

    @property
    def names(self) -> tuple[str, ...]:
        """Every name in the environment that sets it."""
        return (self.name, self.name + FILE_SUFFIX) if self.secret else (self.name,)

    @property
    def expected(self) -> str:
        """What a right value looks like."""
        if self.kind is bool:
            return "true or false"
        if typing.get_origin(self.kind) is Literal:
            return "one of " + ", ".join(typing.get_args(self.kind))
        if self.kind is Rate:
            return "a rate such as 50/s, 10/15m or 50/s burst 100"
        if self.declared.between is not None:
            least, most = self.declared.between
            number = "a whole number" if self.kind is int else "a number"
            of = f" of {self.unit}" if self.unit else ""
            return f"{number}{of} from {show(least)} to {show(most)}"
        return f"a value such as {self.declared.like}"


def variables(settings: type) -> tuple[Variable, ...]:
    """List the variables of a settings type, in the order it declares them."""
    return tuple(_variable(declared) for declared in fields(settings))


def read(settings: type[T], environ: Mapping[str, str], rules: Sequence[Rule] = ()) -> T:
    """Return the settings that the environment gives; an empty variable counts as not set.

    Raises SettingsError with every problem: values that cannot be read, contradictions, unknown variables.
    """
    known = variables(settings)
    problems = _unknown(known, environ)
    values: dict[str, object] = {}
    bad = set()
    for variable in known:
        try:
            value = _value(variable, environ)
        except SettingsError as error:
            problems.extend(error.problems)
            bad.add(variable.field)
        else:
            if value is not None:
                values[variable.field] = value
    result = settings(**values)
    problems.extend(
        _broken(rule, result) for rule in rules if not bad & {*rule.fields} and not _holds(rule, result)
    )
    if problems:
        raise SettingsError(problems)
    return result


def show(value: object) -> str:
    """Write a value as the environment would give it; a secret is masked, nothing is empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return ",".join(show(item) for item in value)
        case Secret():
            return "********" if value.path is None else f"******** (from {value.path})"
    return str(value)


def _variable(declared: Field[Any]) -> Variable:
    kind: Any = declared.type
    if isinstance(kind, UnionType) and NoneType in typing.get_args(kind):
        (kind,) = (part for part in typing.get_args(kind) if part is not NoneType)
    default = "generated" if declared.default is MISSING else show(declared.default)
    return Variable(declared.name, kind, declared.metadata["declared"], default)


def _value(variable: Variable, environ: Mapping[str, str]) -> object | None:
    """Read one variable; None if it is not set. Raises SettingsError with one problem."""
    text = environ.get(variable.name, "").strip()
    if variable.secret:
        return _secret(variable, text, environ.get(variable.name + FILE_SUFFIX, "").strip())
    if not text:
        return None
    try:
        return _parse(variable.kind, text, variable.declared)
    except ValueError as error:  # msgspec.ValidationError is one too
        advice = _LINK_ADVICE if _SERVICE_LINK.fullmatch(variable.name) and "://" in text else ""
        raise SettingsError([Problem(variable.name, variable.expected, text, advice)]) from error


def _parse(kind: Any, text: str, declared: Declared) -> object:
    """Turn text into a value of the kind, inside what is declared. ValueError if it is not."""
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return tuple(_parse(item, part.strip(), declared) for part in text.split(",") if part.strip())
    if kind is Rate:
        return Rate.parse(text)
    if kind is Path:
        return Path(text).expanduser()
    if kind == IPv4Network | IPv6Network:
        return ip_network(text)
    if declared.pattern and not re.fullmatch(declared.pattern, text):
        raise ValueError(declared.like)
    value = msgspec.convert(text, kind, strict=False)
    if declared.between is not None and not declared.between[0] <= value <= declared.between[1]:
        raise ValueError(declared.between)
    return value


def _secret(variable: Variable, text: str, path: str) -> Secret | None:
    """Make a secret from its text or its file. The value itself stays out of every problem."""
    if text and path:
        name = f"{variable.name}, {variable.name}{FILE_SUFFIX}"
        raise SettingsError([Problem(name, "one of the two to be set, got both")])
    if not text and not path:
        return None
    try:
        secret = Secret.in_file(Path(path)) if path else Secret(text)
    except (OSError, ValueError) as error:
        name = variable.name + FILE_SUFFIX
        raise SettingsError([Problem(name, "a readable file that holds the secret", path, str(error))]) from error
    if variable.declared.pattern and not re.fullmatch(variable.declared.pattern, secret.current()):
        name = variable.names[1] if path else variable.name
        raise SettingsError([Problem(name, variable.expected, advice="what came is a secret and is not shown")])
    return secret


def _unknown(known: Sequence[Variable], environ: Mapping[str, str]) -> list[Problem]:
    names = [name for variable in known for name in variable.names]
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
            advice = f"did you mean {near[0]}?" if near else "`chat-service config` lists them"
            if _SERVICE_LINK.fullmatch(name):
                advice = _LINK_ADVICE
            # The value stays out: a secret under a misspelt name is still a secret.
            problems.append(Problem(name, "a variable that exists", advice=advice))
    return problems


def _holds(rule: Rule, settings: object) -> bool:
    return rule.holds(*(getattr(settings, name) for name in rule.fields))


def _broken(rule: Rule, settings: object) -> Problem:
    names = ", ".join(PREFIX + name.upper() for name in rule.fields)
    return Problem(names, rule.expected, ", ".join(show(getattr(settings, name)) for name in rule.fields))
