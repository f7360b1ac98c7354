"""An event of every class, with every field filled: what the golden files hold.

Of a proposal one for each kind of action, since what is proposed is stored within it.
"""

from __future__ import annotations

from typing import Final

from ledger.events import Event, ProposalMade
from tests.ledger.catalog_examples import CATALOG, FANS
from tests.ledger.invoice_payment_examples import INVOICE_PAYMENTS
from tests.ledger.payment_examples import DISPUTES, PAYMENTS, RECEIPT_EVENTS, REFUNDS
from tests.ledger.platform_examples import BOOKS, CREATORS, DOCUMENTS, PAYOUTS, PROPOSALS
from tests.ledger.subscription_examples import BEGINNINGS, INVOICES, LIVES

EXAMPLES: Final[tuple[Event, ...]] = (
    *CREATORS,
    *CATALOG,
    *FANS,
    *PAYMENTS,
    *INVOICE_PAYMENTS,
    *REFUNDS,
    *DISPUTES,
    *RECEIPT_EVENTS,
    *PAYOUTS,
    *PROPOSALS,
    *BOOKS,
    *DOCUMENTS,
    *BEGINNINGS,
    *INVOICES,
    *LIVES,
)
"""In the order of `EVENT_CLASSES`."""


def golden_name(example: Event) -> str:
    """The name of an example's golden file: its topic, and a proposal's kind of action."""
    if isinstance(example, ProposalMade):
        return f"{example.TOPIC}.{example.action.kind}"
    return example.TOPIC
