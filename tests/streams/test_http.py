"""Whatever is at a service's address: an answer of bounded size, or a name for what is wrong."""

import resource
import ssl
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from sandbox.egress import EgressProxy
from sandbox.faults import Answer as AnswerFault
from sandbox.faults import Bomb, Fault, Flood, Raw
from sandbox.ports import HOST
from sandbox.sailthru import Sailthru
from sandbox.server import running
from streams.addresses import Url
from streams.base_settings import SettingsError
from streams.http import (
    CONNECTION_LOST,
    MOST_ANSWER_BYTES,
    MOST_WAIT_SECONDS,
    PROXY_UNREACHABLE,
    Answer,
    Http,
    HttpSettings,
    retry_after,
)
from streams.outcomes import Misconfigured, Transient
from tests.streams.properties import SMALL

NOW = datetime.now(UTC)
PASSWORD = "not-a-real-password"


class Service(HttpSettings):
    """A service that is asked at `url`."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")
    addresses = ("url",)

    url: Url = "https://api.shop.example"


async def ask(url: str, **chosen: Any) -> Answer | Transient | Misconfigured:
    async with Http.open(Service(**{"timeout_s": 60, **chosen})) as http:
        return await http.request("GET", f"{url}/settings")


@asynccontextmanager
async def answering(*faults: Fault, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async with running(Sailthru(faults=faults).app(), tls=tls) as url:
        yield url


# -- size


@pytest.mark.parametrize("status", [200, 413, 502])
async def test_a_few_bytes_that_unpack_to_400_mb_are_not_unpacked(status: int) -> None:
    async with (
        answering(Bomb(status=status, unpacked=400_000_000)) as url,
        Http.open(Service(timeout_s=60)) as http,
    ):
        # Once without a measure, for what is kept of a first time.
        await http.request("GET", f"{url}/user")
        tracemalloc.start()
        before = _most_resident()
        answer = await http.request("GET", f"{url}/user")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert isinstance(answer, Answer)
    assert answer.status == status
    assert len(answer.body) <= MOST_ANSWER_BYTES
    assert most < 16 * 1024 * 1024
    assert _most_resident() - before < 32 * 1024 * 1024


def _most_resident() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


async def test_a_body_without_an_end_is_cut() -> None:
    async with answering(Flood()) as url:
        answer = await ask(url)
    assert isinstance(answer, Answer)
    assert len(answer.body) == MOST_ANSWER_BYTES


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "deflate", "gzip, gzip", "½"])
async def test_what_cannot_be_unpacked_is_an_answer_without_a_body(encoding: str) -> None:
    fault = Raw(
        text=f"HTTP/1.1 503 Busy\r\nContent-Encoding: {encoding}\r\nContent-Length: 3\r\n\r\n\x01ab"
    )
    async with answering(fault) as url:
        answer = await ask(url)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (503, b"")


async def test_what_was_packed_unasked_is_unpacked() -> None:
    async with answering(Bomb(unpacked=7)) as url:
        answer = await ask(url)
    assert isinstance(answer, Answer)
    assert answer.body == b" " * 7


# -- what no server of HTTP sends

_LINES = st.text(st.characters(codec="latin-1"), max_size=60) | st.sampled_from(
    [
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Encoding: gzip",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Set-Cookie: \x00=\x01; expires=99999999",
        "Location: http://[::1",
        "Retry-After: " + "9" * 400,
        "X-Rate-Limit-Limit: " + "7" * 5_000,
        "Date: Mon, 05 Jan 99999999 10:00:00 GMT",
        "X: " + "x" * 100_000,
        "Connection: upgrade",
        "Content-Type: ;;;=\xff",
    ]
)
_FIRST = st.sampled_from(
    ["HTTP/1.1 200 OK", "HTTP/1.1 429 \xff", "HTTP/1.1 99999 No", "HTTP/9.9 200", "SSH-2.0-x", ""]
)


@given(_FIRST, st.lists(_LINES, max_size=5), st.binary(max_size=200))
@SMALL
async def test_whatever_comes_is_an_answer_or_has_a_name(
    first: str, lines: Iterable[str], body: bytes
) -> None:
    text = "\r\n".join([first, *lines]) + "\r\n\r\n" + body.decode("latin-1")
    async with answering(Raw(text=text)) as url:
        answer = await ask(url, timeout_s=0.3)
    assert isinstance(answer, Answer | Transient)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("9" * 400, MOST_WAIT_SECONDS),
        ("978307200", MOST_WAIT_SECONDS),
        ("Fri, 01 Jan 2027 10:00:00 GMT", MOST_WAIT_SECONDS),
        ("Thu, 01 Jan 99999999 10:02:00 GMT", None),
        ("Thu, 01 Jan 2026 10:02:00 -9999999", None),
        ("Thu, 01 Jan 2026 10:02:00 GMT", 120.0),
        ("\N{SUPERSCRIPT TWO}", None),
        ("", None),
    ],
)
def test_no_wait_is_longer_than_an_hour(said: str, seconds: float | None) -> None:
    headers = {"Date": "Thu, 01 Jan 2026 10:00:00 GMT", "Retry-After": said}
    assert retry_after(headers) == seconds


async def test_a_cookie_that_is_none_is_in_no_line_of_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cookie = "Set-Cookie: name of ann@shop.example=1"
    fault = Raw(text=f"HTTP/1.1 200 OK\r\n{cookie}\r\nContent-Length: 0\r\n\r\n")
    async with answering(fault) as url:
        assert isinstance(await ask(url), Answer)
    assert "ann@shop.example" not in caplog.text


# -- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


def served_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


async def test_an_authority_of_ones_own_is_trusted_once_it_is_named(
    authority: trustme.CA, ca_file: Path
) -> None:
    async with answering(tls=served_with(authority.issue_cert(HOST))) as url:
        answer = await ask(url, ssl_cafile=ca_file)
    assert isinstance(answer, Answer)


CERTIFICATES: Mapping[str, Mapping[str, Any]] = {
    "tls_expired": {"not_after": NOW - timedelta(days=1), "not_before": NOW - timedelta(days=9)},
    "tls_not_yet_valid": {"not_before": NOW + timedelta(days=1)},
    "tls_wrong_name": {"name": "api.elsewhere.example"},
}


@pytest.mark.parametrize("reason", CERTIFICATES)
async def test_a_wrong_certificate_is_told_by_what_is_wrong_with_it(
    authority: trustme.CA, ca_file: Path, reason: str
) -> None:
    fields = dict(CERTIFICATES[reason])
    certificate = authority.issue_cert(fields.pop("name", HOST), **fields)
    async with answering(tls=served_with(certificate)) as url:
        outcome = await ask(url, ssl_cafile=ca_file)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == reason
    assert HOST in outcome.what_to_do


async def test_an_authority_that_nobody_trusts_is_named_with_the_setting_to_set(
    authority: trustme.CA,
) -> None:
    async with answering(tls=served_with(authority.issue_cert(HOST))) as url:
        outcome = await ask(url)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "tls_untrusted"
    assert "SHOP_SSL_CAFILE" in outcome.what_to_do


async def test_a_server_without_tls_is_named_so() -> None:
    async with answering() as url:
        outcome = await ask(url.replace("http://", "https://"))
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason == "tls_no_tls"


@pytest.mark.parametrize("holds", ["", "not a certificate"])
def test_a_file_without_certificates_is_refused_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holds: str
) -> None:
    path = tmp_path / "authority.pem"
    path.write_text(holds)
    monkeypatch.setenv("SHOP_SSL_CAFILE", str(path))
    with pytest.raises(
        SettingsError, match=r"^SHOP_SSL_CAFILE: use a readable file of certificates"
    ):
        Service.load()


# -- a proxy


async def test_a_proxy_is_gone_out_by_with_its_login(authority: trustme.CA, ca_file: Path) -> None:
    async with (
        answering(tls=served_with(authority.issue_cert("api.shop.example"))) as url,
        EgressProxy(
            names={"api.shop.example": int(url.rpartition(":")[2])}, logins=[f"ann:{PASSWORD}!"]
        ) as proxy,
    ):
        way = f"http://ann:{PASSWORD}%21@{HOST}:{proxy.port}"
        answer = await ask("https://api.shop.example", ssl_cafile=ca_file, proxy=way)
    assert isinstance(answer, Answer)
    assert proxy.asked == ["api.shop.example:443"]


async def test_a_proxy_that_speaks_tls_itself_is_gone_out_by(
    authority: trustme.CA, ca_file: Path
) -> None:
    async with (
        answering(tls=served_with(authority.issue_cert("api.shop.example"))) as url,
        EgressProxy(
            names={"api.shop.example": int(url.rpartition(":")[2])},
            tls=served_with(authority.issue_cert(HOST)),
        ) as proxy,
    ):
        way = f"https://{HOST}:{proxy.port}"
        answer = await ask("https://api.shop.example", ssl_cafile=ca_file, proxy=way)
    assert isinstance(answer, Answer)


async def test_the_usual_variable_names_the_proxy_unless_the_host_is_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with EgressProxy(refuses=403) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{HOST}:{proxy.port}")
        outcome = await ask("https://api.shop.example")
        assert isinstance(outcome, Misconfigured)
        assert "HTTPS_PROXY" in outcome.what_to_do
        monkeypatch.setenv("NO_PROXY", "shop.example")
        assert Service().proxy_to("https://api.shop.example") is None
    assert proxy.asked == ["api.shop.example:443"]


@pytest.mark.parametrize(
    ("refuses", "reason"), [(403, "proxy_refused"), (407, "proxy_login"), (502, None), (504, None)]
)
async def test_a_proxy_that_refuses_is_told_from_the_service(
    refuses: int, reason: str | None
) -> None:
    async with EgressProxy(refuses=refuses) as proxy:
        way = f"http://ann:{PASSWORD}@{HOST}:{proxy.port}"
        outcome = await ask("https://api.shop.example", proxy=way)
    if reason is None:
        assert outcome == PROXY_UNREACHABLE
    else:
        assert isinstance(outcome, Misconfigured)
        assert outcome.reason == reason
        assert "SHOP_PROXY" in outcome.what_to_do
    assert PASSWORD not in repr(outcome)


async def test_a_proxy_that_is_away_is_told_from_the_service() -> None:
    async with EgressProxy() as gone:
        pass
    outcome = await ask("https://api.shop.example", proxy=f"http://{HOST}:{gone.port}")
    assert outcome == PROXY_UNREACHABLE


@pytest.mark.parametrize(
    "url",
    [
        f"socks5://ann:{PASSWORD}@proxy.example",
        f"http://ann:{PASSWORD}@",
        f"http://ann:{PASSWORD}@proxy.example:port",
        f"http://ann:{PASSWORD}@proxy.example/path",
        f"http://a%3Ann:{PASSWORD}@proxy.example",
        f"http://ann:{PASSWORD}%ED%A0%80\udc80@proxy.example",
        f"http://ann:{PASSWORD}\N{CARE OF}proxy.example",
        f"http://ann:{PASSWORD}@proxy.example:3128",
    ],
)
@pytest.mark.parametrize("variable", ["SHOP_PROXY", "HTTPS_PROXY"])
def test_no_proxy_is_ever_shown(monkeypatch: pytest.MonkeyPatch, variable: str, url: str) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(SettingsError) as error:
        Service.load()
    assert variable in str(error.value)
    assert PASSWORD not in str(error.value)
    monkeypatch.setenv("SHOP_CLEAR_TEXT", "allow")
    if url.endswith(":3128"):
        assert PASSWORD not in repr(Service.load()) + repr(Service.load().proxy_to(Service().url))


# -- clear text and user info


@pytest.mark.parametrize(
    "url",
    [
        "http://api.shop.example",
        "http://10.0.0.7:8080",
        "http://localhost.shop.example",
        "http://[fe80::1]",
    ],
)
def test_keys_go_to_no_other_machine_in_clear_unless_a_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SettingsError, match=r"^SHOP_URL: use an https:// .* SHOP_CLEAR_TEXT=allow"):
        Service.load()
    monkeypatch.setenv("SHOP_CLEAR_TEXT", "allow")
    assert Service.load().url == url


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "https://a.example"],
)
def test_what_stays_on_this_machine_or_is_encrypted_needs_no_setting(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    assert Service.load().url == url


@pytest.mark.parametrize(
    "url",
    [
        f"https://ann:{PASSWORD}@api.shop.example",
        f"https://{PASSWORD}@api.shop.example",
        f"https://api.shop.example/?key={PASSWORD}",
        f"https://api.shop.example/#{PASSWORD}",
        f"https://ann:{PASSWORD}\N{CARE OF}api.shop.example",
        f"https://[{PASSWORD}",
        f"ftp://ann:{PASSWORD}@api.shop.example",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SHOP_URL", url)
    with pytest.raises(SettingsError) as error:
        Service.load()
    assert str(error.value) == (
        "SHOP_URL: use a URL such as https://host, without user, password, ? and #."
    )


@given(
    st.text(max_size=30)
    | st.text(max_size=30).map(lambda rest: f"https://{rest}")
    | st.tuples(st.text(max_size=9), st.text(max_size=9)).map("http://ann:{0[0]}@{0[1]}".format)
)
@SMALL
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(ValidationError):
        assert "@" not in urlsplit(Service(url=text, clear_text="allow").url).netloc


async def test_a_connection_that_is_cut_is_lost() -> None:
    async with answering(Raw(text="")) as url:
        assert await ask(url) == CONNECTION_LOST


async def test_a_page_of_a_proxy_is_an_answer() -> None:
    page = AnswerFault(status=413, body="<html>413</html>", headers={"Content-Type": "text/html"})
    async with answering(page) as url:
        answer = await ask(url)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.body) == (413, b"<html>413</html>")
