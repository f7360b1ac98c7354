"""The platform's own books, and whether assets cover what is owed."""

from __future__ import annotations

from api.routers.parts import router

routes = router("/admin/books", "books")
