"""Money in suspense, receipt by receipt: it waits, and is allocated or returned once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.ledger.lifecycles.laws import Fields

PARKED_BY: Final = {
    "payment.overpayment_parked.v1": "excess",
    "payment.mismatched.v1": "received",
    "payment.surplus_received.v1": "received",
    "receipt.unmatched_recorded.v1": "received",
}
"""Topics of money that is parked, and the field that says how much."""

Receipt = tuple[str, str]
"""A provider and its transaction."""


class ParkedMoney:
    """What waits in suspense, in minor units by receipt; and which returns go where."""

    def __init__(self) -> None:
        self._waiting: dict[Receipt, int] = {}
        self._returns: dict[tuple[str, str], tuple[Receipt, int]] = {}

    def hear(self, topic: str, stream: str, fields: Fields, *, debited: int) -> str:
        """What is wrong with an event that debits suspense with so much; nothing, if it is not."""
        if topic in PARKED_BY:
            amount = fields[PARKED_BY[topic]]["amount"]
            self._waiting[_receipt(fields)] = amount
            return "" if debited == -amount else f"{amount} is not parked"
        if topic == "payment.receipts_allocated.v1":
            receipts = [_receipt(each) for each in fields["receipts"]]
            spent = sum(self._waiting.pop(receipt, 0) for receipt in receipts)
            return "" if spent == debited == fields["money"]["amount"] else f"{spent} waited"
        if topic == "receipt.return_requested.v1":
            amount, receipt = fields["returned"]["amount"], _receipt(fields)
            self._returns[stream, fields["refund_id"]] = (receipt, amount)
            waited = self._waiting.pop(receipt, 0)
            return "" if waited == debited == amount else f"{waited} waited"
        if topic.startswith("refund.") and (stream, fields["refund_id"]) in self._returns:
            return self._of_a_return(*self._returns[stream, fields["refund_id"]], debited)
        return "" if debited == 0 else "suspense moves"

    def _of_a_return(self, receipt: Receipt, amount: int, debited: int) -> str:
        """A return that failed parks its money again; one that succeeds after all takes it."""
        if debited < 0:
            wrong = receipt in self._waiting or debited != -amount
            self._waiting[receipt] = amount
        else:
            wrong = debited > 0 and self._waiting.pop(receipt, 0) != debited
        return "it waited already, or not" if wrong else ""


def _receipt(fields: Fields) -> Receipt:
    return fields["provider"], fields["provider_transaction"]
