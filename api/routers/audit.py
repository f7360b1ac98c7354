"""An auditor reads, and nothing else."""

from __future__ import annotations

from api.routers.parts import router

routes = router("/audit", "audit")
