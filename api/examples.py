"""Examples in the OpenAPI document, put together from its own schemas and those of the fields.

An example that says more than the schema allows, or less, is noticed by tests/api/test_examples.py;
so is a field of which nobody has said what may stand in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from api.error_catalogue import error_examples
from api.field_examples import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE: Final = "#/components/schemas/"
INSTANT: Final = "2026-11-05T09:00:00+00:00"
BY_FORMAT: Final = {"date-time": INSTANT, "date": "2026-11-05"}
BY_TYPE: Final[dict[str, Any]] = {"boolean": False, "null": None}
MISSING: Final = object()


class Examples:
    """Makes examples of the schemas of one document, and remembers what it had to invent."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas
        self.invented: set[str] = set()

    def of(self, schema: dict[str, Any], name: str = "") -> Any:  # noqa: ANN401 - any JSON
        """An example of a schema. `name` is the field's, with its model's before it."""
        schema, model = self._resolved(schema)
        if "properties" in schema:
            return self._object(schema, model)
        for known in (_own(schema), self._by_name(schema, name)):
            if known is not MISSING:
                return known
        if (variants := schema.get("anyOf") or schema.get("oneOf")) is not None:
            nullable = {"type": "null"} in variants
            return None if nullable else self.of(variants[0], name)
        if schema.get("type") == "array":
            return [self.of(schema["items"], name)] * max(1, schema.get("minItems", 1))
        return self._by_kind(schema, name)

    def _resolved(self, schema: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Follow a reference; the name of the model that it leads to."""
        model = ""
        while "$ref" in schema:
            model = schema["$ref"].removeprefix(REFERENCE)
            schema = self._schemas[model]
        return schema, model.rpartition("__")[2]

    def _object(self, schema: dict[str, Any], model: str) -> dict[str, Any]:
        """All that an answer has; of a body what it needs, and what is told to be shown."""
        is_body = schema.get("additionalProperties") is False
        needed = schema.get("required", ())
        return {
            field: self._field(each, f"{model}.{field}")
            for field, each in schema["properties"].items()
            if not is_body or field in needed or "examples" in each or f"{model}.{field}" in FIELDS
        }

    def _field(self, schema: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON
        return FIELDS[name] if name in FIELDS else self.of(schema, name)

    @staticmethod
    def _by_name(schema: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON
        """What the field of this name holds elsewhere, unless it is of another kind here."""
        value = FIELDS.get(name.rpartition(".")[2], MISSING)
        kinds = {
            each.get("type")
            for each in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))
        }
        return value if _kind(value) & kinds else MISSING

    def _by_kind(self, schema: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON
        if schema.get("format") in BY_FORMAT:
            return BY_FORMAT[schema["format"]]
        if schema.get("type") in BY_TYPE:
            return BY_TYPE[schema["type"]]
        if schema.get("type") == "object":
            return {}
        self.invented.add(name)
        return {"integer": 1, "number": 1.0}.get(schema.get("type", ""), name)


def _own(schema: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """What the schema says itself."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for variant in schema.get("anyOf", ()):
        if variant.get("examples"):
            return variant["examples"][0]
    return MISSING


def _kind(value: object) -> set[str]:
    """The JSON types that a value may be of."""
    kinds: dict[type, set[str]] = {
        str: {"string"},
        bool: {"boolean"},
        int: {"integer", "number"},
        float: {"number"},
        list: {"array"},
        dict: {"object"},
        type(None): {"null"},
    }
    return kinds.get(type(value), set())


def add_examples(document: dict[str, Any]) -> None:
    """Give every body and every answer of the document an example, and every error one by code."""
    components = document["components"]
    components["examples"] = error_examples()
    examples = Examples(components["schemas"])
    for content, _ in contents(document):
        for media_type, described in content.items():
            if "example" in described or "examples" in described:
                continue
            if media_type == "application/json":
                described["example"] = examples.of(described["schema"])
            elif media_type == "application/x-ndjson" and "application/json" in content:
                whole = examples.of(content["application/json"]["schema"])
                described["example"] = json.dumps(whole["data"]["items"][0]) + "\n"
    for operation in operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and "example" not in parameter:
                parameter["example"] = examples.of(parameter["schema"], parameter["name"])


def contents(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The contents of every body and answer, and where it is."""
    for operation in operations(document):
        name = operation["operationId"]
        if "requestBody" in operation:
            yield operation["requestBody"]["content"], f"{name} body"
        for status, response in operation["responses"].items():
            if "content" in response:
                yield response["content"], f"{name} {status}"


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation: what is asked of us, and what we send."""
    for methods in (*document["paths"].values(), *document.get("webhooks", {}).values()):
        yield from methods.values()
