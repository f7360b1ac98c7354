"""A document on a page of paper: the same bytes for the same document, whenever it is asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from api.pdf import BOLD, LEFT, REGULAR, TOP, Text, figure, pdf_of
from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.events import DocumentKind
    from projections.documents import Document

SIZE: Final = 11
TITLE_SIZE: Final = 20
LEADING: Final = 20

TITLES: Final[dict[DocumentKind, str]] = {
    "fee_invoice": "Fee invoice",
    "credit_note": "Credit note",
    "withholding_certificate": "Withholding certificate",
}

NAMES: Final = {
    "platform_fees": "Fees on payments",
    "payout_fees": "Fees on payouts",
    "vat": "VAT",
    "paid_out": "Payouts from which tax was withheld, gross",
    "withholding": "Tax withheld",
    "withholding_returned": "Tax given back with returned payouts",
}
"""What the codes of a document's lines mean."""

TOTALS: Final[dict[DocumentKind, str]] = {
    "fee_invoice": "Total charged",
    "credit_note": "Total given back",
    "withholding_certificate": "Total tax withheld",
}


def document_pdf(document: Document) -> bytes:
    """The document as a PDF of one page."""
    issued = document.issued
    title = f"{TITLES[issued.kind]} {document.number}"
    return pdf_of([_texts(document)], title=title, created=issued.recorded_at)


def _texts(document: Document) -> Iterator[Text]:
    """Font, size, place and text of everything on the page, from the top."""
    issued = document.issued
    yield Text(BOLD, TITLE_SIZE, LEFT, TOP, TITLES[issued.kind])
    y = TOP - 2 * LEADING
    for name, value in (
        ("Number", document.number),
        ("Month", issued.month),
        ("Creator", str(issued.creator_id)),
        ("Issued", f"{issued.recorded_at:%Y-%m-%d %H:%M} UTC"),
        ("As recorded up to", f"position {issued.up_to_position}"),
    ):
        yield Text(BOLD, SIZE, LEFT, y, name)
        yield Text(REGULAR, SIZE, LEFT + 130, y, value)
        y -= LEADING
    y -= LEADING
    for line in issued.lines:
        yield Text(REGULAR, SIZE, LEFT, y, NAMES.get(line.what, line.what))
        yield _figure(line.amount, issued.currency, y)
        y -= LEADING
    yield Text(BOLD, SIZE, LEFT, y - LEADING, TOTALS[issued.kind])
    yield _figure(document.total, issued.currency, y - LEADING)


def _figure(amount: int, currency: str, y: float) -> Text:
    exponent = exponents()[currency]
    text = f"{currency} {Decimal(amount).scaleb(-exponent):,.{exponent}f}"
    return figure(text, SIZE, y)
