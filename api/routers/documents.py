"""Numbered documents: fee invoices, credit notes, withholding certificates."""

from __future__ import annotations

from api.routers.parts import router

routes = router("/creators", "documents")
