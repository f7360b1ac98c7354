"""A document on a page of paper: the same bytes for the same document, whenever it is asked for.

Only the fonts that every reader of PDF has are used, so nothing is embedded, and nothing in it
depends on the day or the machine.
"""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Final

import pydyf  # type: ignore[import-untyped]  # it has no annotations

from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.events import DocumentKind
    from projections.documents import Document

PAGE_WIDTH: Final = 595
"""A4 in points, and so are all lengths here; the origin is at the bottom left."""
PAGE_HEIGHT: Final = 842
LEFT: Final = 57
RIGHT: Final = PAGE_WIDTH - LEFT
TOP: Final = PAGE_HEIGHT - 85

REGULAR: Final = "Helvetica"
BOLD: Final = "Helvetica-Bold"
FIGURES: Final = "Courier"
"""Each of its characters is 0.6 of its size wide, so that figures end where they should."""
FIGURE_WIDTH: Final = 0.6
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
    pdf = pydyf.PDF()
    issued = document.issued
    text = pydyf.Stream()
    for font, size, x, y, line in _texts(document):
        text.begin_text()
        text.set_font_size(font, size)
        text.set_text_matrix(1, 0, 0, 1, x, y)
        text.show_text_string(line.encode("cp1252", "replace"))
        text.end_text()
    pdf.add_object(text)
    pdf.add_page(
        pydyf.Dictionary(
            {
                "Type": "/Page",
                "Parent": pdf.pages.reference,
                "MediaBox": pydyf.Array([0, 0, PAGE_WIDTH, PAGE_HEIGHT]),
                "Contents": text.reference,
                "Resources": pydyf.Dictionary({"Font": _fonts()}),
            }
        )
    )
    pdf.info["Title"] = pydyf.String(f"{TITLES[issued.kind]} {document.number}")
    pdf.info["CreationDate"] = pydyf.String(f"D:{issued.recorded_at:%Y%m%d%H%M%S}Z")
    written = BytesIO()
    pdf.write(written)
    return written.getvalue()


def _fonts() -> pydyf.Dictionary:
    return pydyf.Dictionary(
        {
            font: pydyf.Dictionary(
                {
                    "Type": "/Font",
                    "Subtype": "/Type1",
                    "BaseFont": f"/{font}",
                    "Encoding": "/WinAnsiEncoding",
                }
            )
            for font in (REGULAR, BOLD, FIGURES)
        }
    )


def _texts(document: Document) -> Iterator[tuple[str, int, float, float, str]]:
    """Font, size, place and text of everything on the page, from the top."""
    issued = document.issued
    yield BOLD, TITLE_SIZE, LEFT, TOP, TITLES[issued.kind]
    y = TOP - 2 * LEADING
    for name, value in (
        ("Number", document.number),
        ("Month", issued.month),
        ("Creator", str(issued.creator_id)),
        ("Issued", f"{issued.recorded_at:%Y-%m-%d %H:%M} UTC"),
        ("As recorded up to", f"position {issued.up_to_position}"),
    ):
        yield BOLD, SIZE, LEFT, y, name
        yield REGULAR, SIZE, LEFT + 130, y, value
        y -= LEADING
    y -= LEADING
    for line in issued.lines:
        yield REGULAR, SIZE, LEFT, y, NAMES.get(line.what, line.what)
        yield _figure(line.amount, issued.currency, y)
        y -= LEADING
    yield BOLD, SIZE, LEFT, y - LEADING, TOTALS[issued.kind]
    yield _figure(document.total, issued.currency, y - LEADING)


def _figure(amount: int, currency: str, y: float) -> tuple[str, int, float, float, str]:
    exponent = exponents()[currency]
    text = f"{currency} {Decimal(amount).scaleb(-exponent):,.{exponent}f}"
    return FIGURES, SIZE, RIGHT - FIGURE_WIDTH * SIZE * len(text), y, text
