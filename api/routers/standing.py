"""A creator's standing: verification, suspension, closing, tax profile, holds."""

from __future__ import annotations

from api.routers.parts import router

routes = router("/admin/creators", "creators")
