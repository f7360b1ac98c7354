"""Has what somebody has seen changed? `ETag` and `If-None-Match` of answers from read models.

A tag is of everything that is answered but the position, which moves on with every event of others.
So it is weak: a client that holds a tag holds an answer that says the same, at an older position.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.responses import Response

from api.responses import success

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

DIGEST_BYTES = 16


def tagged(request: Request, data: Mapping[str, Any], position: int) -> Response:
    """`data` and the position at which it is true, or 304 if `If-None-Match` names it."""
    etag = f'W/"{hashlib.blake2b(orjson.dumps(data), digest_size=DIGEST_BYTES).hexdigest()}"'
    if matches(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return success({**data, "position": position}, headers={"ETag": etag})


def matches(request: Request, etag: str) -> bool:
    """Whether `If-None-Match` names a tag, by weak comparison (RFC 9110, 8.8.3.2).

    Our tags hold no comma.
    """
    given = ",".join(request.headers.getlist("if-none-match"))
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
