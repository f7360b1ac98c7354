"""Each provider's statement, shaped as its exports are: what every line is read as."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from api.provider_statements.lines import OwnReference, ReadRow, RowReader, own_reference
from api.provider_statements.mapping import InvalidMappingError
from api.provider_statements.reading import read_table
from api.provider_statements.registry import MAPPINGS, check_columns, mapping_of
from api.settings import Settings
from tests.api.provider_statements.files import source_of

PAYMENT = "0f6a2a54-6d0c-4c39-8f6e-5a4b7b4a9c02"
REFUND = "7d2f4a86-2f5b-4d0e-9c1e-5a6f0a3f8b11"

Line = tuple[str, str, str, int, str]
"""Kind, direction, currency, minor units, the transaction's first name."""


def read(provider: str, content: str, **columns: str) -> list[ReadRow]:
    mapping = mapping_of(provider, {provider: columns})
    assert mapping is not None
    header, rows = read_table(source_of(content.encode()), mapping)
    reader = RowReader(mapping, header)
    return [reader.read(row) for row in rows]


def lines(provider: str, content: str, **columns: str) -> list[Line]:
    found = read(provider, content, **columns)
    assert [row.unreadable for row in found if row.unreadable] == []
    return [
        (each.kind, each.direction, each.currency, each.amount, each.names[0])
        for row in found
        for each in row.lines
    ]


DARAJA = """\
Organization Name:,The Lantern Band
Time Period:,05-03-2026 - 05-03-2026

Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,\
Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No.
TK5AY9DLMG,05-03-2026 10:15:00,05-03-2026 10:14:51,Pay Bill from 2547****000,Completed,\
"1,250.00",,"11,250.00",true,Pay Bill Online,2547****000 - A B,,7GM3W2QH
TK5AY9DLMG,05-03-2026 10:15:00,05-03-2026 10:14:51,Pay Bill Charge,Completed,,-12.50,\
"11,237.50",true,Pay Bill Charge,,,
TK5AY9DLMH,05-03-2026 11:00:00,05-03-2026 11:00:00,Pay Bill from 2547****000,Failed,\
100.00,,,false,Pay Bill Online,,,
TK5AY9DLMJ,2026-03-05 12:00:00,2026-03-05 12:00:00,Reversal of TK5AY9DLMG,Completed,,250.00,\
"10,987.50",true,Pay Bill Reversal,,TK5AY9DLMG,
TK5AY9DLMK,05-03-2026 17:00:00,05-03-2026 17:00:00,Organization Settle to Bank,Completed,,\
"-4,000.00","6,987.50",true,,,,
"""


def test_an_organisations_statement_of_m_pesa() -> None:
    assert lines("daraja", DARAJA) == [
        ("payment", "in", "KES", 125_000, "TK5AY9DLMG"),
        ("fee", "fee", "KES", 1_250, "TK5AY9DLMG"),
        ("refund", "out", "KES", 25_000, "TK5AY9DLMJ"),
        ("settlement", "out", "KES", 400_000, "TK5AY9DLMK"),
    ]
    rows = read("daraja", DARAJA)
    assert rows[0].lines[0].occurred_at == datetime(2026, 3, 5, 7, 15, tzinfo=UTC)
    assert rows[0].balance == 1_125_000
    assert rows[1].lines[0].related == "TK5AY9DLMG"
    assert rows[3].lines[0].related == "TK5AY9DLMG"
    # What of a row is kept names nobody.
    assert "A B" not in str(rows)


MTN = f"""\
Id,External Transaction Id,Date,Status,Type,From,From Name,From Handler Name,To,To Name,\
To Handler Name,Amount,Currency,Fee,Currency,Balance,Currency
1947913865,{PAYMENT},2026-03-05 10:15:00,Successful,Payment,FRI:1/MM,A B,,FRI:2/MM,,,\
"5,000",UGX,50,UGX,"105,000",UGX
1947913866,,2026-03-05 10:20:00,Failed,Payment,,,,,,,700,UGX,,UGX,,UGX
1947913867,{PAYMENT},05/03/2026 11:00,Successful,Transfer,,,,,,,-2000,UGX,0,UGX,103000,UGX
1947913868,,05/03/2026 12:00:00,Successful,Reversal,,,,,,,-500,UGX,,UGX,102500,UGX
"""


def test_the_partner_portals_report_of_momo() -> None:
    assert lines("momo", MTN) == [
        ("payment", "in", "UGX", 5_000, "1947913865"),
        ("fee", "fee", "UGX", 50, "fee:1947913865"),
        ("payout", "out", "UGX", 2_000, "1947913867"),
        ("refund", "out", "UGX", 500, "1947913868"),
    ]
    own = read("momo", MTN)[0].lines[0].own
    assert own is not None
    assert own.stream == UUID(PAYMENT)


AIRTEL = f"""\
Transaction ID;Reference;Transaction Date;Transaction Type;Status;Amount;Service Charge;Currency
MP210603.1234.L06941;{PAYMENT};05-03-2026 10:15:00;Merchant Payment;TS;1,250;12;ZMW
MP210603.1235.L06942;{PAYMENT}:1;05/03/2026 10:15;Disbursement;Transaction Success;300.50;;ZMW
MP210603.1236.L06943;{PAYMENT}:2;05/03/2026 10:16;Disbursement;TF;300.50;;ZMW
"""


def test_the_merchant_portals_report_of_airtel_money() -> None:
    assert lines("airtel", AIRTEL) == [
        ("payment", "in", "ZMW", 125_000, "MP210603.1234.L06941"),
        ("fee", "fee", "ZMW", 1_200, "fee:MP210603.1234.L06941"),
        ("payout", "out", "ZMW", 30_050, "MP210603.1235.L06942"),
        ("payout_failed", "none", "ZMW", 30_050, "MP210603.1236.L06943"),
    ]


FLUTTERWAVE = f"""\
id,tx_ref,flw_ref,amount,charged_amount,app_fee,merchant_fee,currency,status,payment_type,\
customer.email,created_at
984411,{PAYMENT},FLW-1,10000,10140,190,0,NGN,successful,card,a@example.com,\
2026-03-05T09:15:00.000Z
984412,other,FLW-2,500,500,7,0,NGN,failed,card,a@example.com,2026-03-05T09:15:00.000Z
"""


def test_the_transactions_that_flutterwave_exports() -> None:
    assert lines("flutterwave", FLUTTERWAVE) == [
        ("payment", "in", "NGN", 1_000_000, "984411"),
        ("fee", "fee", "NGN", 19_000, "fee:984411"),
    ]
    assert "example.com" not in str(read("flutterwave", FLUTTERWAVE))


PAYSTACK = f"""\
Reference,Amount,Currency,Fees,Status,Channel,Customer (Email),Transaction Date
{PAYMENT},"2,500.00",NGN,137.50,success,card,a@example.com,2026-03-05 10:15:00
abandoned-1,700.00,NGN,0.00,abandoned,card,a@example.com,2026-03-05 10:16:00
"""


def test_the_transactions_that_paystack_exports_in_major_units_and_in_subunits() -> None:
    expected = [
        ("payment", "in", "NGN", 250_000, PAYMENT),
        ("fee", "fee", "NGN", 13_750, f"fee:{PAYMENT}"),
    ]
    assert lines("paystack", PAYSTACK) == expected
    subunits = PAYSTACK.replace('"2,500.00"', "250000").replace("137.50", "13750")
    assert lines("paystack", subunits.replace("0.00,abandoned", "0,abandoned"), units="minor") == (
        expected
    )


STRIPE = f"""\
balance_transaction_id,created_utc,available_on_utc,currency,gross,fee,net,reporting_category,\
source_id,description,charge_id,payment_intent_id,payment_metadata[payment_id]
txn_1,2026-03-05 07:15:00,2026-03-07 00:00:00,usd,100.00,3.20,96.80,charge,ch_1,"Tip, ""x"" y",\
ch_1,\
pi_1,{PAYMENT}
txn_2,2026-03-05 08:15:00,2026-03-07 00:00:00,usd,-25.00,0.00,-25.00,refund,re_1,,ch_1,pi_1,
txn_3,2026-03-05 09:15:00,2026-03-07 00:00:00,usd,-75.00,15.00,-90.00,dispute,dp_1,,ch_1,pi_1,
txn_4,2026-03-05 10:15:00,2026-03-07 00:00:00,usd,75.00,0.00,75.00,dispute_reversal,dp_1,,ch_1,\
pi_1,
txn_5,2026-03-05 11:15:00,2026-03-07 00:00:00,usd,-50.00,0.00,-50.00,payout,po_1,,,,
txn_6,2026-03-05 12:15:00,2026-03-07 00:00:00,ugx,500.00,0.00,500.00,charge,ch_2,,ch_2,pi_2,
"""


def test_the_itemised_balance_report_of_stripe() -> None:
    assert lines("stripe", STRIPE) == [
        ("payment", "in", "USD", 10_000, "pi_1"),
        ("fee", "fee", "USD", 320, "fee:pi_1"),
        ("refund", "out", "USD", 2_500, "re_1"),
        ("dispute", "out", "USD", 7_500, "dp_1"),
        ("dispute_fee", "fee", "USD", 1_500, "fee:pi_1"),
        ("dispute_returned", "in", "USD", 7_500, "dp_1"),
        ("settlement", "out", "USD", 5_000, "po_1"),
        ("payment", "in", "UGX", 500, "pi_2"),
    ]
    keys = [line.key for row in read("stripe", STRIPE) for line in row.lines]
    assert keys[:3] == ["txn_1:payment", "txn_1:fee", "txn_2:refund"]


def test_stripes_own_units_make_a_hundred_of_each_ugandan_shilling() -> None:
    header, *_, last = STRIPE.splitlines()
    in_units = f"{header}\n{last.replace('500.00', '50000').replace('0.00', '0')}\n"
    assert lines("stripe", in_units, units="minor") == [("payment", "in", "UGX", 500, "pi_2")]


def test_a_column_that_is_called_otherwise_is_named_by_the_deployment() -> None:
    other = AIRTEL.replace("Transaction ID;", "TXN;").replace("Amount;", "Betrag;")
    found = lines("airtel", other, id="TXN|No", names="TXN", amount="Betrag")
    assert found == lines("airtel", AIRTEL)


@pytest.mark.parametrize(
    "columns",
    [
        {"airtel": {"colour": "x"}},
        {"airtel": {"zone": "Mars/Olympus"}},
        {"airtel": {"decimal": ";"}},
        {"airtel": {"units": "float"}},
        {"airtel": {"fixed_currency": "XQX"}},
        {"airtel": {"named_as_in_callbacks": "maybe"}},
        {"nobody": {}},
    ],
)
def test_what_cannot_be_said_of_a_statement_stops_the_start(columns: dict[str, Any]) -> None:
    with pytest.raises(InvalidMappingError):
        check_columns(columns)
    with pytest.raises(ValidationError):
        Settings(statement_columns=columns)


def test_references_are_ours_or_none() -> None:
    found = own_reference(f"{PAYMENT}:{REFUND}")
    assert found is not None
    assert (str(found.stream), found.detail) == (PAYMENT, REFUND)
    assert own_reference(PAYMENT.replace("-", "")) == own_reference(PAYMENT)
    # Attempts of payouts, as providers' limits have them written.
    for attempt in (f"{PAYMENT}:2", f"{PAYMENT}-2", f"{PAYMENT.replace('-', '')}A2"):
        assert own_reference(attempt) == OwnReference(UUID(PAYMENT), "2")
    for text in ("", "7GM3W2QX", "a name", f"{PAYMENT}x", "254700000000", f"x {PAYMENT}"):
        assert own_reference(text) is None


def test_every_mapping_has_what_a_line_needs() -> None:
    for mapping in MAPPINGS.values():
        assert mapping.time
        assert mapping.amount or (mapping.paid_in and mapping.withdrawn)
        assert mapping.currency or mapping.fixed_currency
        assert mapping.id
        assert all(word == word.casefold() for word in mapping.kinds)
