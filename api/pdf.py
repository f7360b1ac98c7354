"""Text on pages of paper: the same bytes for the same text, whenever it is asked for.

Only the fonts that every reader of PDF has are used, so nothing is embedded, and nothing in a file
depends on the day or the machine.
"""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import TYPE_CHECKING, Final, NamedTuple

import pydyf  # type: ignore[import-untyped]  # it has no annotations

from ledger.money import exponents

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

PAGE_WIDTH: Final = 595
"""A4 in points, and so are all lengths here; the origin is at the bottom left."""
PAGE_HEIGHT: Final = 842
LEFT: Final = 57
RIGHT: Final = PAGE_WIDTH - LEFT
TOP: Final = PAGE_HEIGHT - 85
BOTTOM: Final = 57

REGULAR: Final = "Helvetica"
BOLD: Final = "Helvetica-Bold"
FIGURES: Final = "Courier"
"""Each of its characters is 0.6 of its size wide, so that figures end where they should."""
FIGURE_WIDTH: Final = 0.6


class Text(NamedTuple):
    """A line of text: its font and size, and where it begins."""

    font: str
    size: float
    x: float
    y: float
    line: str


def figure(text: str, size: float, y: float, *, right: float = RIGHT) -> Text:
    """Figures that end at `right`."""
    return Text(FIGURES, size, right - FIGURE_WIDTH * size * len(text), y, text)


def decimal_amount(amount: int, currency: str) -> str:
    """Minor units as people write them, without the currency: 1250.00."""
    exponent = exponents()[currency]
    return f"{Decimal(amount).scaleb(-exponent):.{exponent}f}"


def pdf_of(pages: Iterable[Iterable[Text]], *, title: str, created: datetime) -> bytes:
    """The pages as a PDF."""
    pdf = pydyf.PDF()
    for texts in pages:
        stream = pydyf.Stream()
        for font, size, x, y, line in texts:
            stream.begin_text()
            stream.set_font_size(font, size)
            stream.set_text_matrix(1, 0, 0, 1, x, y)
            stream.show_text_string(line.encode("cp1252", "replace"))
            stream.end_text()
        pdf.add_object(stream)
        pdf.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": pdf.pages.reference,
                    "MediaBox": pydyf.Array([0, 0, PAGE_WIDTH, PAGE_HEIGHT]),
                    "Contents": stream.reference,
                    "Resources": pydyf.Dictionary({"Font": _fonts()}),
                }
            )
        )
    pdf.info["Title"] = pydyf.String(title)
    pdf.info["CreationDate"] = pydyf.String(f"D:{created:%Y%m%d%H%M%S}Z")
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
