"""JSON as a ledger reads it: no duplicate keys, no NaN, no depth, no characters that deceive.

FastAPI's own parser takes the last of two equal keys and lets NaN through; a route with
`StrictRoute` parses by these rules instead and names the field that breaks one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request

from api.errors import ApiError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response

DEPTH_MAX: Final = 32

DECEIVING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Controls, lone surrogates and bidirectional controls (Unicode TR36, Trojan source)."""


class _DuplicateKeyError(ValueError):
    pass


def strict_json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a body. Raises `ApiError` 400, naming the field where there is one."""
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except _DuplicateKeyError as error:
        raise invalid(str(error), "is given twice") from None
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "The body is not valid JSON in UTF-8.") from None
    _check(value, "", 0)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(_shown(key))
            seen.add(key)
    return value


def _no_constant(_name: str) -> Any:  # noqa: ANN401 - never returns
    raise ValueError("not a JSON number")


def _shown(key: str) -> str:
    return DECEIVING.sub("?", key)[:64]


def _check(value: Any, path: str, depth: int) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        if DECEIVING.search(value):
            raise invalid(path or "body", "contains a control character")
    elif isinstance(value, dict):
        _check_depth(depth)
        for key, item in value.items():
            name = f"{path}.{_shown(key)}" if path else _shown(key)
            if DECEIVING.search(key):
                raise invalid(name, "contains a control character")
            _check(item, name, depth + 1)
    elif isinstance(value, list):
        _check_depth(depth)
        for index, item in enumerate(value):
            _check(item, f"{path}.{index}", depth + 1)


def _check_depth(depth: int) -> None:
    if depth >= DEPTH_MAX:
        raise ApiError(400, "invalid_json", f"The body is nested deeper than {DEPTH_MAX}.")


class _StrictRequest(Request):
    async def json(self) -> Any:  # noqa: ANN401 - the framework's signature
        if not hasattr(self, "_strict_json"):
            self._strict_json = strict_json(await self.body())
        return self._strict_json


class StrictRoute(APIRoute):
    """A route whose body is read by `strict_json`; parameters may not deceive either."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            for name, text in (*request.path_params.items(), *request.query_params.multi_items()):
                if DECEIVING.search(text):
                    raise invalid(_shown(name), "contains a control character")
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict
