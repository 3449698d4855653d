"""The API reference for people: one HTML page made from the OpenAPI document, without a script."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

Schema = dict[str, Any]

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/static/pages.css">
</head>
<body>
{body}
</body>
</html>
"""


def reference(document: Schema) -> str:
    """Write the page: contents, every operation by tag, every type."""
    about = document["info"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = [
        f'<h1>{escape(about["title"])} <span class="quiet">{escape(about["version"])}</span></h1>',
        f"<p>{_words(about['description'])}</p>",
        '<p>For programs: <a href="/api/v1/openapi.json">openapi.json</a>.</p>',
        _contents(operations),
    ]
    for tag in document["tags"]:
        parts.append(f"<h2>{escape(tag['name'].capitalize())}</h2>")
        parts.extend(_operation(*found) for found in operations if tag["name"] in found[2]["tags"])
    parts.append('<h2 id="types">Types</h2>')
    parts.extend(_type(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    return _PAGE.format(title=escape(about["title"]), body="\n".join(parts))


def _contents(operations: Iterable[tuple[str, str, Schema]]) -> str:
    items = [
        f'<li><a href="#{escape(operation["operationId"])}">{escape(operation["summary"])}</a></li>'
        for _, _, operation in operations
    ]
    return f'<ul class="contents">{"".join(items)}<li><a href="#types">Types</a></li></ul>'


def _operation(method: str, path: str, operation: Schema) -> str:
    token = "" if operation.get("security") else " <em>Without a token.</em>"
    parts = [
        f'<section id="{escape(operation["operationId"])}">',
        f'<h3><span class="method">{method.upper()}</span> <code>{escape(path)}</code></h3>',
        f"<p>{_words(operation['summary'])}{token}</p>",
    ]
    if operation["parameters"]:
        rows = [_parameter(parameter) for parameter in operation["parameters"]]
        parts.append(_table(("Parameter", "In", "Type", "Meaning"), rows))
    if "requestBody" in operation:
        parts.append(f"<p>Body: {_content_kind(operation['requestBody'])}</p>")
    succeeded = [status for status in operation["responses"] if status < "400"]
    parts.extend(f"<p>Answer: {_code(one)} {_content_kind(operation['responses'][one])}</p>" for one in succeeded)
    parts.append(f'<p class="quiet">Refusals: {_refusals(operation["responses"])}</p>')
    return "\n".join([*parts, "</section>"])


def _refusals(responses: Schema) -> str:
    """The statuses that say why not; what they answer with is always a Failure."""
    return "; ".join(
        f"{_code(status)} {_words(answer['description'])}"
        for status, answer in responses.items()
        if status >= "400"
    )


def _parameter(parameter: Schema) -> tuple[str, ...]:
    schema = parameter["schema"]
    place = escape(parameter["in"]) + ("" if parameter["required"] else ", optional")
    return _code(parameter["name"]), place, _kind(schema), _words(schema.get("description", ""))


def _type(name: str, schema: Schema) -> str:
    parts = [f'<section id="type-{escape(name)}">', f"<h3><code>{escape(name)}</code></h3>"]
    if schema.get("description"):
        parts.append(f"<p>{_words(schema['description'])}</p>")
    if "properties" in schema:
        required = schema.get("required", ())
        rows = [
            (
                _code(field),
                _kind(kind),
                "" if field in required else "optional",
                _words(kind.get("description", "")),
            )
            for field, kind in schema["properties"].items()
        ]
        if rows:
            parts.append(_table(("Field", "Type", "", "Meaning"), rows))
    else:
        parts.append(f"<p>{_kind(schema)}</p>")
    return "\n".join([*parts, "</section>"])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'


def _content_kind(content: Schema) -> str:
    if "content" not in content:
        return ""
    if "application/json" not in content["content"]:
        return "bytes"
    return _kind(content["content"]["application/json"]["schema"])


def _kind(schema: Schema) -> str:
    """A type in few words: a link to a declared one, what an array holds, one of some values, bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(_code(str(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        return "array of " + _kind(schema.get("items", {}))
    if isinstance(schema.get("additionalProperties"), dict) and "properties" not in schema:
        return "object of " + _kind(schema["additionalProperties"])
    return escape(schema.get("type", "anything")) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    least = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    most = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    if most is None:
        return "" if least is None else f" from {least}"
    unit = " characters" if "maxLength" in schema else ""
    return f" {'up to' if least is None else f'{least} to'} {most}{unit}"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _words(text: str) -> str:
    """Text whose `quoted` parts are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
