"""Daraja, as its documentation has it: an app's token, prompts, payouts, reversals, status queries.

Prompts end by the phone's last digits (`Behaviour`). Payouts end by them too: 001 and 002 fail for
want of float and of a receiver, 003 is paid without a result, 005 stays in its queue. What is asked
by Transaction Status is answered a moment later, at the address that the request names. Money at a
till is confirmed where the register call said.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import httpx
from starlette.responses import JSONResponse
from starlette.routing import Route

from api.providers.daraja import Daraja
from api.providers.daraja_configuration import DarajaConfiguration
from api.providers.daraja_reports import EAST_AFRICA, account_reference
from tests.api.providers.fake import HANG_SECONDS, Behaviour, Charge, FakeProvider, Sent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

SHORT_CODE: Final = "174379"
PAYOUT_SHORT_CODE: Final = "600997"
APPS: Final = {"collections": "their secret", "payouts": "another secret"}
PASSKEY: Final = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"
INITIATORS: Final = {
    SHORT_CODE: ("collector", "encrypted-collector"),
    PAYOUT_SHORT_CODE: ("payer", "encrypted-payer"),
}
ACCEPTED: Final = "Accept the service request successfully."
PUSH_FIELDS: Final = (
    *("BusinessShortCode", "Password", "Timestamp", "TransactionType", "Amount", "PartyA"),
    *("PartyB", "PhoneNumber", "CallBackURL", "AccountReference", "TransactionDesc"),
)
RESULT_FIELDS: Final = (
    "SecurityCredential",
    "CommandID",
    "Remarks",
    "QueueTimeOutURL",
    "ResultURL",
)
PAYOUT_FIELDS: Final = (
    *("OriginatorConversationID", "InitiatorName", "Amount", "PartyA", "PartyB"),
    *RESULT_FIELDS,
)
REVERSAL_FIELDS: Final = (
    *("Initiator", "TransactionID", "Amount", "ReceiverParty", "RecieverIdentifierType"),
    *RESULT_FIELDS,
)
STATUS_FIELDS: Final = ("Initiator", "PartyA", "IdentifierType", *RESULT_FIELDS)
PROMPT_ENDS: Final = {"declined": (1032, "Request cancelled by user"), "lies": (1, "The balance")}
PAID: Final[tuple[int | str, str | None]] = (0, "Completed")
PAYOUT_ENDS: Final[dict[str, tuple[int | str, str | None]]] = {
    "001": (1, "Failed"),
    "002": ("SFC_IC0003", None),
}


@dataclass
class Transfer:
    """A payout, a reversal or money at a till, as M-Pesa knows it."""

    receipt: str
    conversation: str
    amount: int
    debit: str
    credit: str
    status: str | None = "Completed"
    finished_at: datetime = field(default_factory=lambda: datetime.now(EAST_AFRICA))


class FakeDaraja(FakeProvider):
    """The server; `token_seconds` is how long it says that a token lives, and how long it does."""

    name = "daraja"
    currency = "KES"
    calls_back_unsigned = True
    tells_amounts = False
    token_seconds: ClassVar[float] = 3599

    def __init__(self) -> None:
        self.token_refusal = 401
        self.tokens: dict[str, float] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.registered: dict[str, str] = {}
        self.transfers: dict[str, Transfer] = {}
        """By receipt, and by conversation."""
        self.next_errors: list[tuple[int, dict[str, Any]]] = []
        """Answered instead, in this order; the queries before all else."""
        self.quiet = False
        """Whether results are kept to itself."""
        self._numbers = count(1)
        super().__init__()

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/v1/generate", self._token, methods=["GET"]),
            Route("/mpesa/stkpush/v1/processrequest", self._push, methods=["POST"]),
            Route("/mpesa/stkpushquery/v1/query", self._query, methods=["POST"]),
            Route("/mpesa/b2c/v3/paymentrequest", self._pay_out, methods=["POST"]),
            Route("/mpesa/transactionstatus/v1/query", self._status, methods=["POST"]),
            Route("/mpesa/reversal/v1/request", self._reverse, methods=["POST"]),
            Route("/mpesa/c2b/v2/registerurl", self._register, methods=["POST"]),
        ]

    def settings(self) -> dict[str, str]:
        return {f"DARAJA_{name.upper()}": value for name, value in self.configured_by().items()}

    def configured_by(self) -> dict[str, str]:
        """The fields of its configuration."""
        collections, payouts = APPS
        return {
            "url": self.url,
            "consumer_key": collections,
            "consumer_secret": APPS[collections],
            "short_code": SHORT_CODE,
            "passkey": PASSKEY,
            "callback_secret": "a secret of the tests, and long enough",
            "addresses": "127.0.0.0/8",
            "first_query_seconds": "1",
            "initiator": INITIATORS[SHORT_CODE][0],
            "security_credential": INITIATORS[SHORT_CODE][1],
            "payout_short_code": PAYOUT_SHORT_CODE,
            "payout_initiator": INITIATORS[PAYOUT_SHORT_CODE][0],
            "payout_security_credential": INITIATORS[PAYOUT_SHORT_CODE][1],
            "payout_consumer_key": payouts,
            "payout_consumer_secret": APPS[payouts],
        }

    def adapter(self) -> Daraja:
        return Daraja(
            DarajaConfiguration(**self.configured_by()),  # type: ignore[arg-type] # from text
            callbacks_begin_with=self.callbacks_begin_with or "http://127.0.0.1:9/webhooks",
            timeout_seconds=2.0,
        )

    def reference_of(self, payment_id: str | UUID) -> str:
        return account_reference(UUID(str(payment_id)))

    def callback(self, charge: Charge, state: str) -> Sent:
        code, description = 0, "The service request is processed successfully."
        if state == "failed":
            code, description = PROMPT_ENDS["declined"]
        elif state == "pending":
            code, description = 4999, "The transaction is still under processing"
        told: dict[str, Any] = {
            "MerchantRequestID": charge.details["merchant"],
            "CheckoutRequestID": charge.provider_reference,
            "ResultCode": code,
            "ResultDesc": description,
        }
        if not code:
            amount = charge.amount if charge.paid is None else charge.paid
            told["CallbackMetadata"] = {"Item": self._items(charge, amount)}
        address = httpx.URL(str(charge.callback_url)).path
        return Sent(
            "POST",
            "/" + address.rpartition("/")[2],
            {"content-type": "application/json"},
            json.dumps({"Body": {"stkCallback": told}}).encode(),
        )

    def _items(self, charge: Charge, amount: int) -> list[dict[str, Any]]:
        return [
            {"Name": "Amount", "Value": float(amount)},
            {"Name": "MpesaReceiptNumber", "Value": self.receipt_of(charge)},
            {"Name": "Balance"},
            {"Name": "TransactionDate", "Value": int(_moment())},
            {"Name": "PhoneNumber", "Value": int(charge.details["phone"])},
        ]

    def receipt_of(self, charge: Charge) -> str:
        """What the payer's message calls it."""
        return charge.transaction[:10]

    def half(self, amount: Any) -> Any:  # noqa: ANN401 - the fakes'
        return int(amount) // 2

    # The API.

    async def _token(self, request: Request) -> JSONResponse:
        self.calls.append(("GET", request.url.path))
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        key, _, secret = b64decode(credentials).decode().partition(":")
        if request.query_params.get("grant_type") != "client_credentials":
            return self._error(400, "400.008.02", "Invalid grant type passed")
        if scheme != "Basic" or APPS.get(key) != secret:
            return self._error(400, "400.008.01", "Invalid Authentication passed")
        token = secrets.token_urlsafe(21)
        self.tokens[token] = time.monotonic() + self.token_seconds
        seconds = str(int(self.token_seconds))
        return JSONResponse({"access_token": token, "expires_in": seconds})

    async def _asked(
        self, request: Request, needed: Iterable[str]
    ) -> dict[str, Any] | JSONResponse:
        """The request's body, or why it is refused."""
        self.calls.append(("POST", request.url.path))
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or self.tokens.get(token, 0) < time.monotonic():
            return self._error(self.token_refusal, "404.001.03", "Invalid Access Token")
        if self.next_errors:
            status, document = self.next_errors.pop(0)
            return JSONResponse(document, status_code=status)
        body: dict[str, Any] = json.loads(await request.body())
        self.requests.append((request.url.path, body))
        missing = [name for name in needed if not body.get(name)]
        if missing:
            return self._error(400, "400.002.02", f"Bad Request - Invalid {missing[0]}")
        for name, value in body.items():
            if name.lower().endswith("url") and "pesa" in str(value).lower():
                return self._error(400, "400.002.02", f"Bad Request - Invalid {name}")
        return body

    def _error(self, status: int, code: str, message: str) -> JSONResponse:
        document = {"requestId": self._number("{}-1"), "errorCode": code, "errorMessage": message}
        return JSONResponse(document, status_code=status)

    def _number(self, form: str) -> str:
        return form.format(f"{next(self._numbers):08d}")

    def _is_signed(self, body: dict[str, Any]) -> bool:
        expected = f"{SHORT_CODE}{PASSKEY}{body.get('Timestamp')}"
        return str(body["Password"]) == b64encode(expected.encode()).decode()

    async def _push(self, request: Request) -> JSONResponse:
        body = await self._asked(request, PUSH_FIELDS)
        if isinstance(body, JSONResponse):
            return body
        if not self._is_signed(body):
            return self._error(500, "500.001.1001", "Wrong credentials")
        if not isinstance(body["Amount"], int) or not 1 <= body["Amount"] <= 250_000:
            return self._error(400, "400.002.02", "Bad Request - Invalid Amount")
        if len(body["AccountReference"]) > 12 or len(body["TransactionDesc"]) > 13:
            return self._error(400, "400.002.02", "Bad Request - Invalid AccountReference")
        behaviour = Behaviour(body["PhoneNumber"][-3:])
        if behaviour is Behaviour.REFUSED:
            return self._error(400, "400.002.02", "Bad Request - Invalid PhoneNumber")
        charge = self._prompt(body, behaviour)
        if behaviour is Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return JSONResponse(
            {
                "MerchantRequestID": charge.details["merchant"],
                "CheckoutRequestID": charge.provider_reference,
                "ResponseCode": "0",
                "ResponseDescription": "Success. Request accepted for processing",
                "CustomerMessage": "Success. Request accepted for processing",
            }
        )

    def _prompt(self, body: dict[str, Any], behaviour: Behaviour) -> Charge:
        return self.take(
            Charge(
                reference=body["AccountReference"],
                provider_reference=f"ws_CO_{_moment()}{self._number('{}')}",
                behaviour=behaviour,
                amount=body["Amount"],
                currency=self.currency,
                callback_url=body["CallBackURL"],
                details={"merchant": self._number("{}-1"), "phone": body["PhoneNumber"]},
            )
        )

    async def _query(self, request: Request) -> JSONResponse:
        body = await self._asked(request, ("BusinessShortCode", "Password", "CheckoutRequestID"))
        if isinstance(body, JSONResponse):
            return body
        named = body["CheckoutRequestID"]
        charges = [each for each in self.charges.values() if each.provider_reference == named]
        if not self._is_signed(body) or not charges:
            return self._error(500, "500.001.1001", "Wrong credentials")
        if charges[0].state == "pending":
            return self._error(500, "500.001.1001", "The transaction is being processed")
        code, description = 0, "The service request is processed successfully."
        if charges[0].state == "failed":
            lies = charges[0].behaviour is Behaviour.LIES
            code, description = PROMPT_ENDS["lies" if lies else "declined"]
        return JSONResponse(
            {
                "ResponseCode": "0",
                "ResponseDescription": "The service request has been accepted successsfully",
                "MerchantRequestID": charges[0].details["merchant"],
                "CheckoutRequestID": named,
                "ResultCode": str(code),
                "ResultDesc": description,
            }
        )

    def _is_initiator(self, short_code: object, name: object, credential: object) -> bool:
        return INITIATORS.get(str(short_code)) == (name, credential)

    async def _pay_out(self, request: Request) -> JSONResponse:
        body = await self._asked(request, PAYOUT_FIELDS)
        if isinstance(body, JSONResponse):
            return body
        conversation = body["OriginatorConversationID"]
        if conversation in self.transfers:
            return self._error(500, "500.002.1001", "Duplicate OriginatorConversationID.")
        code, status = PAYOUT_ENDS.get(body["PartyB"][-3:], PAID)
        if not self._is_initiator(
            body["PartyA"], body["InitiatorName"], body["SecurityCredential"]
        ):
            code, status = 2001, None
        transfer = self._transfer(
            Transfer(
                receipt=self._receipt(),
                conversation=conversation,
                amount=int(body["Amount"]),
                debit=f"{PAYOUT_SHORT_CODE} - Payouts",
                credit=f"{body['PartyB']} - John Doe",
                status=status,
            )
        )
        told = _result(code, transfer, _payout_parameters(transfer))
        if body["PartyB"][-3:] == Behaviour.LATE:
            transfer.status = "Pending"
            self._tell(body["QueueTimeOutURL"], _result(1, transfer, []))
        elif body["PartyB"][-3:] != Behaviour.SILENT:
            self._tell(body["ResultURL"], told)
        if body["PartyB"][-3:] == Behaviour.UNANSWERED:
            await asyncio.sleep(HANG_SECONDS)
        return self._taken(conversation)

    async def _reverse(self, request: Request) -> JSONResponse:
        body = await self._asked(request, REVERSAL_FIELDS)
        if isinstance(body, JSONResponse):
            return body
        if body["RecieverIdentifierType"] != "11":
            return self._error(400, "400.002.02", "Bad Request - Invalid RecieverIdentifierType")
        conversation, code = self._number("{}-rev"), self._reversal_code(body)
        transfer = self._transfer(
            Transfer(
                receipt=self._receipt(),
                conversation=conversation,
                amount=int(body["Amount"]),
                debit=f"{SHORT_CODE} - Collections",
                credit="254708374149 - John Doe",
                status="Completed" if code == 0 else None,
            )
        )
        parameters = [
            {"Key": "Amount", "Value": body["Amount"]},
            {"Key": "OriginalTransactionID", "Value": body["TransactionID"]},
            {"Key": "CreditPartyPublicName", "Value": transfer.credit},
        ]
        self._tell(body["ResultURL"], _result(code, transfer, parameters))
        return self._taken(conversation)

    def _reversal_code(self, body: dict[str, Any]) -> int | str:
        if not self._is_initiator(
            body["ReceiverParty"], body["Initiator"], body["SecurityCredential"]
        ):
            return 2001
        receipts = {self.receipt_of(charge) for charge in self.charges.values()}
        return 0 if body["TransactionID"] in receipts | set(self.transfers) else "R000002"

    async def _status(self, request: Request) -> JSONResponse:
        body = await self._asked(request, STATUS_FIELDS)
        if isinstance(body, JSONResponse):
            return body
        named = body.get("TransactionID") or body.get("OriginalConversationID")
        if named is None:
            return self._error(400, "400.002.02", "Bad Request - Invalid TransactionID")
        found = self.transfers.get(named)
        asked = Transfer(self._receipt(), self._number("{}-ask"), 0, "", "")
        if not self._is_initiator(body["PartyA"], body["Initiator"], body["SecurityCredential"]):
            told = _result(2001, asked, [])
        elif found is None or found.status is None:
            told = _result(2032, asked, [])
        else:
            told = _result(0, asked, _status_parameters(found))
        self._tell(body["ResultURL"], told)
        return self._taken(asked.conversation)

    async def _register(self, request: Request) -> JSONResponse:
        body = await self._asked(
            request, ("ShortCode", "ResponseType", "ConfirmationURL", "ValidationURL")
        )
        if isinstance(body, JSONResponse):
            return body
        self.registered = {name: str(value) for name, value in body.items()}
        # The documentation's spelling.
        taken = {"OriginatorCoversationID": self._number("{}-1"), "ResponseCode": "0"}
        return JSONResponse({**taken, "ResponseDescription": "Success"})

    def pay_at_till(self, amount: str, typed: str) -> str:
        """Somebody pays by hand; the receipt."""
        transfer = self._transfer(
            Transfer(
                receipt=self._receipt(),
                conversation=self._number("{}-c2b"),
                amount=int(amount.partition(".")[0]),
                debit="254708374149 - John Doe",
                credit=f"{SHORT_CODE} - Collections",
            )
        )
        self._tell(
            self.registered["ConfirmationURL"],
            confirmation(transfer.receipt, amount, typed),
        )
        return transfer.receipt

    def _receipt(self) -> str:
        return self._number("SI{}")

    def _transfer(self, transfer: Transfer) -> Transfer:
        self.transfers[transfer.receipt] = self.transfers[transfer.conversation] = transfer
        return transfer

    def _taken(self, conversation: str) -> JSONResponse:
        return JSONResponse(
            {
                "ConversationID": self._number("AG_20191219_{}"),
                "OriginatorConversationID": conversation,
                "ResponseCode": "0",
                "ResponseDescription": ACCEPTED,
            }
        )

    def _tell(self, url: str, document: dict[str, Any]) -> None:
        """Call back, a moment later."""
        token = "/" + httpx.URL(url).path.rpartition("/")[2]
        headers = {"content-type": "application/json"}
        told = Sent("POST", token, headers, json.dumps(document).encode())
        if self.quiet:
            self.sent.append(told)
            return
        timer = threading.Timer(self.delay_seconds, self.send, args=(told,))
        timer.daemon = True
        timer.start()


def confirmation(receipt: str, amount: str, typed: str) -> dict[str, Any]:
    """What is posted of money at a till."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": receipt,
        "TransTime": _moment(),
        "TransAmount": amount,
        "BusinessShortCode": SHORT_CODE,
        "BillRefNumber": typed,
        "InvoiceNumber": "",
        "OrgAccountBalance": "49197.00",
        "ThirdPartyTransID": "",
        "MSISDN": "2547 ***** 149",
        "FirstName": "John",
        "MiddleName": "",
        "LastName": "",
    }


def _result(
    code: int | str, transfer: Transfer, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": "The service request is processed successfully.",
        "OriginatorConversationID": transfer.conversation,
        "ConversationID": f"AG_20191219_{secrets.token_hex(10)}",
        "TransactionID": transfer.receipt,
    }
    if code == 0:
        told["ResultParameters"] = {"ResultParameter": parameters}
    reference = {"Key": "QueueTimeoutURL", "Value": "https://internalapi.example/v1/submit"}
    told["ReferenceData"] = {"ReferenceItem": reference}
    return {"Result": told}


def _payout_parameters(transfer: Transfer) -> list[dict[str, Any]]:
    return [
        {"Key": "TransactionAmount", "Value": transfer.amount},
        {"Key": "TransactionReceipt", "Value": transfer.receipt},
        {"Key": "ReceiverPartyPublicName", "Value": transfer.credit},
        {"Key": "TransactionCompletedDateTime", "Value": "19.12.2019 11:45:50"},
        {"Key": "B2CUtilityAccountAvailableFunds", "Value": 10116.0},
        {"Key": "B2CWorkingAccountAvailableFunds", "Value": 900000.0},
        {"Key": "B2CRecipientIsRegisteredCustomer", "Value": "Y"},
        {"Key": "B2CChargesPaidAccountAvailableFunds", "Value": 0.0},
    ]


def _status_parameters(transfer: Transfer) -> list[dict[str, Any]]:
    finished = transfer.finished_at.strftime("%Y%m%d%H%M%S")
    return [
        {"Key": "DebitPartyName", "Value": transfer.debit},
        {"Key": "CreditPartyName", "Value": transfer.credit},
        {"Key": "OriginatorConversationID", "Value": transfer.conversation},
        {"Key": "InitiatedTime", "Value": int(finished)},
        {"Key": "DebitAccountType", "Value": "Utility Account"},
        {"Key": "DebitPartyCharges", "Value": "Fee For B2C Payment|KES|22.40"},
        {"Key": "TransactionReason"},
        {"Key": "ReasonType", "Value": "Business Payment to Customer via API"},
        {"Key": "TransactionStatus", "Value": transfer.status},
        {"Key": "FinalisedTime", "Value": int(finished)},
        {"Key": "Amount", "Value": float(transfer.amount)},
        {"Key": "ConversationID", "Value": f"AG_20191219_{secrets.token_hex(10)}"},
        {"Key": "ReceiptNo", "Value": transfer.receipt},
    ]


def _moment() -> str:
    return datetime.now(EAST_AFRICA).strftime("%Y%m%d%H%M%S")
