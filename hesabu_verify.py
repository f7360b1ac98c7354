"""Check an export of a Hesabu ledger, trusting nobody: `hesabu-verify export.ndjson.gz --key KEY`.

This file is the whole program. It needs Python 3.11 and `cryptography`, talks to nobody and shares
no code with the platform. It reads the export once, from the first event to the last; memory grows
with the number of streams and accounts, never with the number of events.

WHAT IS CHECKED
    completeness   positions are 1, 2, 3, … without a gap; the export says itself how many there are
    signatures     every checkpoint is signed by a key that you gave with --key
    the tree       the hash of the first N events is what each checkpoint of size N says: those in
                   the export and those that you kept yourself (--checkpoint)
    streams        versions are 1, 2, 3, … in every stream
    entries        every event that moves money has an entry, no other has; amounts are integers,
                   none is zero, and they sum to zero in every currency
    balances       the sum of all postings is the balance that is shown, account by account
    receipts       a receipt (--receipt) is signed, and its event and all others of that event's
                   transaction are in the export, unchanged
    witnesses      the newest checkpoint is cosigned by each witness whose key you gave

WHAT IS NOT CHECKED
    - whether an event is true: what was false when it was recorded is faithfully kept
    - what was never recorded; only a receipt, or the other party's own papers, can show that
    - events after the newest checkpoint are checked, but no signature holds them yet: the report
      says how many
    - whoever holds the signing key and the database can write another history. You notice with a
      checkpoint or a receipt that you kept, or with a witness; without any of them you do not
    - whether the rules by which an entry was made are right: fees, taxes, who is paid
    - that a checkpoint is the newest one that there is

EXIT STATUS
    0  all of it is right        1  something is broken: the first such event is named
    2  it could not be judged: a file cannot be read, or nothing in it is under a checkpoint

FORMATS are described in docs/auditors.md. An export is lines of JSON, gzip or plain: a header, then
events in order; checkpoints and receipts stand anywhere before the events of which they speak are
over, balances after the last event of which they speak, and `end` is last.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gzip
import io
import json
import re
import struct
import sys
import zlib
from collections import defaultdict, deque
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# ── 1. Limits and topics ─────────────────────────────────────────────────────────────────────────

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
FILE_BYTES_MAX: Final = 256 * 1024 * 1024
FINDINGS_MAX: Final = 20
"""So many are listed; all are counted."""

NUMBER_MAX: Final = (1 << 63) - 1
BALANCE_MAX: Final = 10**36
TEXT_MAX: Final = 255


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ALWAYS_WITH_ENTRY: Final = _words(
    """
    books.adjustment_posted.v1 books.bank_charged.v1 books.capital_added.v1
    books.currency_exchanged.v1 books.platform_withdrawn.v1 books.provider_settled.v1
    books.tax_remitted.v1 books.wallet_funded.v1 creator.debt_written_off.v1 creator.funds_held.v1
    creator.hold_released.v1 dispute.fee_charged.v1 dispute.fee_returned.v1
    payment.credit_refund_requested.v1 payment.credit_restored.v1 payment.credit_spent.v1
    payment.credit_taken_back.v1 payment.mismatched.v1 payment.overpayment_parked.v1
    payment.provider_fee_recorded.v1 payment.receipts_allocated.v1 payment.receipts_credited.v1
    payment.received_as_credit.v1 payment.succeeded.v1 payment.succeeded.v2
    payment.surplus_received.v1 payment.unused_time_credited.v1 payout.cancelled.v1 payout.failed.v1
    payout.paid.v1 payout.rejected.v1 payout.requested.v1 payout.returned.v1
    receipt.return_requested.v1 receipt.unmatched_recorded.v1 refund.failed.v1
    refund.reopened_as_failed.v1 refund.reopened_as_succeeded.v1 refund.requested.v1
    refund.succeeded.v1 subscription.credit_reserved.v1
    """
)
"""Topics of events that move money."""

SOMETIMES_WITH_ENTRY: Final = _words(
    """
    dispute.closed.v1 dispute.opened.v1 payment.funds_released.v1 subscription.change_invoiced.v1
    subscription.first_period_invoiced.v1 subscription.invoice_voided.v1
    subscription.prepayment_invoiced.v1 subscription.renewal_invoiced.v1
    """
)
"""Topics of events that move money or say `"entry": null`."""

NEVER_WITH_ENTRY: Final = _words(
    """
    creator.closed.v1 creator.destination_added.v1 creator.destination_removed.v1
    creator.destination_verified.v1 creator.fee_plan_assigned.v1 creator.payout_schedule_set.v1
    creator.registered.v1 creator.reinstated.v1 creator.suspended.v1 creator.tax_profile_set.v1
    creator.verification_changed.v1 dispute.evidence_noted.v1 dispute.warned.v1 document.issued.v1
    fan.email_set.v1 fan.phone_confirmation_failed.v1 fan.phone_confirmation_started.v1
    fan.phone_confirmed.v1 fan.subscribed.v1 payment.authorised.v1 payment.cancelled.v1
    payment.contradiction_recorded.v1 payment.expired.v1 payment.failed.v1
    payment.fan_refund_declined.v1 payment.fan_refund_requested.v1 payment.initiated.v1
    payment.invoice_initiated.v1 payment.submission_started.v1 payment.submission_unknown.v1
    payment.submitted.v1 payment.voided.v1 payout.approval_given.v1 payout.attempt_failed.v1
    payout.contradiction_recorded.v1 payout.failure_attested.v1 payout.held.v1 payout.released.v1
    payout.submission_started.v1 payout.submission_unknown.v1 payout.submitted.v1
    proposal.carried_out.v1 proposal.made.v1 proposal.rejected.v1 receipt.spent.v1
    refund.submission_started.v1 refund.submission_unknown.v1 refund.submitted.v1
    subscription.activated.v1 subscription.cancellation_revoked.v1
    subscription.cancellation_scheduled.v1 subscription.cancelled.v1
    subscription.credit_note_issued.v1 subscription.dunning_scheduled.v1 subscription.expired.v1
    subscription.invoice_attempt_failed.v1 subscription.invoice_attempted.v1
    subscription.past_due.v1 subscription.pause_scheduled.v1 subscription.paused.v1
    subscription.payment_method_changed.v1 subscription.period_paid.v1
    subscription.period_skipped.v1 subscription.periods_prepaid.v1 subscription.prepayment_ended.v1
    subscription.price_migration_noticed.v1 subscription.recovered.v1
    subscription.renewal_reminded.v1 subscription.resumed.v1 subscription.started.v1
    subscription.tier_change_revoked.v1 subscription.tier_change_scheduled.v1
    subscription.tier_changed.v1 subscription.trial_converted.v1 subscription.trial_started.v1
    tier.archived.v1 tier.created.v1 tier.price_migration_scheduled.v1 tier.price_published.v1
    tier.published.v1
    """
)
"""Topics of events that move none. A topic that is in no table is a finding."""

# ── 2. What can go wrong ─────────────────────────────────────────────────────────────────────────


class BrokenError(Exception):
    """What was given is not as it has to be: status 1."""


class UnusableError(Exception):
    """Nothing can be said about what was given: status 2."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong; `position` and the event are named where they are known."""

    what: str
    position: int | None = None
    stream: str | None = None
    topic: str | None = None

    def __str__(self) -> str:
        if self.position is None:
            return self.what
        event = f" ({self.topic} of stream {self.stream})" if self.topic else ""
        return f"position {self.position}{event}: {self.what}"


def printable(text: object) -> str:
    """What a file says, fit for a terminal: no control characters, and not too long."""
    cut = str(text)[: TEXT_MAX + 1]
    shown = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in cut)
    return shown if len(cut) <= TEXT_MAX else shown[:TEXT_MAX] + "…"


# ── 3. JSON, strictly ────────────────────────────────────────────────────────────────────────────


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise BrokenError("a JSON object has the same key twice")
    return read


def _refuse_number(text: str) -> NoReturn:
    raise BrokenError(f"the number {printable(text)} is not an integer")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
)


def parse_object(text: str, what: str) -> dict[str, Any]:
    """A JSON object without duplicate keys, and with no number in it that is not an integer."""
    try:
        parsed = _DECODER.decode(text)
    except RecursionError:
        raise BrokenError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise BrokenError(f"{what} is not JSON: {printable(error)}") from None
    if type(parsed) is not dict:
        raise BrokenError(f"{what} is not a JSON object")
    return parsed


def field_of(record: dict[str, Any], name: str, kind: type, what: str) -> Any:  # noqa: ANN401 - of `kind`
    """A field of exactly that type: `true` is no integer."""
    value = record.get(name)
    if type(value) is not kind:
        raise BrokenError(f"{what}: {name} is not {'an' if kind is int else 'a'} {kind.__name__}")
    return value


def only_fields(record: dict[str, Any], names: Iterable[str], what: str) -> None:
    """Refuse an object with more or fewer fields."""
    expected = sorted(names)
    if sorted(record) != expected:
        found = ", ".join(printable(name) for name in sorted(record)[:TEXT_MAX])
        raise BrokenError(f"{what} has the fields {found} and not {', '.join(expected)}")


def number_of(record: dict[str, Any], name: str, what: str) -> int:
    """An integer from 0 to 2^63 - 1."""
    value: int = field_of(record, name, int, what)
    if not 0 <= value <= NUMBER_MAX:
        raise BrokenError(f"{what}: {name} is out of range")
    return value


def hash_of(text: object, what: str) -> bytes:
    """32 bytes in lower-case hexadecimal."""
    if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{64}", text):
        raise BrokenError(f"{what} is not 64 hexadecimal digits")
    return bytes.fromhex(text)


# ── 4. The tree (RFC 9162, 2.1) ──────────────────────────────────────────────────────────────────


class Tree:
    """Roots of perfect subtrees, the largest first: all of a tree that its root depends on."""

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add a leaf: as often as there are two trees of one size, they become one."""
        perfect, rest = self._perfect, self.size
        while rest & 1:
            leaf = sha256(b"\x01" + perfect.pop() + leaf).digest()
            rest >>= 1
        perfect.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The hash over all leaves."""
        if not self._perfect:
            return sha256(b"").digest()
        *others, root = self._perfect
        for left in reversed(others):
            root = sha256(b"\x01" + left + root).digest()
        return root


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Where an inclusion proof leads (RFC 9162, 2.1.3.2); None if it is too long or too short."""
    last = size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            leaf = sha256(b"\x01" + sibling + leaf).digest()
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            leaf = sha256(b"\x01" + leaf + sibling).digest()
        index, last = index >> 1, last >> 1
    return leaf if last == 0 else None


# ── 5. Keys and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) ────────────────

LOG_KEY: Final = 1
WITNESS_KEY: Final = 4
KEY_PATTERN: Final = re.compile(r"([^\s+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")
NOTE_PATTERN: Final = re.compile(
    r"(?P<body>(?P<origin>[^\x00-\x1f\x7f]{1,255})\n"
    r"(?P<size>0|[1-9][0-9]{0,18})\n"
    r"(?P<root>[A-Za-z0-9+/]{43}=)\n)\n"
    r"(?P<signatures>(?:— [^\s+]{1,255} [A-Za-z0-9+/]{8,8192}={0,2}\n){1,64})"
)


def is_unicode(text: str) -> bool:
    """Whether it has bytes: JSON and command lines can hold half a character."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def decode_base64(text: str, what: str) -> bytes:
    """Standard base64 in its one canonical form."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded or base64.b64encode(decoded).decode() != text:
        raise BrokenError(f"{what} is not base64")
    return decoded


@dataclass(frozen=True, slots=True)
class Key:
    """A public key under a name, as it is pinned: name+key id+base64(type ‖ public key)."""

    name: str
    key_id: str
    kind: int
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read a key. Raises `UnusableError`."""
        match = KEY_PATTERN.fullmatch(text.strip())
        if match is None or not is_unicode(text):
            raise UnusableError(f"{printable(text)} is not a key: name+key id+base64")
        name, key_id, encoded = match.groups()
        typed = base64.b64decode(encoded)
        if typed[0] not in (LOG_KEY, WITNESS_KEY):
            raise UnusableError(f"the key {printable(text)} is of an unknown type")
        if sha256(name.encode() + b"\n" + typed).hexdigest()[:8] != key_id:
            raise UnusableError(f"the key {printable(text)} is damaged: its id does not fit it")
        return cls(name, key_id, typed[0], typed[1:])

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Whether this is the key's Ed25519 signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a note says, and where it came from; `signed_by` are names and ids of pinned keys."""

    source: str
    origin: str
    size: int
    root: bytes
    signed_by: frozenset[tuple[str, str]]


def read_checkpoint(note: str, keys: Iterable[Key], source: str) -> Checkpoint:
    """Parse a note and check it: it has to be signed by a log's key that is pinned.

    A log's key has the name of the log's origin, so a key of one log cannot sign for another.
    """
    match = NOTE_PATTERN.fullmatch(note)
    if match is None or not is_unicode(note):
        raise BrokenError(f"{source} is not a checkpoint")
    origin, body = match["origin"], match["body"].encode()
    root = decode_base64(match["root"], source)
    pinned = {(key.name, key.key_id): key for key in keys}
    signed_by: set[Key] = set()
    for line in match["signatures"].splitlines():
        _, name, encoded = line.split(" ")
        content = decode_base64(encoded, source)
        key = pinned.get((name, content[:4].hex()))
        if key is not None:
            if not _signed_note(key, content[4:], body):
                raise BrokenError(f"{source}: the signature of {printable(name)} is forged")
            signed_by.add(key)
    if not any(key.kind == LOG_KEY and key.name == origin for key in signed_by):
        raise BrokenError(f"{source} is not signed by a pinned key of {printable(origin)}")
    names = frozenset((key.name, key.key_id) for key in signed_by)
    size = int(match["size"])
    if size > NUMBER_MAX:
        raise BrokenError(f"{source}: the size is out of range")
    return Checkpoint(source, origin, size, root, names)


def _signed_note(key: Key, signature: bytes, body: bytes) -> bool:
    if key.kind == WITNESS_KEY:
        moment = int.from_bytes(signature[:8], "big")
        body, signature = f"cosignature/v1\ntime {moment}\n".encode() + body, signature[8:]
    return key.signed(signature, body)


# ── 6. Receipts ──────────────────────────────────────────────────────────────────────────────────

RECEIPT_FIELDS: Final = (
    "format", "origin", "position", "leaf", "turn", "path", "issued_at", "key", "signature",
)  # fmt: skip
TURN_EVENTS_MAX: Final = 16_384
"""So many hashes are kept, to check turns as a whole."""
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A signed promise that the event at `position` has this leaf, among those of its turn."""

    source: str
    origin: str
    position: int
    leaf: bytes
    last: int  # the position of the turn's last event
    count: int
    root: bytes
    issued_at: str


def read_receipt(record: dict[str, Any], keys: Iterable[Key], source: str) -> Receipt:
    """Check a receipt by itself: its path leads to the root of its turn, and that root is signed.

    Receipts are signed by a key of the name origin/receipts.
    """
    only_fields(record, RECEIPT_FIELDS, source)
    if record["format"] != "hesabu-receipt-1":
        raise BrokenError(f"{source} is of another format")
    position = number_of(record, "position", source)
    leaf = hash_of(record["leaf"], f"{source}: the leaf")
    turn: dict[str, Any] = field_of(record, "turn", dict, source)
    only_fields(turn, ("first", "count", "root"), f"{source}: the turn")
    first, count = number_of(turn, "first", source), number_of(turn, "count", source)
    root = hash_of(turn["root"], f"{source}: the turn's root")
    path = [hash_of(each, f"{source}: the path") for each in field_of(record, "path", list, source)]
    index = position - first
    if not 0 <= index < count or root_by_path(leaf, index, count, path) != root:
        raise BrokenError(f"{source}: its path does not lead from its event to what was signed")
    origin: str = field_of(record, "origin", str, source)
    issued_at: str = field_of(record, "issued_at", str, source)
    if not MOMENT.fullmatch(issued_at):
        raise BrokenError(f"{source}: issued_at is not a time")
    message = f"hesabu receipt v1\n{origin}\n{first}\n{count}\n{root.hex()}\n{issued_at}\n"
    _check_receipt_signature(record, keys, origin, message, source)
    return Receipt(source, origin, position, leaf, first + count - 1, count, root, issued_at)


def _check_receipt_signature(
    record: dict[str, Any], keys: Iterable[Key], origin: str, message: str, source: str
) -> None:
    name = field_of(record, "key", str, source)
    signature = decode_base64(field_of(record, "signature", str, source), source)
    for key in keys:
        if f"{key.name}+{key.key_id}" == name and key.kind == LOG_KEY:
            if key.name != f"{origin}/receipts":
                raise BrokenError(f"{source}: {printable(name)} is no key for its receipts")
            if not key.signed(signature, message.encode()):
                raise BrokenError(f"{source}: the signature is forged")
            return
    raise BrokenError(f"{source} is signed by {printable(name)}, which is not a pinned key")


# ── 7. Entries and balances ──────────────────────────────────────────────────────────────────────

Account = tuple[str, str]
Balances = dict[Account, int]
"""(account, currency) → minor units; debits are positive, credits negative."""


def postings_of(topic: str, state: dict[str, Any]) -> list[dict[str, Any]]:
    """The postings of an event; none if it moves no money. Raises `BrokenError`."""
    if topic in NEVER_WITH_ENTRY:
        if "entry" in state:
            raise BrokenError("an event of this topic moves no money, but this one has an entry")
        return []
    if topic not in ALWAYS_WITH_ENTRY and topic not in SOMETIMES_WITH_ENTRY:
        raise BrokenError("this program does not know the topic, nor whether it moves money")
    if "entry" not in state:
        raise BrokenError("an event of this topic has an entry, but this one has none")
    entry = state["entry"]
    if entry is None and topic in SOMETIMES_WITH_ENTRY:
        return []
    if type(entry) is not dict or len(entry) != 1 or type(entry.get("postings")) is not list:
        raise BrokenError("the entry is not a list of postings")
    postings: list[dict[str, Any]] = entry["postings"]
    check_postings(postings)
    return postings


def check_postings(postings: list[dict[str, Any]]) -> None:
    """Raise `BrokenError` unless amounts are integers that sum to zero in every currency."""
    if len(postings) < 2:  # noqa: PLR2004 - what balances has two sides
        raise BrokenError("the entry has less than two postings")
    sums: dict[str, int] = {}
    for posting in postings:
        if type(posting) is not dict or len(posting) != 3:  # noqa: PLR2004 - account, amount, currency
            raise BrokenError("a posting is not an account, an amount and a currency")
        amount, currency = posting.get("amount"), posting.get("currency")
        if type(amount) is not int or not -NUMBER_MAX <= amount <= NUMBER_MAX:
            raise BrokenError("an amount is not an integer of at most 63 bits")
        if type(currency) is not str or type(posting.get("account")) is not str:
            raise BrokenError("a posting has no account or no currency")
        if amount == 0:
            raise BrokenError("a posting is zero")
        sums[currency] = sums.get(currency, 0) + amount
    for currency, total in sums.items():
        if total:
            raise BrokenError(f"debits and credits differ by {total} {printable(currency)}")


def read_balances(record: dict[str, Any], source: str) -> tuple[int, Balances]:
    """The position and the balances that the platform showed there."""
    only_fields(record, ("position", "balances"), source)
    shown: Balances = {}
    for line in field_of(record, "balances", list, source):
        if type(line) is not dict:
            raise BrokenError(f"{source}: a balance is not an object")
        only_fields(line, ("account", "currency", "balance"), f"{source}: a balance")
        account = field_of(line, "account", str, source), field_of(line, "currency", str, source)
        if account in shown:
            raise BrokenError(f"{source}: {printable(' '.join(account))} is there twice")
        shown[account] = field_of(line, "balance", int, source)
        if abs(shown[account]) > BALANCE_MAX:
            raise BrokenError(f"{source}: a balance is out of range")
    return number_of(record, "position", source), shown


# ── 8. Reading ───────────────────────────────────────────────────────────────────────────────────


@contextmanager
def open_export(path: str) -> Iterator[io.BufferedReader[Any]]:
    """A file, or standard input for '-'; gzip is recognised by its first bytes."""
    source = io.FileIO(sys.stdin.fileno() if path == "-" else path, closefd=path != "-")
    with io.BufferedReader(source) as export:
        if export.peek(2)[:2] == b"\x1f\x8b":
            with io.BufferedReader(gzip.GzipFile(fileobj=export)) as unpacked:
                yield unpacked
        else:
            yield export


def lines_of(export: io.BufferedReader[Any]) -> Iterator[str]:
    """Line by line. Raises `BrokenError` at one that is too long, cut off or not UTF-8."""
    number = 0
    try:
        while line := export.readline(LINE_BYTES_MAX + 1):
            number += 1
            if len(line) > LINE_BYTES_MAX:
                raise BrokenError(f"line {number} is longer than {LINE_BYTES_MAX} bytes")
            if not line.endswith(b"\n"):
                raise BrokenError(f"the export breaks off in the middle of line {number}")
            yield line.decode()
    except UnicodeDecodeError:
        raise BrokenError(f"line {number} is not UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = f"the export cannot be unpacked after line {number}: {printable(error)}"
        raise BrokenError(what) from None


def read_file(path: str) -> str:
    """A small file as text. Raises `UnusableError`."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as open_export
            content = file.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise UnusableError(f"{printable(path)} is longer than {FILE_BYTES_MAX} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableError(f"{printable(path)} cannot be read: {printable(error)}") from None


# ── 9. The audit ─────────────────────────────────────────────────────────────────────────────────

EVENT_FIELDS: Final = frozenset(("position", "stream", "version", "topic", "state"))
SEALED_EVENT_FIELDS: Final = EVENT_FIELDS | {"leaf"}
STREAM: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
PLACE: Final = struct.Struct(">Q16sQI")
LENGTH: Final = struct.Struct(">I")


@dataclass(slots=True)
class Event:
    """An event's line, its fields in their types; `sealed` is the leaf that the platform kept."""

    position: int
    stream: str
    version: int
    topic: str
    state: str
    sealed: str | None


def event_of(record: dict[str, Any]) -> Event:
    """Read an event's line. Raises `BrokenError`."""
    fields = record.keys()
    if fields != EVENT_FIELDS and fields != SEALED_EVENT_FIELDS:  # noqa: PLR1714 - not hashable
        only_fields(record, EVENT_FIELDS, f"the event at {printable(record['position'])}")
    position, stream, version = record["position"], record["stream"], record["version"]
    topic, state = record["topic"], record["state"]
    if type(position) is not int or type(version) is not int:
        raise BrokenError("an event's position or version is not an integer")
    if type(stream) is not str or type(topic) is not str or type(state) is not str:
        raise BrokenError("an event's stream, topic or state is not a string")
    if "leaf" in record and type(record["leaf"]) is not str:
        raise BrokenError("the leaf with which an event was sealed is not a string")
    return Event(position, stream, version, topic, state, record.get("leaf"))


def leaf_of(event: Event, stream_id: bytes) -> bytes:
    """The hash that the tree holds for an event: lengths before texts, the stored bytes last."""
    topic, state = event.topic.encode(), event.state.encode()
    place = PLACE.pack(event.position, stream_id, event.version, len(topic))
    return sha256(b"\x00HSB1" + place + topic + LENGTH.pack(len(state)) + state).digest()


class Audit:
    """One pass over an export: what was found, what was counted and what could not be checked."""

    def __init__(self, keys: list[Key], *, until: int | None = None) -> None:
        self.keys = keys
        self.until = until
        self.origin: str | None = None
        self.book = ""
        self.tree = Tree()
        self.versions: dict[bytes, int] = {}
        self.balances: defaultdict[Account, int] = defaultdict(int)
        self.entries = self.postings = 0
        self.findings: list[Finding] = []
        self.findings_count = 0
        self.not_checked: list[str] = []
        # What waits for its position: checkpoints by size, receipts and balances by position,
        # receipts again by the last position of their turn.
        self.checkpoints: defaultdict[int, list[Checkpoint]] = defaultdict(list)
        self.receipts: defaultdict[int, list[Receipt]] = defaultdict(list)
        self.turns: defaultdict[int, list[Receipt]] = defaultdict(list)
        self.recent: deque[bytes] = deque(maxlen=TURN_EVENTS_MAX)
        self.shown: dict[int, Balances] = {}
        self.checkpoints_matched = self.receipts_matched = self.balances_matched = 0
        self.covered: int | None = None  # the size of the newest checkpoint that was right
        self.cosigned: frozenset[tuple[str, str]] = frozenset()
        self.suspect: Event | None = None  # the first event after it
        self.diverged = False
        self.event: Event | None = None
        self.ended = self.broken_off = self.until_reached = False

    def find(self, what: str, event: Event | None = None, *, position: int | None = None) -> None:
        """Note that something is wrong: with an event, at a position, or with all of it."""
        self.findings_count += 1
        if len(self.findings) >= FINDINGS_MAX:
            return
        if event is None:
            self.findings.append(Finding(what, position))
        else:
            names = printable(event.stream), printable(event.topic)
            self.findings.append(Finding(what, event.position, *names))

    # Statements, to be compared when the export has come so far.

    def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Compare it now, or when the export has as many events as it says."""
        self._check_origin(checkpoint)
        if checkpoint.size < self.tree.size:
            raise BrokenError(f"{checkpoint.source}: too late, its size is {checkpoint.size}")
        if checkpoint.size == self.tree.size:
            self._compare_checkpoint(checkpoint)
        else:
            self.checkpoints[checkpoint.size].append(checkpoint)

    def add_receipt(self, receipt: Receipt) -> None:
        """Compare it when its event comes."""
        self._check_origin(receipt)
        if receipt.position <= self.tree.size:
            raise BrokenError(f"{receipt.source}: too late, it is of position {receipt.position}")
        self.receipts[receipt.position].append(receipt)

    def add_balances(self, position: int, shown: Balances) -> None:
        """Compare them when the event after `position` comes, or the end. They add up."""
        together = self.shown.setdefault(position, {})
        for account, balance in shown.items():
            if account in together:
                raise BrokenError(f"the balance of {printable(' '.join(account))} is there twice")
            together[account] = balance

    def _check_origin(self, statement: Checkpoint | Receipt) -> None:
        if statement.origin != self.origin:
            raise BrokenError(f"{statement.source} is of the log {printable(statement.origin)}")

    # The export, line by line.

    def read_header(self, lines: Iterator[str]) -> None:
        """Read the first line. Raises `UnusableError` for what is no export, or not a whole one."""
        try:
            header = parse_object(next(lines, ""), "the first line")
        except BrokenError as error:
            raise UnusableError(f"this is not an export: {error}") from None
        if header.get("format") != "hesabu-export-1":
            raise UnusableError("this is not an export: its first line is not of hesabu-export-1")
        only_fields(header, ("format", "origin", "first", "book"), "the header")
        if number_of(header, "first", "the header") != 1:
            raise UnusableError("only an export from the first event on can be checked")
        self.book = printable(field_of(header, "book", str, "the header"))
        self.origin = field_of(header, "origin", str, "the header")
        if not any(key.name == self.origin and key.kind == LOG_KEY for key in self.keys):
            raise UnusableError(f"none of your keys is of this log, {printable(self.origin)}")

    def read(self, lines: Iterator[str]) -> None:
        """Read the rest. What makes all after it meaningless ends it."""
        try:
            for line in lines:
                record = parse_object(line, "a line")
                if self.ended:
                    self._break_off("there are lines after the end")
                if "position" not in record:
                    self._read_record(record)
                elif self.tree.size == self.until:
                    self.until_reached = True
                    break
                else:
                    self._read_event(event_of(record))
                self.event = None
        except BrokenError as error:
            self.broken_off = True
            what = f"{error}. Nothing after it was checked"
            self.find(what, self.event, position=self.tree.size + 1)
        self._finish()

    def _break_off(self, what: str) -> NoReturn:
        raise BrokenError(what)

    def _read_record(self, record: dict[str, Any]) -> None:
        """A line that is not an event."""
        name, content = next(iter(record.items()), ("", None))
        source = f"the {printable(name)} in the export after position {self.tree.size}"
        match name:
            case "checkpoint" if len(record) == 1 and type(content) is str:
                self.add_checkpoint(read_checkpoint(content, self.keys, source))
            case "receipt" if len(record) == 1 and type(content) is dict:
                self.add_receipt(read_receipt(content, self.keys, source))
            case "balances" if len(record) == 1 and type(content) is dict:
                position, shown = read_balances(content, source)
                if position != self.tree.size:
                    self._break_off(f"{source}: they are of position {position}")
                self.add_balances(position, shown)
            case "end" if len(record) == 1 and type(content) is dict:
                only_fields(content, ("events",), source)
                if number_of(content, "events", source) != self.tree.size:
                    self._break_off(f"{source}: there should have been {content['events']} events")
                self.ended = True
            case _:
                self._break_off("a line is neither an event nor a record that is known")

    def _read_event(self, event: Event) -> None:
        """The heart of it: one event."""
        if self.shown and self.tree.size in self.shown:
            self._compare_balances(self.tree.size)
        self.event = event
        position = event.position
        if position != self.tree.size + 1:
            self._break_off(f"position {self.tree.size + 1} should have come here")
        if not STREAM.fullmatch(event.stream) or not 0 < event.version <= NUMBER_MAX:
            self._break_off("its stream is not a UUID, or its version is out of range")
        stream_id = bytes.fromhex(event.stream.replace("-", ""))
        try:
            leaf = leaf_of(event, stream_id)
        except UnicodeEncodeError:
            self._break_off("its topic or state is not Unicode")
        self.tree.append(leaf)
        self.recent.append(leaf)
        self.suspect = self.suspect or event
        self._check_event(event, stream_id, leaf)
        if position in self.receipts:
            self._compare_receipts(event, leaf)
        if position in self.turns:
            self._compare_turns(position)
        if position in self.checkpoints:
            for checkpoint in self.checkpoints.pop(position):
                self._compare_checkpoint(checkpoint)

    def _check_event(self, event: Event, stream_id: bytes, leaf: bytes) -> None:
        """What an event has to be by itself and in its stream."""
        if event.sealed is not None and event.sealed != leaf.hex():
            self.find("it was sealed with another hash, so it was changed since", event)
        due = self.versions.get(stream_id, 0) + 1
        if event.version != due:
            self.find(f"its version is {event.version}, but {due} is the next of its stream", event)
        self.versions[stream_id] = event.version
        try:
            postings = postings_of(event.topic, parse_object(event.state, "its state"))
        except BrokenError as error:
            self.find(str(error), event)
            return
        if postings:
            self.entries += 1
            self.postings += len(postings)
            for posting in postings:
                self.balances[posting["account"], posting["currency"]] += posting["amount"]

    # Comparing.

    def _compare_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.tree.root() == checkpoint.root:
            self.checkpoints_matched += 1
            together = self.cosigned if self.covered == checkpoint.size else frozenset()
            self.covered, self.cosigned = checkpoint.size, together | checkpoint.signed_by
            self.suspect = None
        elif not self.diverged:  # all later ones differ, too
            self.diverged = True
            first = self.suspect.position if self.suspect else checkpoint.size
            what = f"this event, or a later one up to position {checkpoint.size}, is not what"
            if first == checkpoint.size:
                what = "this event is not what"
            self.find(f"{what} was signed: {checkpoint.source} has another root", self.suspect)

    def _compare_receipts(self, event: Event, leaf: bytes) -> None:
        for receipt in self.receipts.pop(event.position):
            if receipt.leaf == leaf:
                self.receipts_matched += 1
                self.turns[receipt.last].append(receipt)
            else:
                self.find(f"{receipt.source}, of {receipt.issued_at}, is of another event", event)

    def _compare_turns(self, position: int) -> None:
        """Its turn's other events were signed with it."""
        for receipt in self.turns.pop(position):
            named = f"{receipt.source}, of {receipt.issued_at}"
            first = receipt.last - receipt.count + 1
            if receipt.count > len(self.recent):
                self.not_checked.append(f"{named}: the {receipt.count} events of its turn")
                continue
            turn = Tree()
            for leaf in list(self.recent)[-receipt.count :]:
                turn.append(leaf)
            if turn.root() != receipt.root:
                what = f"an event of the positions {first} to {receipt.last} is not what was signed"
                self.find(f"{what} with {named}", position=first)

    def _compare_balances(self, position: int) -> None:
        shown = self.shown.pop(position)
        for account in sorted(shown.keys() | self.balances.keys()):
            replayed, told = self.balances.get(account, 0), shown.get(account, 0)
            if replayed == told:
                self.balances_matched += 1
            else:
                what = f"the balance of {printable(' '.join(account))} is shown as {told}"
                self.find(f"{what}, but the postings add up to {replayed}", position=position)

    # The end.

    def _finish(self) -> None:
        size = self.tree.size
        if size in self.shown and not self.broken_off:
            self._compare_balances(size)
        if self.broken_off:
            self.not_checked.append(f"anything after position {size}")
        elif self.until is not None and size < self.until:
            self.find(f"the export ends before position {self.until}", position=size + 1)
        elif not self.ended and not self.until_reached:
            self.find("the export is cut off: it has no end", position=size + 1)
        self._finish_what_waits(size)
        for witness in (key for key in self.keys if key.kind == WITNESS_KEY):
            if self.covered is not None and (witness.name, witness.key_id) not in self.cosigned:
                self.find(f"the newest checkpoint is not cosigned by {printable(witness.name)}")
        if self.covered is not None and self.covered < size:
            what = "are under no checkpoint yet: nobody signed them"
            self.not_checked.append(f"events {self.covered + 1} to {size} {what}")

    def _finish_what_waits(self, size: int) -> None:
        """Statements about events that did not come: those are missing, or were not wanted."""
        waiting = [(each.size, each.source) for many in self.checkpoints.values() for each in many]
        for position, many in self.receipts.items():
            waiting += [(position, f"{each.source}, of {each.issued_at},") for each in many]
        for position, many in self.turns.items():
            waiting += [(position, f"the turn of {each.source}") for each in many]
        waiting += [(position, "balances") for position in self.shown]
        for position, source in sorted(waiting):
            if self.broken_off or self.until is not None:
                self.not_checked.append(f"{source} of position {position}: that was not reached")
            else:
                what = f"missing: {source} says that the log came to position {position}"
                self.find(what, position=size + 1)

    def status(self) -> int:
        """The exit status."""
        if self.findings:
            return 1
        return 2 if self.covered is None else 0


# ── 10. Report and command line ──────────────────────────────────────────────────────────────────


def totals_of(balances: Balances) -> dict[str, dict[str, int]]:
    """By currency: accounts, and what is on their debit and on their credit side."""
    totals: dict[str, dict[str, int]] = {}
    for (_, currency), amount in sorted(balances.items()):
        total = totals.setdefault(currency, {"accounts": 0, "debit": 0, "credit": 0})
        total["accounts"] += 1
        total["debit" if amount > 0 else "credit"] += abs(amount)
    return totals


def report_of(audit: Audit) -> dict[str, Any]:
    """What was found, for machines."""
    return {
        "verdict": ("good", "broken", "unusable")[audit.status()],
        "origin": printable(audit.origin),
        "book": audit.book,
        "events": audit.tree.size,
        "covered": audit.covered,
        "root": audit.tree.root().hex(),
        "streams": len(audit.versions),
        "entries": audit.entries,
        "postings": audit.postings,
        "checkpoints": audit.checkpoints_matched,
        "receipts": audit.receipts_matched,
        "balances": audit.balances_matched,
        "totals": totals_of(audit.balances),
        "findings": [{**asdict(finding), "text": str(finding)} for finding in audit.findings],
        "findings_count": audit.findings_count,
        "not_checked": audit.not_checked,
    }


def write_report(report: dict[str, Any]) -> Iterator[str]:
    """What was found, for people."""
    yield f"Log {report['origin']}, book {report['book']}"
    yield ""
    yield f"  {report['events']:>12,}  events, positions without a gap, all hashes computed"
    yield f"  {report['covered'] or 0:>12,}  of them under a checkpoint signed by a key of yours"
    yield f"  {report['checkpoints']:>12,}  checkpoints say what these events say"
    yield f"  {report['streams']:>12,}  streams"
    yield f"  {report['entries']:>12,}  entries with {report['postings']:,} postings"
    yield f"  {report['balances']:>12,}  balances are as shown"
    yield f"  {report['receipts']:>12,}  receipts are kept"
    yield f"  root {report['root']}"
    yield ""
    for currency, total in report["totals"].items():
        sides = f"debit {total['debit']:,}, credit {total['credit']:,} (minor units)"
        yield f"  {printable(currency)}: {total['accounts']:,} accounts, {sides}"
    for what in report["not_checked"]:
        yield f"  NOT CHECKED: {what}"
    yield ""
    if report["findings"]:
        yield f"BROKEN: {report['findings_count']:,} findings, the first of them first"
        yield from (f"  {finding['text']}" for finding in report["findings"])
    elif report["covered"] is None:
        yield "UNUSABLE: no checkpoint was reached, so nobody has signed any of it"
    else:
        yield "GOOD: everything that was checked is right"


def read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="hesabu-verify", description="Check an export of a Hesabu ledger, trusting nobody."
    )
    add = parser.add_argument
    add("export", help="the export, plain or gzip; - for standard input")
    kinds = "of checkpoints, of receipts, or of a witness, who then has to cosign"
    add("--key", action="append", required=True, help=f"a public key that you trust: {kinds}")
    add("--checkpoint", action="append", default=[], metavar="FILE", help="a checkpoint you kept")
    add("--receipt", action="append", default=[], metavar="FILE", help="a receipt you kept")
    add("--balances", action="append", default=[], metavar="FILE", help="balances as shown to you")
    add("--until", type=int, metavar="POSITION", help="read no further than this event")
    add("--json", action="store_true", help="report for machines")
    options = parser.parse_args(arguments)
    if options.until is not None and options.until < 0:
        parser.error("--until is a position")
    return options


def add_kept(audit: Audit, options: argparse.Namespace) -> None:
    """Add what the auditor kept. Raises `UnusableError` where it is no good itself."""
    try:
        for path in options.checkpoint:
            audit.add_checkpoint(
                read_checkpoint(read_file(path), audit.keys, f"your {printable(path)}")
            )
        for path in options.receipt:
            record = parse_object(read_file(path), f"your {printable(path)}")
            audit.add_receipt(read_receipt(record, audit.keys, f"your {printable(path)}"))
        for path in options.balances:
            record = parse_object(read_file(path), f"your {printable(path)}")
            audit.add_balances(*read_balances(record, f"your {printable(path)}"))
    except BrokenError as error:
        raise UnusableError(str(error)) from None


def run(options: argparse.Namespace) -> Audit:
    """The whole audit. Raises `UnusableError`."""
    audit = Audit([Key.parse(text) for text in options.key], until=options.until)
    try:
        with open_export(options.export) as export:
            lines = lines_of(export)
            audit.read_header(lines)
            add_kept(audit, options)
            audit.read(lines)
    except OSError as error:
        raise UnusableError(
            f"{printable(options.export)} cannot be read: {printable(error)}"
        ) from None
    except BrokenError as error:
        audit.find(str(error))
    return audit


def main(arguments: Sequence[str] | None = None) -> int:
    """Check an export and say what was found; returns the exit status."""
    options = read_arguments(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may not know every letter
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        audit = run(options)
    except UnusableError as error:
        unusable = {"verdict": "unusable", "what": str(error)}
        text = json.dumps(unusable) if options.json else f"UNUSABLE: {error}"
        sys.stdout.write(f"{text}\n")
        return 2
    report = report_of(audit)
    text = json.dumps(report, indent=2) if options.json else "\n".join(write_report(report))
    sys.stdout.write(f"{text}\n")
    return audit.status()


if __name__ == "__main__":
    sys.exit(main())
