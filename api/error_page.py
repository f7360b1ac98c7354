"""docs/errors.md, for whoever writes a client: every error by its code. Written by `make docs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.error_catalogue import DOORS, advice_on, kinds, template_of
from api.errors import status_of
from api.examples import contents
from ledger import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ledger.errors import LedgerError

TEXT: Final = """\
# Errors

Made from [ledger/errors.py](../ledger/errors.py) and \
[api/error_catalogue.py](../api/error_catalogue.py) by `make docs`: change those, not this file.

```json
{{"status": "error", "error": {{"code": "…", "message": "…", "details": [], "request_id": "…"}}}}
```

A code keeps its meaning; messages may be worded better, and what stands in braces is filled in. \
`details` names fields. Which route answers which codes is in [openapi.json](openapi.json), with \
an example of each. Whatever is 503 may be repeated with the same idempotency key.

## Of the doors

Answered before the ledger is asked, or instead of it.

{doors}

## Of the ledger

{ledger}

## Within the ledger

Of families, of what processes do among themselves, and of what becomes another answer: no route \
answers them.

{within}
"""

FAMILIES: Final[dict[str, tuple[type[LedgerError], ...]]] = {
    "Unknown, or somebody else's": (errors.NotFound,),
    "Not in this state": (errors.NotInThisState,),
    "Not by this person": (errors.NotAllowed,),
    "Never acceptable": (errors.Unacceptable,),
    "Away, or too busy": (errors.Unavailable,),
    "Of keys, values and reading": (errors.LedgerError,),
}
"""In this order; of two that fit the first."""

HEAD: Final = "| code | status | message | what to do |\n|---|---|---|---|"


def error_page(document: dict[str, Any]) -> str:
    """The page, as Markdown. The OpenAPI document tells which codes are answered."""
    answered = _answered(document)
    ledger: dict[str, list[type[LedgerError]]] = {title: [] for title in FAMILIES}
    within = []
    for kind in kinds():
        if kind.code in answered and kind is not errors.DecisionFailed:
            ledger[_family(kind)].append(kind)
        else:
            within.append(kind)
    return TEXT.format(
        doors=_table(_row(code, *door) for code, door in DOORS.items()),
        ledger="\n\n".join(
            f"### {title}\n\n{_table(map(_of_ledger, found))}" for title, found in ledger.items()
        ),
        within=_table(map(_of_ledger, within)),
    )


def _answered(document: dict[str, Any]) -> set[str]:
    """The codes that some route declares."""
    return {
        code
        for content, _ in contents(document)
        for code in content.get("application/json", {}).get("examples", ())
    }


def _family(kind: type[LedgerError]) -> str:
    return next(title for title, family in FAMILIES.items() if issubclass(kind, family))


def _table(rows: Iterable[str]) -> str:
    return "\n".join((HEAD, *rows))


def _of_ledger(kind: type[LedgerError]) -> str:
    return _row(kind.code, status_of(kind), template_of(kind), advice_on(kind))


def _row(code: str, status: int, message: str, advice: str) -> str:
    return f"| `{code}` | {status} | {message} | {advice} |"
