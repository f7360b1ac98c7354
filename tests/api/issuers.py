"""Issuers of tokens, honest and not: keys of every kind, and tokens with anything in them."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from pathlib import Path

HOUR: Final = 3_600


def claims(role: str = "fan", **changes: object) -> dict[str, Any]:
    """Claims that are right, but for the changes; a change to None leaves the claim out."""
    now = int(time.time())
    right = {
        "iss": "hesabu",
        "aud": "hesabu",
        "sub": str(uuid4()),
        "role": role,
        "iat": now,
        "exp": now + HOUR,
    }
    return {name: value for name, value in {**right, **changes}.items() if value is not None}


def encoded(part: object) -> str:
    """A part of a token: bytes as they are, anything else as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Issuer:
    """A private key of one algorithm, which can sign what no library would."""

    def __init__(self, kid: str, algorithm: str, key: Any) -> None:  # noqa: ANN401 - one of three kinds
        self.kid = kid
        self.algorithm = algorithm
        self.key = key

    @classmethod
    def ed25519(cls, kid: str) -> Issuer:
        return cls(kid, "EdDSA", Ed25519PrivateKey.generate())

    @classmethod
    def es256(cls, kid: str) -> Issuer:
        return cls(kid, "ES256", generate_private_key(SECP256R1()))

    @classmethod
    def rs256(cls, kid: str) -> Issuer:
        return cls(kid, "RS256", generate_rsa(public_exponent=65_537, key_size=2_048))

    @classmethod
    def of_development(cls, data_directory: Path) -> Issuer:
        """The development issuer itself: what is signed with it is refused for what it says."""
        pem = (data_directory / "keys" / "development_signing_key.pem").read_bytes()
        return cls("development", "EdDSA", load_pem_private_key(pem, password=None))

    def public(self) -> dict[str, Any]:
        """The public key as a member of a key set."""
        kinds: dict[str, Any] = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}
        public = json.loads(kinds[self.algorithm].to_jwk(self.key.public_key()))
        return {**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def sign(self, payload: dict[str, Any], **header: object) -> str:
        """A token; header fields replace the usual ones, None leaves one out."""
        given = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **header}
        return self.sign_parts(
            {name: value for name, value in given.items() if value is not None}, payload
        )

    def sign_parts(self, header: object, payload: object) -> str:
        """Sign any header and payload; the algorithm is the key's, whatever the header says."""
        message = f"{encoded(header)}.{encoded(payload)}".encode()
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        signature = algorithm.sign(message, self.key)
        return f"{message.decode()}.{encoded(signature)}"


def write_key_set(path: Path, *issuers: Issuer) -> Path:
    """A JWKS file with the public keys."""
    path.write_text(json.dumps({"keys": [issuer.public() for issuer in issuers]}))
    return path
