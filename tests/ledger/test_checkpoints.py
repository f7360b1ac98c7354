"""Checkpoints are C2SP's signed notes: read strictly, believed only under a key that is trusted."""

from __future__ import annotations

import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoints import (
    NOTE_BYTES_MAX,
    SIGNATURES_MAX,
    Algorithm,
    Checkpoint,
    CheckpointError,
    Signature,
    SignedCheckpoint,
    Signer,
    VerifierKey,
    sign_checkpoint,
)

ORIGIN = "hesabu.example/log"
ROOT = sha256(b"a root").digest()
CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, ROOT)
ROOT_TEXT = base64.b64encode(ROOT).decode()

# Published with the format's first implementation, the Go checksum database's note package.
PUBLISHED_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PUBLISHED_TEXT = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
)
PUBLISHED_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def signer(name: str = ORIGIN, seed: int = 1) -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG = signer()
NEXT = signer(seed=2)
WITNESS = signer("witness.example/w1", seed=3)
NOTE = str(sign_checkpoint(CHECKPOINT, LOG))


def test_a_checkpoint_is_written_as_the_format_says() -> None:
    content = LOG.verifier_key.key_id + LOG.private_key.sign(CHECKPOINT.body())
    signature = base64.b64encode(content).decode()
    assert f"{ORIGIN}\n20852163\n{ROOT_TEXT}\n\n— {ORIGIN} {signature}\n" == NOTE


def test_a_checkpoint_is_read_back_and_believed_under_its_key() -> None:
    for note in (NOTE, NOTE.encode()):
        read = SignedCheckpoint.parse(note)
        assert read.checkpoint == CHECKPOINT
        assert str(read) == NOTE
        assert read.verify([NEXT.verifier_key, LOG.verifier_key]) == {LOG.verifier_key: None}


def test_the_published_example_of_a_signed_note_is_read_and_verified() -> None:
    key = VerifierKey.parse(PUBLISHED_KEY)
    content = base64.b64decode(PUBLISHED_SIGNATURE)
    assert (str(key), content[:4]) == (PUBLISHED_KEY, key.key_id)
    assert key.verify(content[4:], PUBLISHED_TEXT)
    assert not key.verify(content[4:], PUBLISHED_TEXT + b"\n")


@given(st.binary(min_size=32, max_size=32), st.sampled_from(Algorithm))
def test_a_key_is_read_as_it_is_written(public_key: bytes, algorithm: Algorithm) -> None:
    key = VerifierKey("log.example/a", public_key, algorithm)
    assert VerifierKey.parse(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        str(LOG.verifier_key) + "=",
        str(LOG.verifier_key) + "\n",
        str(LOG.verifier_key)[:-4],
        str(LOG.verifier_key).replace(ORIGIN, "another.example"),
        str(LOG.verifier_key).replace(ORIGIN, "a b"),
        "+" + str(LOG.verifier_key).partition("+")[2],
        str(LOG.verifier_key).replace("+" + LOG.verifier_key.key_id.hex(), "+00000000"),
        str(LOG.verifier_key).replace("+" + LOG.verifier_key.key_id.hex(), "+0000000"),
    ],
)
def test_what_is_not_exactly_a_key_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError):
        VerifierKey.parse(text)


def test_a_key_of_an_unknown_type_is_refused() -> None:
    typed = b"\x02" + bytes(32)
    key_id = sha256(b"name\n" + typed).hexdigest()[:8]
    with pytest.raises(CheckpointError, match="cannot be used"):
        VerifierKey.parse(f"name+{key_id}+{base64.b64encode(typed).decode()}")


def test_signatures_of_unknown_keys_are_ignored() -> None:
    stranger = signer("stranger.example", seed=9).sign(CHECKPOINT)
    note = str(SignedCheckpoint(CHECKPOINT, (stranger, LOG.sign(CHECKPOINT))))
    assert list(SignedCheckpoint.parse(note).verify([LOG.verifier_key])) == [LOG.verifier_key]
    with pytest.raises(CheckpointError, match="no key that is trusted"):
        SignedCheckpoint.parse(note).verify([NEXT.verifier_key])
    with pytest.raises(CheckpointError, match="no key that is trusted"):
        SignedCheckpoint.parse(note).verify([])


def test_a_wrong_signature_of_a_known_key_spoils_the_note() -> None:
    other = Checkpoint(ORIGIN, CHECKPOINT.size + 1, ROOT)
    note = SignedCheckpoint(CHECKPOINT, (NEXT.sign(CHECKPOINT), LOG.sign(other)))
    with pytest.raises(CheckpointError, match="not one of this checkpoint"):
        note.verify([LOG.verifier_key, NEXT.verifier_key])
    short = Signature(ORIGIN, LOG.verifier_key.key_id, b"short")
    with pytest.raises(CheckpointError, match="not one of this checkpoint"):
        SignedCheckpoint(CHECKPOINT, (short,)).verify([LOG.verifier_key])


def test_a_stranger_with_the_same_name_and_key_id_is_found_out() -> None:
    stranger = signer(seed=9).private_key.sign(CHECKPOINT.body())
    claimed = Signature(ORIGIN, LOG.verifier_key.key_id, stranger)
    with pytest.raises(CheckpointError, match="not one of this checkpoint"):
        SignedCheckpoint(CHECKPOINT, (claimed,)).verify([LOG.verifier_key])


def test_a_rotation_is_signed_by_both_keys() -> None:
    note = SignedCheckpoint.parse(str(sign_checkpoint(CHECKPOINT, LOG, NEXT)))
    for trusted in (LOG.verifier_key, NEXT.verifier_key):
        assert note.verify([trusted]) == {trusted: None}
    assert len(note.verify([LOG.verifier_key, NEXT.verifier_key])) == 2


def test_a_cosignature_is_verified_with_its_time() -> None:
    note = sign_checkpoint(CHECKPOINT, LOG)
    note = note.with_signatures(WITNESS.cosign(CHECKPOINT, timestamp=1_679_315_147))
    read = SignedCheckpoint.parse(str(note))
    assert read.verify([WITNESS.cosigner_key]) == {WITNESS.cosigner_key: 1_679_315_147}
    message = b"cosignature/v1\ntime 1679315147\n" + CHECKPOINT.body()
    assert WITNESS.cosigner_key.verify(read.signatures[1].content[8:], message)


@pytest.mark.parametrize("timestamp", [0, 1_679_315_148, 2**63])
def test_a_cosignature_holds_for_its_own_time_only(timestamp: int) -> None:
    genuine = WITNESS.cosign(CHECKPOINT, timestamp=1_679_315_147)
    moved = timestamp.to_bytes(8, "big") + genuine.content[8:]
    note = SignedCheckpoint(CHECKPOINT, (Signature(genuine.name, genuine.key_id, moved),))
    with pytest.raises(CheckpointError):
        note.verify([WITNESS.cosigner_key])


def test_a_witness_is_no_log_and_a_log_is_no_witness() -> None:
    note = sign_checkpoint(CHECKPOINT, WITNESS)
    assert note.verify([WITNESS.verifier_key]) == {WITNESS.verifier_key: None}
    with pytest.raises(CheckpointError):
        note.verify([WITNESS.cosigner_key])


SIGNATURE_LINE = str(LOG.sign(CHECKPOINT))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE.replace("20852163", "020852163"),
        NOTE.replace("20852163", "+20852163"),
        NOTE.replace("20852163", "-1"),
        NOTE.replace("20852163", "\uff12\uff10"),
        NOTE.replace("20852163", ""),
        NOTE.replace("20852163", str(2**63)),
        NOTE.replace("20852163", "9" * 5_000),
        NOTE.replace(ORIGIN + "\n", "\n", 1),
        NOTE.replace(ORIGIN + "\n", "o" * 256 + "\n", 1),
        NOTE.replace(ORIGIN + "\n", "a\tb\n", 1),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace(ROOT_TEXT, ROOT_TEXT[:-1]),
        NOTE.replace(ROOT_TEXT, ROOT_TEXT[:-4]),
        NOTE.replace(ROOT_TEXT, ROOT_TEXT[:-2] + chr(ord(ROOT_TEXT[-2]) + 1) + "="),
        NOTE.replace(ROOT_TEXT, " " + ROOT_TEXT),
        NOTE.replace(ROOT_TEXT + "\n", ROOT_TEXT + "\nan extension\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n\n", "\n\n\n"),
        NOTE[:-1],
        NOTE + "\n",
        NOTE + "something",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace("— ", "—  "),
        NOTE.partition("—")[0],
        NOTE + "— name \n",
        NOTE + "— name AAAA\n",
        NOTE + "— na+me AAAAAAAA\n",
        NOTE + "— na\u00a0me AAAAAAAA\n",
        NOTE + "—  AAAAAAAA\n",
        NOTE + SIGNATURE_LINE * SIGNATURES_MAX,
        NOTE + f"— name {'AAAA' * NOTE_BYTES_MAX}\n",
        NOTE.encode().replace(b"hesabu", b"\xff\xfe"),
        "\ud800" + NOTE,
    ],
)  # fmt: skip
def test_what_is_not_exactly_a_checkpoint_is_refused(note: str | bytes) -> None:
    with pytest.raises(CheckpointError):
        SignedCheckpoint.parse(note)


def test_as_many_signatures_as_the_format_asks_for_are_read() -> None:
    note = sign_checkpoint(CHECKPOINT, *(signer(f"log.example/{n}", seed=n) for n in range(1, 17)))
    assert len(SignedCheckpoint.parse(str(note)).signatures) == 16


@given(st.binary(max_size=300))
def test_nothing_but_a_checkpoint_error_comes_out_of_any_bytes(note: bytes) -> None:
    with pytest.raises(CheckpointError):
        SignedCheckpoint.parse(note)


@given(st.integers(0, len(NOTE.encode()) * 8 - 1))
def test_no_bit_of_a_checkpoint_can_be_changed(bit: int) -> None:
    changed = bytearray(NOTE.encode())
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(CheckpointError):
        SignedCheckpoint.parse(bytes(changed)).verify([LOG.verifier_key])


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, ROOT), ("two\nlines", 1, ROOT), ("o", -1, ROOT), ("o", 2**63, ROOT), ("o", 1, b"")],
)
def test_a_checkpoint_that_could_not_be_read_back_cannot_be_made(
    origin: str, size: int, root: bytes
) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(origin, size, root)


@pytest.mark.parametrize(("name", "public_key"), [("", bytes(32)), ("a+b", bytes(32)), ("a", b"")])
def test_a_key_that_could_not_be_read_back_cannot_be_made(name: str, public_key: bytes) -> None:
    with pytest.raises(CheckpointError):
        VerifierKey(name, public_key)


def test_an_empty_log_has_a_checkpoint_too() -> None:
    empty = Checkpoint(ORIGIN, 0, sha256(b"").digest())
    assert SignedCheckpoint.parse(str(sign_checkpoint(empty, LOG))).checkpoint == empty
