"""Writes the settings as a person reads them: the effective values, or the reference in docs/settings.md."""

from __future__ import annotations

from chat_service.environment import Variable, show, variables
from chat_service.settings import SECTIONS, Settings

_INTRODUCTION = """\
# Settings

Every setting is an environment variable. An empty one counts as not set; one that is wrong or unknown
stops the start with a message that names all of them. `chat-service config` prints the values in force, with
secrets masked. A secret may be given as a file, by its name with `_FILE` behind it; the file is read again
when it changes.

This page is made by `make docs`.
"""
_HEAD = "| variable | default | expected | meaning |\n|---|---|---|---|\n"


def effective(settings: Settings) -> str:
    """Write `NAME=value` lines, as an environment would give them, with every secret masked."""
    lines = (f"{variable.name}={show(getattr(settings, variable.field))}" for variable in variables(Settings))
    return "\n".join(lines)


def reference() -> str:
    """Write the reference of all settings as Markdown; it is the same on every machine."""
    parts = [_INTRODUCTION]
    for variable in variables(Settings):
        if variable.field in SECTIONS:
            parts.append(f"\n## {SECTIONS[variable.field]}\n\n| variable | default | meaning |\n|---|---|---|\n")
        parts.append(_row(variable))
    return "".join(parts)


def _row(variable: Variable) -> str:
    default = f"`{variable.default}`" if variable.default else "-"
    name = " or ".join(f"`{name}`" for name in variable.names)
    return f"| {name} | {default} | {variable.expected} | {variable.declared.meaning} |\n"
