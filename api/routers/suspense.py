"""Money in suspense, corrections, and what a second person decides."""

from __future__ import annotations

from api.routers.parts import router

routes = router("/admin", "suspense")
