"""Keys change while the API runs: from a file, and from what an issuer publishes over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest

from api.key_sets import (
    KEY_SET_BYTES_MAX,
    REFETCH_SECONDS,
    STALE_SECONDS_MAX,
    FileKeySet,
    KeySetError,
    UrlKeySet,
    read_key_set,
    read_published_key_set,
)
from api.settings import Settings
from tests.api.deployment import ApiProcess
from tests.api.issuers import Issuer, claims, write_key_set
from tests.api.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.deployment import Deployment
    from tests.api.documentation import Documentation

FIRST, SECOND, THIRD = (Issuer.ed25519(kid) for kid in ("first", "second", "third"))


def _document(*issuers: Issuer) -> bytes:
    return json.dumps({"keys": [issuer.public() for issuer in issuers]}).encode()


class Publisher:
    """An issuer's HTTP server."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked = 0
        self.delay_seconds = 0.0
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                time.sleep(publisher.delay_seconds)
                status, headers, body = publisher.answers[-1]
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name, text)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def publish(self, *issuers: Issuer) -> None:
        self.answers.append((200, {"content-type": "application/json"}, _document(*issuers)))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher() as running:
        running.publish(FIRST)
        yield running


@contextmanager
def _production(
    doors: Deployment, documentation: Documentation, directory: Path, **settings: str
) -> Iterator[ApiProcess]:
    environment = {
        **doors.environment(),
        "HESABU_TOKEN_ISSUER": "https://issuer.example",
        "HESABU_TOKEN_AUDIENCE": "ledger",
        **settings,
    }
    process = ApiProcess("api-keys", environment, directory, documentation)
    process.start()
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.client.close()
        process.terminate()


def _is_believed(api: ApiProcess, issuer: Issuer, token: str | None = None) -> bool:
    token = token or _token(issuer)
    answer = api.client.get("/api/v1/me", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


def _token(issuer: Issuer) -> str:
    return issuer.sign(claims(iss="https://issuer.example", aud="ledger"))


def test_a_file_is_rotated_without_a_restart(
    doors: Deployment, documentation: Documentation, tmp_path: Path
) -> None:
    path = write_key_set(tmp_path / "keys.json", FIRST)
    settings = {"HESABU_KEY_SET_FILE": str(path), "HESABU_ENVIRONMENT": "production"}
    with _production(doors, documentation, tmp_path, **settings) as api:
        kept = _token(FIRST)
        assert _is_believed(api, FIRST, kept)
        assert not _is_believed(api, SECOND)
        write_key_set(path, FIRST, SECOND)
        wait_until(lambda: _is_believed(api, SECOND), seconds_max=3)
        assert _is_believed(api, FIRST, kept)
        # What cannot be read changes nothing, and is said.
        path.write_text("{")
        wait_until(lambda: "key_set_not_read" in _log_after(api, SECOND), seconds_max=3)
        assert _is_believed(api, FIRST, kept)
        path.unlink()
        time.sleep(1.2)
        assert _is_believed(api, FIRST, kept)
        # A key that is taken away takes its tokens with it, those that were verified before too.
        write_key_set(path, SECOND)
        wait_until(lambda: not _is_believed(api, FIRST, kept), seconds_max=3)
        assert _is_believed(api, SECOND)


def _log_after(api: ApiProcess, issuer: Issuer) -> str:
    _is_believed(api, issuer)
    return api.log_text()


def test_published_keys_are_fetched_for_a_kid_that_is_not_known_once_a_minute(
    doors: Deployment, documentation: Documentation, tmp_path: Path, publisher: Publisher
) -> None:
    with _production(doors, documentation, tmp_path, HESABU_KEY_SET_URL=publisher.url) as api:
        assert _is_believed(api, FIRST)
        assert publisher.asked == 1
        publisher.publish(FIRST, SECOND)
        # The fetch at the start was less than a minute ago: nobody makes us ask again so soon.
        for _ in range(20):
            assert not _is_believed(api, SECOND)
        assert publisher.asked == 1


class Scene:
    """A key set whose clock stands until it is moved."""

    def __init__(self, url: str) -> None:
        self.now = 1_000.0
        self.keys = UrlKeySet(url, clock=lambda: self.now)


def _with_keys(url: str, play: Callable[[Scene], Any]) -> None:
    async def run() -> None:
        scene = Scene(url)
        await scene.keys.open()
        try:
            await play(scene)
        finally:
            await scene.keys.close()

    asyncio.run(run())


def test_a_new_key_is_found_a_minute_later_and_a_hundred_who_ask_cost_one_fetch(
    publisher: Publisher,
) -> None:
    async def play(scene: Scene) -> None:
        assert await scene.keys.look_again("second") is None
        publisher.publish(SECOND)
        publisher.delay_seconds = 0.2
        scene.now += REFETCH_SECONDS
        asked = publisher.asked
        found = await asyncio.gather(*(scene.keys.look_again("second") for _ in range(100)))
        assert all(found)
        assert publisher.asked == asked + 1
        # What is published no more is believed no more.
        assert scene.keys.get("first") is None
        for kid in ("third", "fourth", ""):
            assert await scene.keys.look_again(kid) is None
        assert publisher.asked == asked + 1

    _with_keys(publisher.url, play)


@pytest.mark.parametrize(
    "answer",
    [
        (500, {}, b""),
        (404, {}, _document(SECOND)),
        (301, {"location": "http://127.0.0.1:1/"}, b""),
        (200, {}, b""),
        (200, {}, b"[]"),
        (200, {}, b'{"keys": []}'),
        (200, {}, b'{"keys": 7}'),
        (200, {}, b'{"keys": [7]}'),
        (200, {}, b"\xff\xfe"),
        (200, {}, _document(SECOND) + b" " * KEY_SET_BYTES_MAX),
    ],
)
def test_what_is_no_key_set_leaves_the_keys_of_before(
    publisher: Publisher, answer: tuple[int, dict[str, str], bytes]
) -> None:
    async def play(scene: Scene) -> None:
        version = scene.keys.version
        publisher.answers.append(answer)
        scene.now += REFETCH_SECONDS
        assert await scene.keys.look_again("second") is None
        assert scene.keys.get("first") is not None
        assert scene.keys.version == version
        # For a day, and no longer.
        scene.now += STALE_SECONDS_MAX
        assert scene.keys.get("first") is None
        assert scene.keys.version != version

    _with_keys(publisher.url, play)


def test_a_redirect_is_not_followed(publisher: Publisher) -> None:
    with Publisher() as elsewhere:
        elsewhere.publish(SECOND)
        publisher.answers.append((302, {"location": elsewhere.url}, b""))
        with pytest.raises(KeySetError, match="answered 302"):
            asyncio.run(UrlKeySet(publisher.url).open())
        assert elsewhere.asked == 0


def test_nobody_is_let_in_by_keys_that_were_never_fetched() -> None:
    with pytest.raises(KeySetError, match="cannot be fetched"):
        asyncio.run(UrlKeySet("http://127.0.0.1:1/keys").open())


def test_of_what_others_publish_only_what_is_for_us_is_taken() -> None:
    without = {name: text for name, text in FIRST.public().items() if name != "alg"}
    rsa, elliptic = Issuer.rs256("rsa"), Issuer.es256("elliptic")
    keys = [
        without,
        elliptic.public(),
        rsa.public(),
        {**SECOND.public(), "use": "enc"},
        {**SECOND.public(), "kid": ""},
        {**rsa.public(), "kid": "pss", "alg": "PS256"},
        {**rsa.public(), "kid": "no-algorithm", "alg": None},
        {**rsa.public(), "kid": "confused", "alg": "ES256"},
        {**elliptic.public(), "kid": "symmetric", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kid": "broken", "kty": "OKP", "crv": "Ed25519", "x": "AA"},
        {"kid": "broken too", "kty": "RSA", "alg": "RS256", "n": "!", "e": "AQAB"},
    ]
    found = read_published_key_set("there", json.dumps({"keys": keys}))
    assert {kid: key.algorithm for kid, key in found.items()} == {
        "first": "EdDSA",
        "elliptic": "ES256",
        "rsa": "RS256",
    }


def test_a_key_is_only_taken_for_an_algorithm_that_it_suits() -> None:
    rsa = Issuer.rs256("rsa").public()
    for confused in ({**rsa, "alg": "ES256"}, {**rsa, "alg": "EdDSA"}, {**rsa, "alg": "HS256"}):
        with pytest.raises(KeySetError):
            read_key_set("here", json.dumps({"keys": [confused]}))


def test_a_file_is_looked_at_once_a_second_at_most(tmp_path: Path) -> None:
    path = write_key_set(tmp_path / "keys.json", FIRST)
    keys = FileKeySet(path, look_seconds=3600)
    write_key_set(path, SECOND)
    assert keys.get("second") is None
    assert FileKeySet(path, look_seconds=0).get("second") is not None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HESABU_KEY_SET_URL": "http://issuer.example/keys"}, "must begin with https:"),
        ({"HESABU_KEY_SET_URL": "ftp://issuer.example/keys"}, "HESABU_KEY_SET_URL|key_set_url"),
        (
            {"HESABU_KEY_SET_URL": "https://issuer.example/keys", "HESABU_KEY_SET_FILE": "keys"},
            "not set together",
        ),
    ],
)
def test_where_keys_come_from_is_said_exactly(
    settings: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "HESABU_ENVIRONMENT": "production",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/nothing",
        **settings,
    }.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(ValueError, match=reason):
        Settings()
