"""Webhooks that we send, to endpoints of the platform and of creators (Standard Webhooks).

    the log ─▶ routing.py, once for all endpoints ─▶ webhook_messages
        ─▶ a lane for each endpoint (process.py) ─▶ guard.py ─▶ sender.py ─▶ the receiver

What providers send to us is another thing: api/routers/webhooks.py.
"""
