"""Payouts: a creator asks, admins decide, and where the money goes."""

from __future__ import annotations

from api.routers.parts import router

routes = router("", "payouts")
