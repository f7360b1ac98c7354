"""Refunds, fans' wishes for one, and disputes."""

from __future__ import annotations

from api.routers.parts import router

routes = router("", "refunds")
