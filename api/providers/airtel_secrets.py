"""What Airtel wants encrypted or hashed: the PIN of payouts, signed requests, callbacks.

- The PIN: RSA with PKCS #1 v1.5 padding, in base64.
- A signed request: `x-signature` is its body under AES-256-CBC (PKCS #5 padding), `x-key` is
  `base64(key):base64(iv)` under RSA with a public key that Airtel is asked for.
- A callback: `hash` is the base64 of HMAC-SHA256 with the application's private key. What it is
  over is told in two ways (integrators' copies of the documentation): of the `transaction` object,
  or of the payload, which can only be the one without the hash. Both are taken, each as it was sent
  and as JavaScript writes it anew. It is no more than a reason to ask: no amount is in it.
"""

from __future__ import annotations

import hmac
import json
import os
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_der_public_key

from api.providers.port import BadSignatureError
from api.providers.words import is_same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY_BYTES: Final = 32
BLOCK_BYTES: Final = 16
TRANSACTION: Final = re.compile(
    r'\s*\{\s*(?:"hash"\s*:\s*"[^"\\]*"\s*,\s*)?"transaction"\s*:\s*', re.ASCII
)
HASH: Final = re.compile(r'"hash"\s*:\s*"[^"\\]*"', re.ASCII)


def public_key_of(text: str) -> RSAPublicKey:
    """A public key as Airtel writes it. Raises `ValueError`."""
    key = load_der_public_key(b64decode("".join(text.split()), validate=True))
    if not isinstance(key, RSAPublicKey):
        message = "must be an RSA public key"
        raise ValueError(message)  # noqa: TRY004 - a setting's value
    return key


def encrypted(text: str, key: RSAPublicKey) -> str:
    """A PIN, or the key of a signed request; never twice the same."""
    return b64encode(key.encrypt(text.encode(), PKCS1v15())).decode()


def signature_headers(document: Mapping[str, Any], key: RSAPublicKey) -> dict[str, str]:
    """The headers of a signed request with this body."""
    secret, start = os.urandom(KEY_BYTES), os.urandom(BLOCK_BYTES)
    padder = PKCS7(BLOCK_BYTES * 8).padder()
    padded = padder.update(written(document).encode()) + padder.finalize()
    encryptor = Cipher(AES(secret), CBC(start)).encryptor()
    sealed = encryptor.update(padded) + encryptor.finalize()
    pair = f"{b64encode(secret).decode()}:{b64encode(start).decode()}"
    return {"x-signature": b64encode(sealed).decode(), "x-key": encrypted(pair, key)}


def written(document: Any) -> str:  # noqa: ANN401 - JSON
    """JSON as it is sent, and as JavaScript writes it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def check_callback(body: bytes, key: str) -> None:
    """Raise `BadSignatureError` for a body that does not have its own hash."""
    try:
        text = body.decode()
        document = DECODER.decode(text)
        preimages = list(_preimages(text, document))
        sent = document["hash"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadSignatureError from None
    if not isinstance(sent, str):
        raise BadSignatureError
    matches = [is_same(sent, callback_hash(preimage, key)) for preimage in preimages]
    if not any(matches):
        raise BadSignatureError


def callback_hash(preimage: str, key: str) -> str:
    """What a callback has as its hash."""
    digest = hmac.digest(key.encode(), preimage.encode(errors="surrogatepass"), sha256)
    return b64encode(digest).decode()


def _preimages(text: str, document: dict[str, Any]) -> Iterator[str]:
    transaction = document["transaction"]
    rest = {name: value for name, value in document.items() if name != "hash"}
    yield written(transaction)
    yield written(rest)
    if (match := HASH.search(text)) is not None:
        before, after = text[: match.start()].strip(), text[match.end() :].strip()
        after = after if before.endswith(",") else after.removeprefix(",")
        yield before.removesuffix(",") + after
    if (match := TRANSACTION.match(text)) is not None:
        _, end = DECODER.raw_decode(text, match.end())
        yield text[match.end() : end]


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        message = "a name stands twice"
        raise ValueError(message)
    return document


DECODER: Final = json.JSONDecoder(object_pairs_hook=_each_once, parse_float=str)
