"""Daraja's HTTP API: one app's calls, with its token. What the answers mean is said elsewhere.

A start-up has an app a short code, so payouts mostly have credentials of their own. Nothing but
queries is sent twice: Daraja deduplicates payouts by our name of them, and pushes by nothing.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from api.providers.access_tokens import AccessToken
from api.providers.daraja_codes import TOKEN_ERROR, is_own
from api.providers.daraja_reports import EAST_AFRICA
from api.providers.http_calls import HttpCalls

if TYPE_CHECKING:
    from api.providers.http_calls import Answered

TOKEN_PATH: Final = "/oauth/v1/generate"  # noqa: S105 - a path
PUSH_PATH: Final = "/mpesa/stkpush/v1/processrequest"
PUSH_QUERY_PATH: Final = "/mpesa/stkpushquery/v1/query"
PAYOUT_PATH: Final = "/mpesa/b2c/v3/paymentrequest"
REVERSAL_PATH: Final = "/mpesa/reversal/v1/request"
STATUS_PATH: Final = "/mpesa/transactionstatus/v1/query"
REGISTER_PATH: Final = "/mpesa/c2b/v2/registerurl"
SHORT_CODE_TYPE: Final = "4"
REVERSED_TYPE: Final = "11"
REMARKS: Final = "Payment"


class DarajaApi:
    """An app. `initiator` acts for the short code in payouts, reversals and status queries."""

    def __init__(
        self,
        *,
        url: str,
        key: str,
        secret: str,
        short_code: str,
        initiator: str,
        security_credential: str,
        timeout_seconds: float,
    ) -> None:
        self.short_code = short_code
        self._initiator = initiator
        self._security_credential = security_credential
        self._basic = b64encode(f"{key}:{secret}".encode()).decode()
        self._url = url
        self._calls = HttpCalls(
            url=url,
            timeout_seconds=timeout_seconds,
            auth=AccessToken(self._ask_for_token, _is_token_refused),
            is_own=is_own,
        )

    def _ask_for_token(self) -> httpx.Request:
        return httpx.Request(
            "GET",
            f"{self._url}{TOKEN_PATH}",
            params={"grant_type": "client_credentials"},
            headers={"authorization": f"Basic {self._basic}"},
        )

    async def push(self, passkey: str, document: dict[str, Any]) -> Answered:
        """Show a prompt."""
        document = {**self._signed(passkey), **document}
        return await self._calls.call("POST", PUSH_PATH, document=document)

    async def ask_push(self, passkey: str, checkout: str) -> Answered:
        """What became of a prompt."""
        document = {**self._signed(passkey), "CheckoutRequestID": checkout}
        return await self._calls.call("POST", PUSH_QUERY_PATH, document=document, repeatable=True)

    async def pay_out(self, document: dict[str, Any]) -> Answered:
        """Send money to a phone."""
        document = {
            "InitiatorName": self._initiator,
            "SecurityCredential": self._security_credential,
            "CommandID": "BusinessPayment",
            "PartyA": self.short_code,
            "Remarks": REMARKS,
            "Occassion": "",  # their spelling
            **document,
        }
        return await self._calls.call("POST", PAYOUT_PATH, document=document)

    async def reverse(self, document: dict[str, Any]) -> Answered:
        """Send a payment back."""
        document = {
            **self._by_initiator("TransactionReversal"),
            "ReceiverParty": self.short_code,
            "RecieverIdentifierType": REVERSED_TYPE,  # their spelling
            **document,
        }
        return await self._calls.call("POST", REVERSAL_PATH, document=document)

    async def ask(self, document: dict[str, Any]) -> Answered:
        """Ask about a transaction. The answer comes to the address that is named in `document`."""
        document = {
            **self._by_initiator("TransactionStatusQuery"),
            "PartyA": self.short_code,
            "IdentifierType": SHORT_CODE_TYPE,
            **document,
        }
        return await self._calls.call("POST", STATUS_PATH, document=document, repeatable=True)

    async def register_tills(self, confirmation: str, validation: str) -> Answered:
        """Say where money at the till is confirmed."""
        document = {
            "ShortCode": self.short_code,
            "ResponseType": "Completed",
            "ConfirmationURL": confirmation,
            "ValidationURL": validation,
        }
        return await self._calls.call("POST", REGISTER_PATH, document=document)

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _by_initiator(self, command: str) -> dict[str, Any]:
        return {
            "Initiator": self._initiator,
            "SecurityCredential": self._security_credential,
            "CommandID": command,
            "Remarks": REMARKS,
            "Occasion": "",
        }

    def _signed(self, passkey: str) -> dict[str, Any]:
        moment = datetime.now(EAST_AFRICA).strftime("%Y%m%d%H%M%S")
        password = b64encode(f"{self.short_code}{passkey}{moment}".encode()).decode()
        return {"BusinessShortCode": self.short_code, "Password": password, "Timestamp": moment}


def _is_token_refused(response: httpx.Response) -> bool:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        return True
    if response.status_code != httpx.codes.NOT_FOUND:
        return False
    try:
        return bool(response.json()["errorCode"] == TOKEN_ERROR)
    except (ValueError, KeyError, TypeError):
        return False
