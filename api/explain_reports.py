"""What `hesabu explain`, `diff` and `what-if` print: lines for people, amounts in minor units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.evidence import BodyState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projections.account_changes import AccountChange, Changes
    from projections.evidence import Evidence
    from projections.explanations import ExplainedLine, Explanation, Subject
    from projections.what_if import OtherRules, Shares, WhatIfReport

BODIES = {
    BodyState.MATCHES: "the kept body has this hash",
    BodyState.DIFFERS: "THE KEPT BODY DIFFERS",
    BodyState.FORGOTTEN: "the body was forgotten, its key is destroyed",
    BodyState.NOT_KEPT: "this copy was not kept",
}


def explanation_lines(page: Explanation, *, first: bool) -> Iterator[str]:
    """A page; the first says what is explained."""
    if first:
        yield f"{page.account} {page.currency} ({page.side}), as of position {page.position}"
        yield f"balance {page.balance:,} (minor units, debit positive)"
    for item in page.items:
        yield ""
        yield from _line(item)
    yield ""
    yield (
        f"opening {page.opening_balance:,} + lines {page.sum_of_lines:,} "
        f"= closing {page.closing_balance:,}"
    )
    for each in page.mismatches:
        where = f"position {each.position}, line {each.line}" if each.position else "the balance"
        yield f"WRONG: {where}: {each.what}"


def end_of(page: Explanation, shown: int, *, wrong: bool) -> Iterator[str]:
    """What it comes to after the last page."""
    if page.next_cursor is not None:
        yield f"{shown} lines shown; there are older ones (--limit, --all)."
    elif not wrong:
        yield f"{shown} lines, from the first on: they are the whole balance."
    yield "WRONG: something does not add up" if wrong else "GOOD: the sums match"


def _line(item: ExplainedLine) -> Iterator[str]:
    yield f"{item.recorded_at:%Y-%m-%d %H:%M:%S}  {item.amount:>+18,}  balance {item.balance:>18,}"
    if item.topic is None:
        yield f"  position {item.position}: no event"
        return
    yield f"  position {item.position}, {item.topic}, version {item.version} of {item.stream_id}"
    if item.belongs_to is not None:
        yield f"  {_subject(item.belongs_to)}"
    for each in item.evidence:
        yield from _evidence(each)


def _subject(subject: Subject) -> str:
    others = {
        "creator": subject.creator_id,
        "fan": subject.fan_id,
        "subscription": subject.subscription_id,
        "invoice": subject.invoice_id,
    }
    told = [f"{name} {id_}" for name, id_ in others.items() if id_ and id_ != subject.id]
    return f"belongs to {', '.join([f'{subject.kind} {subject.id}', *told])}"


def _evidence(each: Evidence) -> Iterator[str]:
    yield f"  evidence of position {each.position}, {each.topic}: SHA-256 {each.sha256}"
    if each.inbox_id is None:
        yield f"    {BODIES[each.body]}"
        return
    yield (
        f"    callback {each.inbox_id} of {each.provider}, received "
        f"{each.received_at:%Y-%m-%d %H:%M:%S}, {each.verdict}; {BODIES[each.body]}"
    )


def change_lines(changes: Changes) -> Iterator[str]:
    """An account a line, and the totals of every currency."""
    yield f"After position {changes.first}, up to {changes.second}; minor units, debit positive"
    yield ""
    width = max([len(each.account) for each in changes.items], default=7)
    yield (
        f"{'account':<{width}}  cur  {'before':>18}  {'debits':>18}  {'credits':>18}  "
        f"{'after':>18}  {'lines':>9}"
    )
    for each in changes.items:
        yield _change(each, width)
    yield ""
    for total in changes.totals:
        verdict = "sums to zero" if total.balanced else "WRONG: DOES NOT SUM TO ZERO"
        yield (
            f"{total.currency}: {total.accounts:,} accounts, {total.lines:,} lines, "
            f"debits {total.debits:,}, credits {total.credits:,}: {verdict}"
        )
    yield "GOOD: the sums match" if changes.sums_match else "WRONG: something does not add up"


def _change(each: AccountChange, width: int) -> str:
    line = (
        f"{each.account:<{width}}  {each.currency}  {each.before:>18,}  {each.debits:>18,}  "
        f"{each.credits:>18,}  {each.after:>18,}  {each.lines:>9,}"
    )
    return line if each.sums_match else f"{line}  WRONG"


def what_if_lines(report: WhatIfReport, rules: OtherRules) -> Iterator[str]:
    """A creator a line, the totals, and what could not be told."""
    yield (
        f"If the platform's fee had been {rules.fee_basis_points} basis points for payments begun "
        f"from position {rules.from_position} to {report.position}"
    )
    yield f"{report.events:,} events read, {report.payments:,} payments concerned; nothing written"
    yield ""
    yield (
        f"{'creator':<36}  cur  {'payments':>9}  {'net as it was':>18}  "
        f"{'as it would be':>18}  {'difference':>18}"
    )
    for each in report.creators:
        yield (
            f"{each.creator_id}  {each.currency}  {each.payments:>9,}  {each.was.net:>18,}  "
            f"{each.would_be.net:>18,}  {each.difference:>+18,}"
        )
    yield ""
    for total in report.totals:
        yield f"{total.currency}: {total.payments:,} payments, minor units"
        yield f"  as it was       {_shares(total.was)}"
        yield f"  as it would be  {_shares(total.would_be)}"
        yield f"  creators would have {total.difference:+,}"
    for topic, count in report.left_as_they_were:
        yield f"left as they were, {topic}: {count:,} payments that cannot be told anew"


def _shares(shares: Shares) -> str:
    return (
        f"creators {shares.net:,}, fees {shares.fees:,}, VAT {shares.vat:,}, "
        f"expenses {shares.expenses:,}"
    )
