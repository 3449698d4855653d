"""The OpenAPI 3.1 document, made from the endpoints and the very types that check and encode."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chat_service.files.kinds import IMAGES
from chat_service.http.endpoints import PATH_PARAMETERS, Access, AnyEndpoint
from chat_service.http.errors import STATUS, Failure
from chat_service.http.transfers import Download, Upload
from chat_service.model.errors import Code
from chat_service.rooms.requests import Key, published

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_ALWAYS = (Code.INVALID, Code.RATE_LIMITED, Code.INTERNAL, Code.UNAVAILABLE)
_BODY_REFUSALS = {"408": "the body did not arrive in time", "415": "the body is not JSON, or is compressed"}
_SIGNED_IN = {"bearer": {"type": "http", "scheme": "bearer", "description": "The access token of a session."}}
_RAW: Schema = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BYTES: dict[type, Schema] = {
    Upload: _RAW,
    Download: _RAW | dict.fromkeys(sorted(IMAGES), _RAW["application/octet-stream"]),
}
"""Bodies that are no JSON, and their media types."""
_ABOUT = """\
Rooms are append-only logs: what happens in one is an entry with a sequence number. A write answers once its \
entry is stored. Every write into a room takes an idempotency key, as the field `key` or as the header \
`Idempotency-Key`: the same request sent again with the same key changes nothing and gets the first result. \
Live entries come over Socket.IO. Every refusal has one shape, `Failure`."""


def document(endpoints: Sequence[AnyEndpoint], *, prefix: str, version: str, title: str) -> Schema:
    """Describe all endpoints, whose paths are below `prefix`."""
    schemas = _Schemas(endpoints)
    paths: dict[str, Schema] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(prefix + endpoint.path, {})
        operations[endpoint.method.lower()] = _operation(endpoint, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(endpoint.tag for endpoint in endpoints)],
        "paths": paths,
        "components": {"schemas": schemas.components, "securitySchemes": _SIGNED_IN},
    }


class _Schemas:
    """JSON Schemas of every declared type; those of queries are given out by name and not published."""

    def __init__(self, endpoints: Sequence[AnyEndpoint]) -> None:
        types = list(dict.fromkeys(_types(endpoints)))
        queries = list(dict.fromkeys(endpoint.query for endpoint in endpoints if endpoint.query))
        parameters = [*PATH_PARAMETERS.values(), Key]
        shown, components = msgspec.json.schema_components(
            [*types, *queries, *parameters], ref_template=_REFERENCE
        )
        known: dict[str, Schema] = _for_readers(components)
        references = [_for_readers(schema) for schema in shown]
        self._of: dict[type, Schema] = dict(zip((*types, *queries), references, strict=False))
        first = len(types) + len(queries)
        self.path = dict(zip(PATH_PARAMETERS, references[first:], strict=False))
        self.key = references[-1]
        self.queries = {query: known.pop(_name(self._of[query])) for query in queries}
        self.components = known

    def of(self, kind: type) -> Schema:
        """A reference to the published schema of a body or an answer."""
        return self._of[kind]

    def required(self, kind: type) -> bool:
        """Whether a body of this type has a field that cannot be left out."""
        return bool(self.components[_name(self._of[kind])].get("required"))


def _types(endpoints: Iterable[AnyEndpoint]) -> Iterable[type]:
    yield Failure
    for endpoint in endpoints:
        for kind in (endpoint.body, endpoint.answer):
            if kind is not None and kind not in _BYTES:
                yield kind


def _operation(endpoint: AnyEndpoint, schemas: _Schemas) -> Schema:
    operation: Schema = {
        "tags": [endpoint.tag],
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": _parameters(endpoint, schemas),
        "responses": _responses(endpoint, schemas),
    }
    if endpoint.body is Upload:
        operation["requestBody"] = {"required": True, "content": _BYTES[Upload]}
    elif endpoint.body is not None:
        operation["requestBody"] = {
            "required": schemas.required(endpoint.body),
            "content": {"application/json": {"schema": schemas.of(endpoint.body)}},
        }
    if endpoint.access is not Access.ANYBODY:
        operation["security"] = [{"bearer": []}]
    return operation


def _parameters(endpoint: AnyEndpoint, schemas: _Schemas) -> list[Schema]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": schemas.path[name]}
        for name in endpoint.parameters
    ]
    if endpoint.query is not None:
        query = schemas.queries[endpoint.query]
        found.extend(
            {"name": name, "in": "query", "required": name in query.get("required", ()), "schema": schema}
            for name, schema in query["properties"].items()
        )
    if endpoint.keyed:
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schemas.key})
    return found


def _responses(endpoint: AnyEndpoint, schemas: _Schemas) -> Schema:
    success: Schema = {"description": "done"}
    if endpoint.answer is Download:
        success["content"] = _BYTES[Download]
    elif endpoint.answer is not None:
        success["content"] = {"application/json": {"schema": schemas.of(endpoint.answer)}}
    responses = {str(endpoint.success): success}
    if endpoint.answer is Download:
        responses["304"] = {"description": "the client has it already (If-None-Match)"}
    failure = {"application/json": {"schema": schemas.of(Failure)}}
    by_status: dict[int, list[Code]] = {}
    for code in _codes(endpoint):
        by_status.setdefault(STATUS[code], []).append(code)
    for status, codes in sorted(by_status.items()):
        words = " or ".join(f"`{code}`" for code in codes)
        responses[str(status)] = {"description": words, "content": failure}
    if endpoint.body is not None:
        for number, why in _BODY_REFUSALS.items():
            responses[number] = {"description": f"`{Code.INVALID}`: {why}", "content": failure}
    return dict(sorted(responses.items()))


def _codes(endpoint: AnyEndpoint) -> list[Code]:
    codes = {*_ALWAYS, *endpoint.refuses}
    if endpoint.access is not Access.ANYBODY:
        codes.add(Code.UNAUTHENTICATED)
    if endpoint.access is Access.ADMIN:
        codes.add(Code.FORBIDDEN)
    if endpoint.body is not None:
        codes.add(Code.TOO_LARGE)
    return [code for code in Code if code in codes]


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _for_readers(schema: Any) -> Any:
    """The schema with its patterns as JSON Schema knows them."""
    if isinstance(schema, dict):
        return {
            key: published(value) if key == "pattern" and isinstance(value, str) else _for_readers(value)
            for key, value in schema.items()
        }
    if isinstance(schema, tuple | list):
        return [_for_readers(item) for item in schema]
    return schema
