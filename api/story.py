"""The demo story, played over HTTP against the running server: what a newcomer sees first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from api.auth import Role
from api.replay_command import replay_and_report
from api.storyteller import Cast, StoryFailedError, Teller
from api.subscription_story import Messages, SubscriptionStory
from ledger.vault import mask_phone

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from rich.console import Console

    from api.settings import Settings
    from api.subscription_story import FastClock

SUCCESS_PHONE: Final = "+254700000000"
NO_FUNDS_PHONE: Final = "+254700000001"
FIVE_TIMES_PHONE: Final = "+254700000004"
DISPUTE_WON_PHONE: Final = "+254700000027"
PAYOUT_PHONE: Final = "+254700000100"

OPEN: Final = {"initiated", "submitting", "submitted", "submission_unknown"}


class Story:
    """A fan pays a creator by mobile money, and everyone can see it."""

    def __init__(
        self,
        settings: Settings,
        base_url: str,
        console: Console,
        stopped: threading.Event,
        *,
        log_directory: Path,
        fast_clock: FastClock,
    ) -> None:
        self._settings = settings
        self._cast = Cast(settings)
        self._creator = self._cast.ids["creator"]
        self._tell = Teller(self._cast, base_url, console, stopped)
        self._subscription = SubscriptionStory(
            self._tell, self._creator, Messages(log_directory), fast_clock
        )

    def play(self) -> None:
        """Play every step. Raises `StoryFailedError` when one does not come out."""
        self._a_fan_pays()
        self._a_refund_and_a_dispute()
        self._a_payout()
        self._subscription.play(with_money=SUCCESS_PHONE, without_money=NO_FUNDS_PHONE)
        self._an_auditor_looks()
        self._tell.close()
        self._tell.say("19. The auditor trusts nobody: hesabu replay --verify")
        if replay_and_report(self._settings) != 0:
            raise StoryFailedError("the books are not what the events say")

    def _a_fan_pays(self) -> None:
        tell = self._tell
        tell.say("1. An admin registers a creator who is paid in KES; the platform keeps 10 %.")
        tell.call(
            Role.ADMIN, "POST", "/admin/creators", key="story-register-creator",
            body={
                "id": str(self._creator), "settlement_currency": "KES",
                "plan": {"fee_basis_points": 1000, "vat_basis_points": 1600},
            },
        )  # fmt: skip
        self._confirm_phones()
        tell.say("2. A fan pays KES 1,250.00. A prompt goes to the phone; the operator confirms.")
        self._paid = self._pay(SUCCESS_PHONE, 125_000, expected="succeeded")
        tell.say("3. The creator sees the money: gross less fee and VAT, in the settlement delay.")
        tell.call(Role.CREATOR, "GET", f"/creators/{self._creator}/balance")
        tell.say("4. The operator sends the same confirmation five times. It pays once.")
        self._pay(FIVE_TIMES_PHONE, 50_000, expected="succeeded")
        tell.say("5. Another fan's phone has too little money. Nothing moves.")
        self._pay(NO_FUNDS_PHONE, 99_000, expected="failed")

    def _confirm_phones(self) -> None:
        """No phone is prompted before its owner has confirmed it; once is enough."""
        self._tell.say("   A fan confirms the phones that they will pay from, by a code.")
        confirmed = self._tell.look(Role.FAN, "/me")["phones"]
        for phone in (SUCCESS_PHONE, NO_FUNDS_PHONE, FIVE_TIMES_PHONE, DISPUTE_WON_PHONE):
            if mask_phone(phone) not in confirmed:
                self._subscription.confirm(phone)

    def _a_refund_and_a_dispute(self) -> None:
        tell, path = self._tell, f"/payments/{self._paid}"
        tell.say("6. The creator refunds KES 200.00. Everybody gives their part of it back.")
        tell.call(
            Role.CREATOR, "POST", f"{path}/refunds", key=str(uuid4()),
            body={
                "money": {"amount": 20_000, "currency": "KES"},
                "reason": "one of the two tickets was returned",
            },
        )  # fmt: skip
        tell.wait_until(
            "the refund succeeds",
            lambda: tell.look(Role.FAN, path)["refunds"][0]["state"] == "succeeded",
        )
        tell.say("7. A fan disputes a payment of KES 800.00: it is held, and then it is won.")
        disputed = f"/payments/{self._pay(DISPUTE_WON_PHONE, 80_000, expected='succeeded')}"
        tell.wait_until(
            "the dispute is closed",
            lambda: [d["state"] for d in tell.look(Role.FAN, disputed)["disputes"]] == ["closed"],
        )
        tell.call(Role.CREATOR, "GET", disputed)

    def _a_payout(self) -> None:
        tell, path = self._tell, f"/creators/{self._creator}"
        tell.say("8. Money that has been pending long enough is available (here: three seconds).")
        tell.wait_until(
            "what was paid is released",
            lambda: bool(tell.look(Role.FAN, f"/payments/{self._paid}")["released"]),
        )
        tell.call(Role.CREATOR, "GET", f"{path}/balance")
        tell.say("9. The creator says where to be paid; an admin has verified who they are.")
        tell.call(
            Role.ADMIN, "PUT", f"/admin{path}/verification", key="story-verification",
            body={"verification": "verified", "reason": "the identity card was seen"},
        )  # fmt: skip
        destination = tell.call(
            Role.CREATOR, "POST", f"{path}/destinations", key="story-destination",
            body={"phone": PAYOUT_PHONE},
        )["data"]["id"]  # fmt: skip
        tell.call(
            Role.ADMIN, "POST", f"{path}/destinations/{destination}/verify",
            key="story-destination-verified",
        )  # fmt: skip
        tell.say("10. The float for payouts is filled from what the operator has collected.")
        tell.call(
            Role.ADMIN, "POST", "/admin/books/wallet-fundings", key=str(uuid4()),
            body={
                "provider": "sandbox", "funded_from": "collection", "reference": str(uuid4()),
                "money": {"amount": 60_000, "currency": "KES"},
            },
        )  # fmt: skip
        tell.say("11. They ask for KES 500.00. An admin approves; the operator pays it out.")
        payout = tell.call(
            Role.CREATOR, "POST", f"{path}/payouts", key=str(uuid4()),
            body={
                "destination_id": destination, "money": {"amount": 50_000, "currency": "KES"},
            },
        )["data"]["id"]  # fmt: skip
        tell.call(Role.ADMIN, "POST", f"/admin/payouts/{payout}/approve", key=str(uuid4()))
        tell.wait_until(
            "the payout is paid",
            lambda: tell.look(Role.CREATOR, f"{path}/payouts/{payout}")["state"] == "paid",
        )
        tell.call(Role.CREATOR, "GET", f"{path}/payouts/{payout}")
        tell.call(Role.CREATOR, "GET", f"{path}/balance")

    def _an_auditor_looks(self) -> None:
        tell = self._tell
        tell.say("18. Assets cover what is owed; every line has its running balance and its event.")
        tell.call(Role.ADMIN, "GET", "/admin/coverage")
        tell.call(Role.CREATOR, "GET", f"/creators/{self._creator}/transactions?limit=3")
        tell.call(Role.AUDITOR, "GET", "/audit/events?limit=1&topic=payment.succeeded.v2")
        tell.call(Role.AUDITOR, "GET", "/audit/trial-balance")

    def _pay(self, phone: str, amount: int, *, expected: str) -> str:
        """Pay, wait for the end, and show it; the payment's id."""
        tell = self._tell
        payment = str(
            tell.call(
                Role.FAN, "POST", "/payments", key=str(uuid4()),
                body={
                    "creator_id": str(self._creator),
                    "money": {"amount": amount, "currency": "KES"},
                    "phone": phone,
                },
            )["data"]["id"]
        )  # fmt: skip
        path = f"/payments/{payment}"
        tell.wait_until("the payment ends", lambda: tell.look(Role.FAN, path)["state"] not in OPEN)
        state = tell.call(Role.FAN, "GET", path)["data"]["state"]
        if state not in {expected, *OPEN}:
            message = f"payment {payment} is {state}, not {expected}"
            raise StoryFailedError(message)
        return payment


def where_to_look(settings: Settings, base_url: str, console: Console) -> None:
    """Print addresses, a token for each role, and what to try."""
    cast = Cast(settings)
    console.print(f"[green]Hesabu serves on {base_url}[/green]")
    console.print(f"   API documentation   {base_url}/docs")
    console.print(f"   Data and logs       {settings.data_directory}")
    console.print("\nTokens (12 hours; 'hesabu token --help' makes more):")
    for role, issued in cast.tokens.items():
        console.print(f"   export {role.value.upper()}={issued}", soft_wrap=True)
    console.print(f"   export CREATOR_ID={cast.ids['creator']}")
    console.print(
        f"""
Try (the last three digits of the phone choose what the operator does; +2547000000NN):
   curl -s {base_url}/api/v1/creators/$CREATOR_ID/balance -H "Authorization: Bearer $CREATOR"
   curl -s {base_url}/api/v1/payments -H "Authorization: Bearer $FAN" \\
        -H "Idempotency-Key: $(date +%s)" -H "Content-Type: application/json" \\
        -d '{{"creator_id": "'$CREATOR_ID'", "money": {{"amount": 70000, "currency": "KES"}}, \
"phone": "+254700000007"}}'
   curl -s {base_url}/api/v1/audit/events -H "Authorization: Bearer $AUDITOR"
   .venv/bin/hesabu replay --verify

Ctrl-C stops everything.""",
        markup=False,
        soft_wrap=True,
    )
