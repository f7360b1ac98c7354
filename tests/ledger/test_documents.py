"""Documents are numbered without gap or double, and a creator gets one of a kind about a month."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from ledger.commands import IssueDocument
from ledger.document_numbers import PREFIXES, document_number, document_place, series_id
from ledger.errors import AlreadyExists
from ledger.events import DocumentLine
from tests.builders import envelope

if TYPE_CHECKING:
    from ledger.application import Ledger
    from ledger.events import DocumentKind

MONTH = "2026-11"


def issue(
    creator_id: UUID, kind: DocumentKind = "fee_invoice", month: str = MONTH
) -> IssueDocument:
    return IssueDocument(
        series_id=series_id(kind, month),
        kind=kind,
        creator_id=creator_id,
        month=month,
        currency="KES",
        lines=(DocumentLine(what="platform_fees", amount=12_500),),
        up_to_position=0,
        **envelope(None),
    )


def test_numbers_follow_one_another_and_only_issued_documents_have_one(ledger: Ledger) -> None:
    first, second, third = uuid4(), uuid4(), uuid4()
    outcomes = ledger.execute([issue(first), issue(first), issue(second)])
    assert [type(outcome.error) for outcome in outcomes] == [type(None), AlreadyExists, type(None)]
    with pytest.raises(AlreadyExists):
        ledger.execute_one(issue(second))
    last = ledger.execute_one(issue(third))
    assert [outcomes[0].version, outcomes[2].version, last.version] == [1, 2, 3]
    assert last.stream == series_id("fee_invoice", MONTH)


def test_every_kind_and_month_has_its_own_series(ledger: Ledger) -> None:
    creator = uuid4()
    for kind in PREFIXES:
        for month in ("2026-10", "2026-11"):
            outcome = ledger.execute_one(issue(creator, kind, month))
            assert outcome.version == 1
            place = document_place(document_number(kind, month, 1))
            assert place == (outcome.stream, outcome.version)


def test_a_number_names_its_kind_and_month() -> None:
    assert document_number("fee_invoice", "2026-11", 1) == "FI-2026-11-000001"
    assert document_number("credit_note", "2026-11", 42) == "CN-2026-11-000042"
    assert document_number("withholding_certificate", "2026-02", 1_234_567) == "WC-2026-02-1234567"


@pytest.mark.parametrize(
    "number",
    [
        "",
        "FI-2026-11",
        "FI-2026-11-1",
        "FI-2026-11-0000001",
        "fi-2026-11-000001",
        "XX-2026-11-000001",
        "FI-2026-11-000001\n",
        "FI-2026-11-00000\u0661",
    ],
)
def test_what_is_no_number_lies_nowhere(number: str) -> None:
    assert document_place(number) is None
