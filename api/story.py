"""The demo story, played over HTTP against the running server: what a newcomer sees first."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

import httpx
from rich.markup import escape

from api.auth import Role
from api.replay_command import replay_and_report
from api.tokens import issue_token

if TYPE_CHECKING:
    import threading

    from rich.console import Console

    from api.settings import Settings

WAIT_SECONDS_MAX: Final = 30.0
OPEN: Final = {"initiated", "submitting", "submitted", "submission_unknown"}
SUCCESS_PHONE: Final = "+254700000000"
NO_FUNDS_PHONE: Final = "+254700000001"
FIVE_TIMES_PHONE: Final = "+254700000004"


class StoryFailedError(RuntimeError):
    """A step of the story did not come out as it should."""


class Cast:
    """Who plays: ids that are made at the first run and kept, so that a second run goes on."""

    def __init__(self, settings: Settings) -> None:
        path = settings.data_directory / "keys" / "story.json"
        if not path.exists():
            names = ("creator", "fan", "admin", "auditor")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({name: str(uuid4()) for name in names}))
        self.ids = {name: UUID(value) for name, value in json.loads(path.read_text()).items()}
        self.tokens = {
            role: issue_token(settings, role=role, subject=self.ids[role.value])
            for role in (Role.FAN, Role.CREATOR, Role.ADMIN, Role.AUDITOR)
        }


class Story:
    """A fan pays a creator by mobile money, and everyone can see it."""

    def __init__(
        self, settings: Settings, base_url: str, console: Console, stopped: threading.Event
    ) -> None:
        self._settings = settings
        self._cast = Cast(settings)
        self._console = console
        self._stopped = stopped
        self._client = httpx.Client(base_url=f"{base_url}/api/v1", timeout=30)

    def play(self) -> None:
        """Play every step. Raises `StoryFailedError` when one does not come out."""
        creator = self._cast.ids["creator"]
        self._say("1. An admin registers a creator who is paid in KES; the platform keeps 10 %.")
        self._call(
            Role.ADMIN, "POST", "/admin/creators", key="story-register-creator",
            body={
                "id": str(creator), "settlement_currency": "KES",
                "plan": {"fee_basis_points": 1000, "vat_basis_points": 1600},
            },
        )  # fmt: skip
        self._say("2. A fan pays KES 1,250.00. A prompt goes to the phone; the operator confirms.")
        self._pay(SUCCESS_PHONE, 125_000, expected="succeeded")
        self._say("3. The creator sees the money: gross less fee and VAT, in the settlement delay.")
        self._call(Role.CREATOR, "GET", f"/creators/{creator}/balance")
        self._say("4. The operator sends the same confirmation five times. It pays once.")
        self._pay(FIVE_TIMES_PHONE, 50_000, expected="succeeded")
        self._say("5. Another fan's phone has too little money. Nothing moves.")
        self._pay(NO_FUNDS_PHONE, 99_000, expected="failed")
        self._say("6. Every line of the creator's account, newest first, with its running balance.")
        self._call(Role.CREATOR, "GET", f"/creators/{creator}/transactions?limit=3")
        self._say("7. An auditor reads the log, and the trial balance: debits are credits.")
        self._call(Role.AUDITOR, "GET", "/audit/events?limit=1&topic=payment.succeeded.v2")
        self._call(Role.AUDITOR, "GET", "/audit/trial-balance")
        self._client.close()
        self._say("8. The auditor trusts nobody: hesabu replay --verify")
        if replay_and_report(self._settings) != 0:
            raise StoryFailedError("the books are not what the events say")

    def _pay(self, phone: str, amount: int, *, expected: str) -> None:
        answer = self._call(
            Role.FAN, "POST", "/payments", key=str(uuid4()),
            body={
                "creator_id": str(self._cast.ids["creator"]),
                "money": {"amount": amount, "currency": "KES"},
                "phone": phone,
            },
        )  # fmt: skip
        path = f"/payments/{answer['data']['id']}"
        give_up_at = time.monotonic() + WAIT_SECONDS_MAX
        state = "initiated"
        while state in OPEN and time.monotonic() < give_up_at and not self._stopped.is_set():
            time.sleep(0.2)
            state = self._send(Role.FAN, "GET", path).json()["data"]["state"]
        self._call(Role.FAN, "GET", path)
        if state != expected and not self._stopped.is_set():
            message = f"payment {path} is {state}, not {expected}"
            raise StoryFailedError(message)

    def _call(
        self,
        role: Role,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        self._console.print(
            f"   [bold]{method} /api/v1{escape(path)}[/bold]   ({role})", soft_wrap=True
        )
        if body is not None:
            self._console.print(f"   [dim]{escape(json.dumps(body))}[/dim]", soft_wrap=True)
        answer = self._send(role, method, path, key=key, body=body)
        shown = json.dumps(answer.json(), indent=2).replace("\n", "\n   ")
        self._console.print(f"   {answer.status_code} {escape(shown)}\n", soft_wrap=True)
        if not answer.is_success:
            message = f"{method} {path} answered {answer.status_code}"
            raise StoryFailedError(message)
        document: dict[str, Any] = answer.json()
        return document

    def _send(
        self,
        role: Role,
        method: str,
        path: str,
        *,
        key: str | None = None,
        body: dict[str, Any] | None = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._cast.tokens[role]}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._client.request(method, path, headers=headers, json=body)

    def _say(self, text: str) -> None:
        self._console.print(f"[green]{text}[/green]", soft_wrap=True)


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
