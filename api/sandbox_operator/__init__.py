"""A mobile-money operator of our own, to develop and test against: it misbehaves like real ones.

It runs as a process of its own, speaks HTTP and knows nothing of the ledger. Start it with
``python -m api.sandbox_operator --port 0``. What becomes of a prompt, a refund, a payout
or a payment is chosen by the last three digits of the phone number, or of the card's token: see
``behaviours.py``.
"""
