"""The platform, the verifier and another implementation are of one mind, each by its own code."""

from __future__ import annotations

from random import Random
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree  # type: ignore[import-untyped]

import hesabu_verify
from ledger.checkpoints import Checkpoint, Signer, VerifierKey, sign_checkpoint
from ledger.events import EVENT_CLASSES
from ledger.journal_entry import JournalEntry
from ledger.merkle import Frontier, inclusion_proof, leaf_hash
from ledger.serialization import UPCASTERS
from tests.ledger.test_serialization import golden
from tests.ledger.trees import leaves_of, nodes_of, tree_hash
from tests.verify.exports import LOG, WITNESS, Export

ENTRIES = {cls.TOPIC: cls.model_fields.get("entry") for cls in EVENT_CLASSES}


def topic_of_today(topic: str) -> str:
    while topic in UPCASTERS:
        topic, _function = UPCASTERS[topic]
    return topic


def test_the_verifier_knows_of_every_topic_whether_it_moves_money() -> None:
    always, sometimes, never = set(), set(), set()
    for topic in {*ENTRIES, *UPCASTERS}:
        field = ENTRIES[topic_of_today(topic)]
        if field is None:
            never.add(topic)
        elif field.annotation is JournalEntry:
            always.add(topic)
        else:
            assert set(get_args(field.annotation)) == {JournalEntry, type(None)}
            sometimes.add(topic)
    assert always == hesabu_verify.ALWAYS_WITH_ENTRY
    assert sometimes == hesabu_verify.SOMETIMES_WITH_ENTRY
    assert never == hesabu_verify.NEVER_WITH_ENTRY


def test_an_entry_is_where_money_moves_and_nowhere_else() -> None:
    for cls in EVENT_CLASSES:
        for name, field in cls.model_fields.items():
            holds = JournalEntry in {field.annotation, *get_args(field.annotation)}
            assert holds is (name == "entry"), (cls.TOPIC, name)


@pytest.mark.parametrize("topic", sorted(UPCASTERS))
def test_bytes_of_an_old_topic_hold_their_entry_as_those_of_today(topic: str) -> None:
    state = hesabu_verify.parse_object(golden(topic).decode(), "it")
    assert len(hesabu_verify.postings_of(topic, state)) >= 2


@pytest.mark.parametrize("topic", sorted(ENTRIES))
def test_the_stored_bytes_of_every_event_can_be_read(topic: str) -> None:
    kinds = [topic] if topic != "proposal.made.v1" else [f"{topic}.post_adjustment"]
    for kind in kinds:
        state = hesabu_verify.parse_object(golden(kind).decode(), "it")
        moves = state.get("entry") is not None
        assert bool(hesabu_verify.postings_of(topic, state)) is moves


def test_a_real_log_has_one_root_whoever_computes_it(real_log: Export) -> None:
    ours, another = Frontier(), InmemoryTree(algorithm="sha256")
    theirs = hesabu_verify.Tree()
    for event in real_log.events:
        line = hesabu_verify.event_of(event.line())
        stream_id = UUID(event.stream)
        leaf = leaf_hash(
            position=event.position,
            stream_id=stream_id,
            version=event.version,
            topic=event.topic,
            state=event.state.encode(),
        )
        assert hesabu_verify.leaf_of(line, stream_id.bytes) == leaf
        content = (
            b"HSB1"
            + event.position.to_bytes(8, "big")
            + stream_id.bytes
            + event.version.to_bytes(8, "big")
            + len(event.topic.encode()).to_bytes(4, "big")
            + event.topic.encode()
            + len(event.state.encode()).to_bytes(4, "big")
            + event.state.encode()
        )
        another.append_entry(content)
        ours.append(leaf)
        theirs.append(leaf)
        assert ours.root() == theirs.root() == another.get_root()
        assert ours.size == theirs.size == another.get_size()


def test_both_trees_have_the_root_of_the_definition_at_every_size() -> None:
    leaves, tree = leaves_of(260), hesabu_verify.Tree()
    assert tree.root() == tree_hash([])
    for size, leaf in enumerate(leaves, 1):
        tree.append(leaf)
        assert tree.root() == tree_hash(leaves[:size])


def test_a_path_leads_to_the_root_in_the_verifier_too() -> None:
    leaves, random = leaves_of(130), Random(1)
    for size in range(1, 131):
        nodes, root = nodes_of(leaves[:size]), tree_hash(leaves[:size])
        for index in range(size):
            path = inclusion_proof(index, size, nodes)
            lead = hesabu_verify.root_by_path
            assert lead(leaves[index], index, size, path) == root
            other = random.randrange(size)
            assert (lead(leaves[other], index, size, path) == root) is (other == index)
            assert lead(leaves[index], index, size, [*path, leaves[0]]) != root
            if path:
                assert lead(leaves[index], index, size, path[:-1]) != root
                assert lead(leaves[index], index, size, path[1:]) != root


@pytest.mark.parametrize("key", [LOG.verifier_key, WITNESS.cosigner_key], ids=["log", "witness"])
def test_keys_are_read_alike(key: VerifierKey) -> None:
    read = hesabu_verify.Key.parse(str(key))
    assert (read.name, read.public_key) == (key.name, key.public_key)
    assert (read.key_id, read.kind) == (key.key_id.hex(), int(key.algorithm))


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_are_read_alike(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(LOG.name, size, root)
    note = sign_checkpoint(checkpoint, LOG).with_signatures(WITNESS.cosign(checkpoint, timestamp=7))
    keys = [hesabu_verify.Key.parse(str(key)) for key in (LOG.verifier_key, WITNESS.cosigner_key)]
    read = hesabu_verify.read_checkpoint(str(note), keys, "it")
    assert (read.origin, read.size, read.root) == (LOG.name, size, root)
    assert read.signed_by == {(key.name, key.key_id) for key in keys}


@given(st.integers(0, 20_000))
def test_no_bit_of_a_note_can_be_changed(bit: int) -> None:
    checkpoint = Checkpoint(LOG.name, 20, bytes(range(32)))
    note = bytearray(str(sign_checkpoint(checkpoint, LOG)).encode())
    bit %= len(note) * 8
    note[bit // 8] ^= 1 << bit % 8
    with pytest.raises((hesabu_verify.BrokenError, UnicodeDecodeError)):
        hesabu_verify.read_checkpoint(note.decode(), [pinned(LOG)], "it")


def pinned(signer: Signer) -> hesabu_verify.Key:
    return hesabu_verify.Key.parse(str(signer.verifier_key))
