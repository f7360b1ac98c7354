"""Who is let in: a token that is right in every respect, and no other."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.auth import Role
from api.key_sets import KeySetError, load_key_set
from api.settings import Settings
from api.tokens import issue_token
from tests.api.deployment import API, ApiProcess, Deployment
from tests.api.issuers import HOUR, Issuer, claims, encoded, write_key_set
from tests.api.processes import REPOSITORY, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.documentation import Documentation

NOW: Final = int(time.time())
PATH: Final = f"/payments/{uuid4()}"
"""Whoever is let in as a fan is answered 404 here."""


def bad_payloads() -> dict[str, dict[str, Any]]:
    """Claims that no token may have, each signed with the right key."""
    return {
        "sub missing": claims(sub=None),
        "sub no uuid": claims(sub="fan-1"),
        "sub empty": claims(sub=""),
        "sub a number": claims(sub=1),
        "sub a list": claims(sub=[str(uuid4())]),
        "sub in capitals": claims(sub=str(uuid4()).upper()),
        "sub in braces": claims(sub=f"{{{uuid4()}}}"),
        "sub as urn": claims(sub=f"urn:uuid:{uuid4()}"),
        "role missing": claims(role=None),  # type: ignore[arg-type]  # left out
        "role unknown": claims(role="owner"),
        "role empty": claims(role=""),
        "role in capitals": claims(role="FAN"),
        "role a list": claims(role=["fan", "admin"]),  # type: ignore[arg-type]
        "role a number": claims(role=1),  # type: ignore[arg-type]
        "role an object": claims(role={"fan": True}),  # type: ignore[arg-type]
        "iss missing": claims(iss=None),
        "iss another": claims(iss="somebody"),
        "iss a list": claims(iss=["hesabu"]),
        "iss a prefix": claims(iss="hesabu/"),
        "aud missing": claims(aud=None),
        "aud another": claims(aud="somebody"),
        "aud a list with ours": claims(aud=["hesabu", "somebody"]),
        "aud empty": claims(aud=[]),
        "exp missing": claims(exp=None),
        "exp past": claims(iat=NOW - 2 * HOUR, exp=NOW - HOUR),
        "exp before iat": claims(iat=NOW + 20, exp=NOW + 10),
        "exp at iat": claims(iat=NOW, exp=NOW),
        "exp 10^30": claims(exp=10**30),
        "exp 10^400": claims(exp=10**400),
        "exp negative": claims(exp=-1),
        "exp a float": claims(exp=NOW + HOUR + 0.5),
        "exp a whole float": claims(exp=float(NOW + HOUR)),
        "exp a string": claims(exp=str(NOW + HOUR)),
        "exp true": claims(exp=True),
        "exp infinite": claims(exp=float("inf")),
        "exp NaN": claims(exp=float("nan")),
        "exp a list": claims(exp=[NOW + HOUR]),
        "exp too far": claims(exp=NOW + 25 * HOUR),
        "iat missing": claims(iat=None),
        "iat in the future": claims(iat=NOW + HOUR, exp=NOW + 2 * HOUR),
        "iat a float": claims(iat=NOW - 0.5),
        "iat a string": claims(iat=str(NOW)),
        "iat true": claims(iat=True),
        "iat ancient": claims(iat=0),
        "iat negative": claims(iat=-(10**30)),
        "not yet valid": claims(nbf=NOW + HOUR),
        "nbf a list": claims(nbf=[NOW]),
    }


def bad_headers() -> dict[str, dict[str, Any]]:
    """Headers that no token may have, each with right claims and signed with the right key."""
    return {
        "kid missing": {"kid": None},
        "kid unknown": {"kid": "somebody"},
        "kid empty": {"kid": ""},
        "kid a number": {"kid": 1},
        "kid a list": {"kid": ["development"]},
        "kid with a space": {"kid": "development "},
        "kid a path": {"kid": "../keys/development"},
        "kid as in SQL": {"kid": "development' OR '1'='1"},
        "typ another": {"typ": "JOSE"},
        "typ empty": {"typ": ""},
        "typ an object": {"typ": {"JWT": 1}},
        "typ null": {"typ": [None]},
        "alg none": {"alg": "none"},
        "alg None": {"alg": "None"},
        "alg HS256": {"alg": "HS256"},
        "alg ES256": {"alg": "ES256"},
        "alg RS256": {"alg": "RS256"},
        "alg empty": {"alg": ""},
        "alg missing": {"alg": None},
        "alg a list": {"alg": ["EdDSA"]},
        "crit": {"crit": ["exp"]},
        "crit unknown": {"crit": ["http://example.com/x"], "http://example.com/x": 1},
        "crit empty": {"crit": []},
        "b64 false": {"b64": False, "crit": ["b64"]},
    }


def foreign_tokens() -> dict[str, str]:
    """Tokens that others signed: our name on them, and every hint where to find their key."""
    found = {}
    for stranger in (
        Issuer.ed25519("development"),
        Issuer.es256("development"),
        Issuer.rs256("development"),
    ):
        name = f"signed by another {stranger.algorithm} key"
        found[name] = stranger.sign(claims())
        found[f"{name} as EdDSA"] = stranger.sign(claims(), alg="EdDSA")
    stranger = Issuer.ed25519("development")
    hints: dict[str, object] = {
        "jku": "http://127.0.0.1:1/keys.json",
        "x5u": "http://127.0.0.1:1/chain.pem",
        "jwk": stranger.public(),
        "x5c": ["MIIB"],
    }
    for name, value in hints.items():
        found[f"with {name}"] = stranger.sign(claims(), **{name: value})
    return found


@pytest.fixture(scope="module")
def issuer(doors: Deployment) -> Issuer:
    return Issuer.of_development(doors.directory)


def bad_tokens(issuer: Issuer) -> dict[str, str]:
    """Every bad token by what is bad about it."""
    good = issuer.sign(claims())
    header, payload, signature = good.split(".")
    public: Ed25519PublicKey = issuer.key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    unsigned = f"{encoded({'alg': 'none', 'typ': 'JWT', 'kid': 'development'})}.{payload}"
    symmetric = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': 'development'})}.{payload}"
    found = {
        "empty": "",
        "a word": "zqzq",
        "one dot": f"{header}.{payload}",
        "three dots": f"{good}.{signature}",
        "two dots": "..",
        "no header": f".{payload}.{signature}",
        "no payload": f"{header}..{signature}",
        "no signature": f"{header}.{payload}.",
        "another signature": f"{header}.{payload}.{encoded(bytes(64))}",
        "a short signature": f"{header}.{payload}.{signature[:-4]}",
        "another payload": f"{header}.{encoded(claims('admin'))}.{signature}",
        "another header": f"{encoded(_header() | {'typ': 'at+jwt'})}.{payload}.{signature}",
        "parts exchanged": f"{payload}.{header}.{signature}",
        "in capitals": good.upper(),
        "a space inside": f"{good[:20]} {good[20:]}",
        "none, unsigned": f"{unsigned}.",
        "none, with the signature": f"{unsigned}.{signature}",
        "none, without the last dot": unsigned,
        "HS256 with the public key in PEM": _hs256(symmetric, pem),
        "HS256 with the raw public key": _hs256(symmetric, raw),
        "HS256 with the JWK": _hs256(symmetric, json.dumps(issuer.public()).encode()),
        "HS256 with nothing": _hs256(symmetric, b""),
        "a header that is no object": issuer.sign_parts(["EdDSA"], claims()),
        "a header that is a string": issuer.sign_parts("EdDSA", claims()),
        "a header that is no JSON": issuer.sign_parts(b"\xff\xfe", claims()),
        "a payload that is no object": issuer.sign_parts(_header(), [claims()]),
        "a payload that is no JSON": issuer.sign_parts(_header(), b"zqzq"),
        "a payload that is null": issuer.sign_parts(_header(), None),
        "a payload nested deep": issuer.sign_parts(_header(), b"[" * 2_000),
        "of 5 KiB": issuer.sign(claims(padding="x" * 5_000)),
        # What is longer does not come as far: tests/api/test_wire.py.
        "of 30 KB of noise": "x" * 30_000,
        "of 30 KB, well signed": issuer.sign(claims(padding="x" * 22_000)),
        "not in base64": f"{header}.{payload}.\u00e9\u00e9",
    }
    found |= {f"{name} (claim)": issuer.sign(each) for name, each in bad_payloads().items()}
    found |= {
        f"{name} (header)": issuer.sign(claims(), **each) for name, each in bad_headers().items()
    }
    return {**found, **foreign_tokens()}


def _header() -> dict[str, str]:
    return {"alg": "EdDSA", "typ": "JWT", "kid": "development"}


def _hs256(message: str, secret: bytes) -> str:
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def _assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert error["code"] == "unauthenticated"
    assert error["details"] == []
    assert "Authorization: Bearer" in error["message"]
    assert "zqzq" not in answer.text


def _ask(api: ApiProcess, *authorization: str) -> httpx.Response:
    """Ask with these headers, which no careful client would send."""
    connection = HTTPConnection("127.0.0.1", api.port, timeout=30)
    try:
        connection.putrequest("GET", f"{API}{PATH}")
        for text in authorization:
            connection.putheader("Authorization", text.encode("latin-1"))
        connection.endheaders()
        answer = connection.getresponse()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    finally:
        connection.close()


def test_every_bad_token_is_refused_in_the_same_words(doors: Deployment, issuer: Issuer) -> None:
    tokens = bad_tokens(issuer)
    assert len(tokens) >= 100
    for name, token in tokens.items():
        try:
            answer = _ask(doors.api, f"Bearer {token}")
            _assert_refused(answer)
        except AssertionError as error:
            raise AssertionError(name) from error


def test_a_right_token_is_let_in(doors: Deployment, issuer: Issuer) -> None:
    """The negative control: what the bad ones differ from is accepted."""
    for token in (
        issuer.sign(claims()),
        issuer.sign(claims(), typ="at+jwt"),
        issuer.sign(claims(), typ=None),
        issuer.sign(claims(exp=NOW + 23 * HOUR)),
        issuer.sign(claims(iat=int(time.time()) - 60)),
    ):
        assert _ask(doors.api, f"Bearer {token}").status_code == 404


def test_the_scheme_is_bearer_and_nothing_else(doors: Deployment, issuer: Issuer) -> None:
    good = issuer.sign(claims())
    for authorization in (
        "", "Bearer", "Bearer ", good, f"Basic {good}", f"Bearer{good}", f"Bearer  {good}",
        f"Bearer\t{good}", f"Token {good}", f"JWT {good}", f"Bearer {good},{good}",
        f'Bearer "{good}"', f"Bearer {good} {good}", f"Bearer token={good}", f"Bearer={good}",
    ):  # fmt: skip
        _assert_refused(_ask(doors.api, authorization))
    _assert_refused(_ask(doors.api))
    # RFC 9110, 11.1: the scheme's name is not case-sensitive.
    assert _ask(doors.api, f"bearer {good}").status_code == 404


def test_two_authorizations_are_none(doors: Deployment, issuer: Issuer) -> None:
    good, bad = issuer.sign(claims()), issuer.sign(claims(exp=NOW - HOUR))
    for first, second in ((good, good), (good, bad), (bad, good)):
        _assert_refused(_ask(doors.api, f"Bearer {first}", f"Bearer {second}"))


def test_a_token_elsewhere_is_not_looked_for(doors: Deployment, issuer: Issuer) -> None:
    good = issuer.sign(claims())
    for answer in (
        doors.api.client.get(f"{API}{PATH}?access_token={good}"),
        doors.api.client.get(f"{API}{PATH}", headers={"cookie": f"token={good}"}),
        doors.api.client.get(f"{API}{PATH}", headers={"x-authorization": f"Bearer {good}"}),
    ):
        _assert_refused(answer)


def test_a_token_is_not_accepted_after_it_expired_though_it_was_before(
    doors: Deployment, issuer: Issuer
) -> None:
    """The cache of verified tokens must not outlive them. The skew allowed is 30 seconds."""
    now = int(time.time())
    token = issuer.sign(claims(iat=now - 60, exp=now - 25))
    assert _ask(doors.api, f"Bearer {token}").status_code == 404
    time.sleep(max(0.0, now - 25 + 30.5 - time.time()))
    _assert_refused(_ask(doors.api, f"Bearer {token}"))


@pytest.fixture(scope="module")
def production(
    doors: Deployment, documentation: Documentation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ApiProcess, dict[str, Issuer]]]:
    """A production process whose key set has a key of each algorithm."""
    directory = tmp_path_factory.mktemp("production")
    issuers = [Issuer.ed25519("first"), Issuer.es256("second"), Issuer.rs256("third")]
    environment = {
        **doors.environment(),
        "HESABU_ENVIRONMENT": "production",
        "HESABU_KEY_SET_FILE": str(write_key_set(directory / "keys.json", *issuers)),
        "HESABU_TOKEN_ISSUER": "https://issuer.example",
        "HESABU_TOKEN_AUDIENCE": "ledger",
        "HESABU_TOKEN_LIFETIME_SECONDS_MAX": "900",
    }
    process = ApiProcess("api-production", environment, directory, documentation)
    process.start()
    try:
        process.wait_until_ready()
        yield process, {issuer.algorithm: issuer for issuer in issuers}
    finally:
        process.client.close()
        process.terminate()


def _claims_of_production() -> dict[str, Any]:
    return claims(iss="https://issuer.example", aud="ledger", exp=int(time.time()) + 600)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_set_may_have_keys_of_three_algorithms(
    production: tuple[ApiProcess, dict[str, Issuer]], algorithm: str
) -> None:
    api, issuers = production
    token = issuers[algorithm].sign(_claims_of_production())
    assert _ask(api, f"Bearer {token}").status_code == 404


def test_a_key_is_used_with_its_own_algorithm_and_id_only(
    production: tuple[ApiProcess, dict[str, Issuer]],
) -> None:
    api, issuers = production
    for signer in issuers.values():
        for claimed in issuers.values():
            token = signer.sign(_claims_of_production(), kid=claimed.kid, alg=claimed.algorithm)
            if signer is not claimed:
                _assert_refused(_ask(api, f"Bearer {token}"))
            for algorithm in ("HS256", "HS512", "none", "RS512", "PS256", "ES384"):
                token = signer.sign(_claims_of_production(), kid=claimed.kid, alg=algorithm)
                _assert_refused(_ask(api, f"Bearer {token}"))
    for issuer in issuers.values():
        pem = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header = {"alg": "HS256", "typ": "JWT", "kid": issuer.kid}
        message = f"{encoded(header)}.{encoded(_claims_of_production())}"
        _assert_refused(_ask(api, f"Bearer {_hs256(message, pem)}"))


def test_production_believes_only_its_own_issuer_audience_and_lifetime(
    production: tuple[ApiProcess, dict[str, Issuer]], doors: Deployment
) -> None:
    api, issuers = production
    issuer = issuers["EdDSA"]
    now = int(time.time())
    for payload in (
        claims(),
        {**_claims_of_production(), "iss": "hesabu"},
        {**_claims_of_production(), "aud": "hesabu"},
        {**_claims_of_production(), "exp": now + 901},
    ):
        _assert_refused(_ask(api, f"Bearer {issuer.sign(payload)}"))
    _assert_refused(_ask(api, f"Bearer {doors.fan().token}"))


def _command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def production_settings(tmp_path: Path) -> dict[str, str]:
    key_set = write_key_set(tmp_path / "keys.json", Issuer.ed25519("first"))
    return {
        "HESABU_ENVIRONMENT": "production",
        "HESABU_DATA_DIRECTORY": str(tmp_path),
        "HESABU_KEY_SET_FILE": str(key_set),
        "HESABU_SANDBOX_WEBHOOK_SECRET": "whsec_zqzq-secret",
        "DATABASE_URL": "postgresql://somebody:zqzq-password@127.0.0.1:1/hesabu",
    }


def test_the_command_issues_no_token_in_production(production_settings: dict[str, str]) -> None:
    finished = _command(production_settings, "token", "--role", "admin")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert "does not work in production" in finished.stderr
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("missing", ["HESABU_KEY_SET_FILE", "DATABASE_URL"])
def test_production_does_not_start_without_a_key_set_or_a_database(
    production_settings: dict[str, str], missing: str
) -> None:
    del production_settings[missing]
    finished = _command(production_settings, "serve")
    assert finished.returncode != 0
    assert "Traceback" not in finished.stderr
    assert f"{missing} is required in production" in finished.stderr
    assert "zqzq" not in finished.stdout + finished.stderr


def test_the_command_issues_a_token_in_development(doors: Deployment) -> None:
    finished = _command(doors.environment(), "token", "--role", "fan", "--hours", "1")
    assert finished.returncode == 0, finished.stderr
    assert _ask(doors.api, f"Bearer {finished.stdout.strip()}").status_code == 404


def _with_private_part(public: dict[str, Any]) -> dict[str, Any]:
    return {**public, "d": "AAAA"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: [],
        lambda key: [key, key],
        lambda key: [_with_private_part(key)],
        lambda key: [{**key, "kid": ""}],
        lambda key: [{name: value for name, value in key.items() if name != "kid"}],
        lambda key: [{name: value for name, value in key.items() if name != "alg"}],
        lambda key: [{**key, "alg": "HS256"}],
        lambda key: [{**key, "alg": "none"}],
        lambda _: [{"kty": "oct", "k": "AAAA", "kid": "a", "alg": "HS256"}],
        lambda key: [key, {"kty": "oct", "k": "AAAA", "kid": "b", "alg": "HS256"}],
        lambda key: [{**key, "alg": "RS256"}],
        lambda key: [{**key, "x": "AAAA"}],
        lambda key: [{**key, "kid": ["a"]}],
        lambda key: key,
        lambda _: ["a key"],
        lambda _: None,
    ],
)
def test_a_key_set_that_is_not_public_and_exact_is_not_used(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": spoil(Issuer.ed25519("a").public())}))
    with pytest.raises(KeySetError):
        load_key_set(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", "\\x00", None])
def test_what_is_no_key_set_is_not_used(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KeySetError, match=r"keys\.json"):
        load_key_set(path)


def test_a_process_with_an_unusable_key_set_ends_and_says_why(
    doors: Deployment, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [_with_private_part(Issuer.ed25519("a").public())]}))
    finished = _command({**doors.environment(), "HESABU_KEY_SET_FILE": str(path)}, "serve")
    assert finished.returncode == 1
    [line] = finished.stderr.splitlines()
    assert line.startswith(f"Not starting: {path}: every key needs")


def test_a_development_token_says_what_it_is_for(doors: Deployment) -> None:
    subject = uuid4()
    issued = issue_token(
        Settings(data_directory=doors.directory), role=Role.AUDITOR, subject=subject
    )
    said = jwt.decode(issued, options={"verify_signature": False})
    assert said["sub"] == str(subject)
    assert said["role"] == "auditor"
    assert (said["iss"], said["aud"]) == ("hesabu", "hesabu")
    assert said["exp"] - said["iat"] == 12 * HOUR
