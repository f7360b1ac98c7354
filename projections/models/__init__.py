"""Every asynchronous read model. Each is a module: its tables, how events fill it, its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from projections.models.payments import PaymentsModel

if TYPE_CHECKING:
    from projections.read_model import ReadModel

READ_MODELS: Final[tuple[type[ReadModel], ...]] = (PaymentsModel,)
