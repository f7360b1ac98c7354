"""What no answer may be or say, whatever was asked."""

from __future__ import annotations

import json
import re
from typing import Final

import httpx

from tests.api.documentation import EVENT_STREAM
from tests.api.leaks import PERSONAL

SIGNED: Final = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.")
"""How every token begins that is a JWT."""

BEHIND: Final = frozenset({"read_model_behind"})
"""Whoever asks for a position that a read model has not reached yet is told to ask again."""


def text_of(answer: httpx.Response) -> str:
    """The body; of an event stream the beginning."""
    if answer.headers.get("content-type", "").startswith(EVENT_STREAM):
        return next(answer.iter_text())
    answer.read()
    return answer.text


def _code(answer: httpx.Response, text: str) -> str:
    """The code of an error that has a body."""
    code: str = json.loads(text)["error"]["code"] if text and answer.is_error else ""
    return code


def wrongs(answer: httpx.Response, text: str, *, served: bool) -> list[str]:
    """What holds for every answer, beside its own documentation."""
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    # A look into the vault is asked for that, and recorded.
    shown = answer.is_success and answer.request.url.path.endswith("/admin/vault-looks")
    wrong = {
        "a defect": answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        and _code(answer, text) not in BEHIND,
        "personal data": PERSONAL.search("" if shown else text) or PERSONAL.search(headers),
        "a token": SIGNED.search(text) or SIGNED.search(headers),
        "no request id": not answer.headers.get("x-request-id"),
        "another method": not served and answer.status_code not in {404, 405},
    }
    if answer.is_error and answer.request.method != "HEAD":
        body = json.loads(text)
        wrong["not the error's shape"] = body["status"] != "error" or body["error"][
            "request_id"
        ] != answer.headers.get("x-request-id")
    return [what for what, found in wrong.items() if found]
