import threading, time
from uuid import uuid4
import pytest
import ledger.turn
from ledger.application import Ledger
from ledger.key_store import KeyStore
from tests.builders import *
from tests.databases import *
from tests.invariants import assert_book_is_sound
import multiprocessing as mp

def test_empty(ledger):
    r=[]
    t=threading.Thread(target=lambda: r.append(ledger.execute([])),daemon=True); t.start(); t.join(2)
    time.sleep(.3)
    print("empty", r, ledger._writer._thread.is_alive())
    assert ledger._writer._thread.is_alive()

def test_idle(ledger, monkeypatch):
    c=uuid4()
    real=ledger_decide=ledger.__class__
    orig=__import__("ledger.turn").turn.decide
    n=[]
    def slow(*a):
        if not n:
            n.append(1); time.sleep(2.6)
        return orig(*a)
    monkeypatch.setattr("ledger.turn.decide", slow)
    o=ledger.execute([register_creator(c)])
    print("idle", o[0].error)
    assert o[0].error is None

def test_unknown_refusal(ledger, database):
    k=caller_key()
    o=ledger.execute([assign_fee_plan(uuid4(), key=k)])
    print(o[0].error)
    with superuser(database) as s: s.execute("update idempotency_keys set refusal='gone_code'")
    o=ledger.execute([register_creator(), assign_fee_plan(uuid4(), key=k), register_creator()])
    print([x.error for x in o])
    assert o[0].error is None
    assert_book_is_sound(database)

def test_cancelled_future(ledger):
    f=ledger._writer.submit([register_creator()])
    print("cancelled", f.cancel())
    time.sleep(.3)
    assert ledger._writer._thread.is_alive()

def _open(path, q):
    try:
        s=KeyStore(path); s.allocate(); q.put(s.secret("x").hex()); s.close()
    except Exception as e: q.put(repr(e))

def test_ks(tmp_path):
    bad=0
    for i in range(20):
        ctx=mp.get_context("fork"); q=ctx.Queue()
        ps=[ctx.Process(target=_open,args=(tmp_path/f"k{i}",q)) for _ in range(8)]
        [p.start() for p in ps]; rs=[q.get() for _ in ps]; [p.join() for p in ps]
        if len(set(rs))!=1: bad+=1; print(set(rs))
    assert not bad
