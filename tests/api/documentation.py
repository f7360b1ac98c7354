"""Is the OpenAPI document true? Every answer that a test sees is held against it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from jsonschema_rs import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Container

    import httpx


FIRST_ERROR_STATUS = 400
EVENT_STREAM = "text/event-stream"
"""An answer that does not end: who checks it may not wait for that."""


class Operation(NamedTuple):
    """A documented route."""

    method: str
    path: str


class UndocumentedAnswerError(AssertionError):
    """A route answered what its documentation does not know."""


class Documentation:
    """The OpenAPI document, and which of its answers were seen."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: dict[Operation, set[int]] = defaultdict(set)
        self._validators: dict[tuple[Operation, int], Draft202012Validator | None] = {}
        self._routes = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), Operation(method.upper(), path))
            for path, methods in document["paths"].items()
            for method in methods
        ]
        # Of two that match, the one with fewer parameters is served.
        self._routes.sort(key=lambda route: route[1].path.count("{"))

    @property
    def operations(self) -> list[Operation]:
        return [operation for _, operation in self._routes]

    def operation(self, method: str, path: str) -> Operation | None:
        """The documented route that serves a request, if there is one."""
        for pattern, operation in self._routes:
            if operation.method == method and pattern.fullmatch(path):
                return operation
        return None

    def check(self, response: httpx.Response) -> None:
        """Raise `UndocumentedAnswerError` unless status, media type and body are documented."""
        request = response.request
        operation = self.operation(request.method, request.url.path)
        if operation is None:
            return
        media_type = response.headers.get("content-type", "").partition(";")[0]
        if media_type != EVENT_STREAM:
            response.read()
        self.seen[operation].add(response.status_code)
        responses = self.document["paths"][operation.path][operation.method.lower()]["responses"]
        documented = responses.get(str(response.status_code))
        if documented is None:
            message = f"{operation} answers {response.status_code}: {response.text[:500]}"
            raise UndocumentedAnswerError(message)
        if "content" not in documented and not response.content:
            return
        if media_type not in documented.get("content", {}):
            message = f"{operation} answers {response.status_code} as {media_type}"
            raise UndocumentedAnswerError(message)
        if media_type == "application/json":
            self._check_body(operation, response.status_code, response.content)
            self._check_code(operation, response.status_code, response.content)

    def _check_body(self, operation: Operation, status: int, content: bytes) -> None:
        validator = self._validator(operation, status)
        errors = [
            f"{'.'.join(map(str, error.instance_path))}: {error.message}"
            for error in validator.iter_errors(json.loads(content))
        ]
        if errors:
            message = f"{operation} answers {status} against its schema: {errors}"
            raise UndocumentedAnswerError(message)

    def _check_code(self, operation: Operation, status: int, content: bytes) -> None:
        """Every error's code is one of those of which the documentation has an example."""
        if status < FIRST_ERROR_STATUS:
            return
        code = json.loads(content)["error"]["code"]
        if code not in self.codes(operation, status):
            message = f"{operation} answers {status} with the code {code}: it is not declared"
            raise UndocumentedAnswerError(message)

    def codes(self, operation: Operation, status: int) -> Container[str]:
        """The codes of errors that a route declares with a status."""
        route = self.document["paths"][operation.path][operation.method.lower()]
        content = route["responses"][str(status)]["content"]["application/json"]
        examples: dict[str, Any] = content.get("examples", {})
        return examples

    def _validator(self, operation: Operation, status: int) -> Draft202012Validator:
        validator = self._validators.get((operation, status))
        if validator is None:
            route = self.document["paths"][operation.path][operation.method.lower()]
            schema = route["responses"][str(status)]["content"]["application/json"]["schema"]
            whole = {**schema, "components": self.document["components"]}
            validator = Draft202012Validator(whole, validate_formats=True)
            self._validators[operation, status] = validator
        return validator
