"""Every read model. Each is a module: its tables, how events fill it, its queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from projections.models.earnings import EarningsModel
from projections.models.invoices import InvoicesModel
from projections.models.journal import JournalModel
from projections.models.payments import PaymentsModel
from projections.models.payouts import PayoutsModel
from projections.models.proposals import ProposalsModel
from projections.models.recurring import RecurringModel
from projections.models.subscriptions import SubscriptionsModel
from projections.models.supporters import SupportersModel
from projections.models.suspense import SuspenseModel

if TYPE_CHECKING:
    from projections.read_model import ReadModel

READ_MODELS: Final[tuple[type[ReadModel], ...]] = (
    PaymentsModel,
    SubscriptionsModel,
    InvoicesModel,
    PayoutsModel,
    EarningsModel,
    SupportersModel,
    RecurringModel,
    SuspenseModel,
    ProposalsModel,
)
"""The asynchronous ones, which a projector feeds."""

EVERY_MODEL: Final[tuple[type[ReadModel], ...]] = (JournalModel, *READ_MODELS)
"""All that can be built anew."""
