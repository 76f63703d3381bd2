"""Asking a service over HTTP: an answer of bounded size, or a name for why there is none.

Whatever a service, a proxy or a stranger at its address sends, nothing here raises but FencedError.
"""

import urllib.request
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, ClassVar, Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson
from pydantic import Field, PositiveInt, SecretStr, field_validator, model_validator
from yarl import URL

from streams import clocks, tls
from streams.addresses import is_loopback, split_url
from streams.base_settings import Settings
from streams.fencing import guarded
from streams.outcomes import Misconfigured, RetryRecord, Transient

# Answers are a few hundred bytes; a wrong host may send anything, and a few bytes of gzip unpack
# to any number.
MOST_ANSWER_BYTES = 256 * 1024
MOST_WAIT_SECONDS = 3600.0
"""However long a service asks to wait, after this it is asked again."""
# Counts and unix times have fewer digits, also in nanoseconds.
_MAX_DIGITS = 19
_MAX_DATE_CHARACTERS = 64
# What may stand before the first mark of a page.
_BLANK = b"\xef\xbb\xbf \t\r\n"

# The request was never sent.
UNREACHABLE = RetryRecord("unreachable")
TLS_FAILED = RetryRecord("tls_failed")
PROXY_UNREACHABLE = RetryRecord("proxy_unreachable")
NOT_SENT = (UNREACHABLE, TLS_FAILED, PROXY_UNREACHABLE)
# The request may have taken effect all the same.
TIMED_OUT = RetryRecord("timed_out")
UNREADABLE = RetryRecord("unreadable_answer")
CONNECTION_LOST = RetryRecord("connection_lost")

_TO_DO: Mapping[tls.Fault, str] = {
    "untrusted": "Set {ssl_cafile} to the certificate of who signs for {host}, if that authority "
    "is one of yours or a proxy's",
    "expired": "Have whoever runs {host} renew its certificate, or set this machine's clock",
    "not_yet_valid": "Set this machine's clock, or have whoever runs {host} mend its certificate",
    "wrong_name": "Set {addresses} to the name that the certificate of {host} is for",
    "no_tls": "Check port and https:// of {host} in {addresses}",
    "too_old": "Have whoever runs {host} switch on TLS 1.2 or newer",
    "client_certificate": "Ask whoever runs {host} to let this client in without a certificate",
}


class Answer(NamedTuple):
    """A service's answer; headers of any case, and of the body no more than is ever of use.

    `took` is how long it took, in seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """A way out of the network; only `address` may be shown."""

    address: str
    login: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises ValueError with a sentence that does not repeat the URL."""
        sentence = "use a URL such as http://proxy.example:3128 or http://user:password@host:port"
        parts = split_url(url if "//" in url else f"http://{url}", sentence)
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError(sentence)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = parts.port or (443 if parts.scheme == "https" else 80)
        login = None
        if parts.username is not None:
            name, password = unquote(parts.username), unquote(parts.password or "")
            try:
                login = aiohttp.encode_basic_auth(name, password, encoding="utf-8")
            except ValueError:
                raise ValueError(sentence) from None
        return cls(f"{parts.scheme}://{host}:{port}", login)

    @property
    def tells_its_login(self) -> bool:
        """Returns whether who listens on the way to the proxy reads the password."""
        parts = urlsplit(self.address)
        return bool(self.login) and parts.scheme == "http" and not is_loopback(parts.hostname)


class HttpSettings(Settings):
    """The settings by which a service is reached; subclasses name their URLs in `addresses`."""

    addresses: ClassVar[tuple[str, ...]] = ()

    timeout_s: float = Field(10, gt=0, le=300, description="how long one request may take")
    max_concurrent_requests: PositiveInt = Field(
        32, description="most requests in flight from one worker"
    )
    ssl_cafile: tls.CaFile | None = Field(
        None,
        description="certificates, in PEM form, of authorities to trust besides the system's, such "
        "as that of a proxy that looks into TLS",
    )
    proxy: SecretStr | None = Field(
        None,
        description="proxy to go out by, such as http://proxy.example:3128, with user:password@ "
        "before the host if it needs them; unless set HTTPS_PROXY, except for what NO_PROXY names",
    )
    clear_text: Literal["refuse", "allow"] = Field(
        "refuse",
        description="allow: keys and personal data may go to an http:// address of another "
        "machine, and a proxy's password to an http:// proxy; for networks that you trust",
    )

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, proxy: SecretStr | None) -> SecretStr | None:
        if proxy is not None:
            Proxy.parse(proxy.get_secret_value())
        return proxy

    @model_validator(mode="after")
    def _keeps_secrets(self) -> Self:
        allow = f"or set {self.variable('clear_text')}=allow if you trust the network"
        for name in self.addresses:
            url = getattr(self, name)
            if url is None:
                continue
            parts = urlsplit(url)
            is_clear = parts.scheme == "http" and not is_loopback(parts.hostname)
            if is_clear and self.clear_text == "refuse":
                raise ValueError(
                    f"{self.variable(name)}: use an https:// address, since keys and personal data "
                    f"go there, {allow}"
                )
            if (proxy := self.proxy_to(url)) and proxy.tells_its_login:
                self._refuse_password(allow)
        return self

    def _refuse_password(self, allow: str) -> None:
        if self.clear_text == "refuse":
            name = "HTTPS_PROXY" if self.proxy is None else self.variable("proxy")
            raise ValueError(f"{name}: use an https:// proxy, since it needs a password, {allow}")

    def proxy_to(self, url: str) -> Proxy | None:
        """The proxy by which to ask for a URL; raises ValueError where HTTPS_PROXY is no URL."""
        if self.proxy is not None:
            return Proxy.parse(self.proxy.get_secret_value())
        parts = urlsplit(url)
        usual = urllib.request.getproxies_environment().get("https")
        if not usual or parts.scheme != "https" or is_loopback(parts.hostname):
            return None
        if urllib.request.proxy_bypass_environment(parts.netloc):  # type: ignore[attr-defined] # typeshed leaves it out
            return None
        try:
            return Proxy.parse(usual)
        except ValueError as error:
            raise ValueError(f"HTTPS_PROXY: {error}") from None


class Http:
    """One worker's connections to a service."""

    def __init__(self, session: aiohttp.ClientSession, settings: HttpSettings) -> None:
        self._session = session
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: HttpSettings, may_send: Callable[[], bool] = lambda: True
    ) -> AsyncIterator["Http"]:
        """`may_send` is asked before each request goes out; what it refuses is an FencedError."""
        async with aiohttp.ClientSession(
            request_class=guarded(may_send),
            # Requests in flight are the delivery's to limit; a limit here would count waiting for
            # a connection as waiting for the service.
            connector=aiohttp.TCPConnector(
                limit=0, ssl=tls.context(settings.ssl_cafile, besides_system=True)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Unpacked here, where there is a bound.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        ) as session:
            yield cls(session, settings)

    async def request(
        self,
        method: Literal["GET", "POST"],
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | Mapping[str, str] | aiohttp.FormData | None = None,
        timeout_s: float | None = None,
    ) -> Answer | Transient | Misconfigured:
        """`url` is sent as it is written; `timeout_s` is given where the setting's is too short."""
        sent_at = clocks.monotonic()
        proxy = self._settings.proxy_to(url)
        try:
            async with self._session.request(
                method,
                URL(url, encoded=True),
                params=params,
                data=data,
                headers=headers,
                # A redirect would carry the credential to another host, and turn a POST into a GET.
                allow_redirects=False,
                proxy=proxy.address if proxy else None,
                proxy_headers=_login(proxy),
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s or self._settings.timeout_s,
                    sock_connect=self._settings.timeout_s / 2,
                ),
            ) as response:
                packed = await _read(response.content)
                took = clocks.monotonic() - sent_at
        except (aiohttp.ClientError, OSError) as error:
            return self._why(error, url)
        if proxy and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return self._refused_by_proxy(response.status)
        body = _unpacked(packed, response.headers.get("Content-Encoding", ""))
        # Its yes is nobody's: the request has gone no further. Its no is told by the status.
        if is_success(response.status) and _is_of_somebody_between(response.headers, body):
            return UNREADABLE
        return Answer(response.status, response.headers, body, took)

    def _why(self, error: Exception, url: str) -> Transient | Misconfigured:  # noqa: PLR0911 - a line for each way to fail
        match error:
            case aiohttp.ClientHttpProxyError():
                return self._refused_by_proxy(error.status)
            case aiohttp.ClientConnectorCertificateError():
                return self._tls(error.certificate_error, error.host)
            case aiohttp.ClientConnectorSSLError():
                return self._tls(error.os_error, error.host)
            case aiohttp.ClientProxyConnectionError():
                return PROXY_UNREACHABLE
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                return UNREACHABLE
            case TimeoutError():
                return TIMED_OUT
            case aiohttp.InvalidURL():
                return Misconfigured(
                    "invalid_url", f"Check the address of {urlsplit(url).hostname}."
                )
        return CONNECTION_LOST

    def _tls(self, error: BaseException, host: str) -> Transient | Misconfigured:
        trouble = tls.explain(error)
        if trouble is None:
            return TLS_FAILED
        variable = self._settings.variable
        to_do = _TO_DO[trouble.fault].format(
            host=host,
            ssl_cafile=variable("ssl_cafile"),
            addresses=" or ".join(map(variable, self._settings.addresses)),
        )
        return Misconfigured(f"tls_{trouble.fault}", f"{to_do}: {trouble.said}.")

    def _refused_by_proxy(self, status: int) -> Transient | Misconfigured:
        """Returns what a proxy says in place of a way through (RFC 9110, 9.3.6)."""
        own = self._settings.proxy is not None
        name = self._settings.variable("proxy") if own else "HTTPS_PROXY"
        if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return Misconfigured(
                "proxy_login",
                f"Set {name} to a user and password that the proxy takes: it refuses the login "
                "(HTTP 407).",
            )
        if is_transient(status):
            return PROXY_UNREACHABLE
        return Misconfigured(
            "proxy_refused",
            f"Have whoever runs the proxy of {name} let this service through: it refuses (HTTP "
            f"{status}).",
        )


def _login(proxy: Proxy | None) -> Mapping[str, str] | None:
    return {"Proxy-Authorization": proxy.login} if proxy and proxy.login else None


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for part in content.iter_any():
        body += part
        if len(body) >= MOST_ANSWER_BYTES:
            break
    return bytes(body[:MOST_ANSWER_BYTES])


def _unpacked(packed: bytes, encoding: str) -> bytes:
    """The body as it was before its encoding, or nothing where that cannot be undone.

    Nobody was asked to pack it.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return packed
    # Senders disagree on whether deflate has zlib's head (RFC 9110, 8.4.1.2); 47 takes gzip too.
    for bits in (47, -15) if encoding in {"gzip", "x-gzip", "deflate"} else ():
        try:
            return zlib.decompressobj(bits).decompress(packed, MOST_ANSWER_BYTES)
        except zlib.error:
            continue
    return b""


def is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _is_of_somebody_between(headers: Mapping[str, str], body: bytes) -> bool:
    """Returns whether an answer is surely not the API's own.

    AWS WAF accepts a request that it challenges (202, no page for who asks for none), and names
    that in a header; login and maintenance pages come with 200. A content type alone tells nothing:
    servers add text/html to empty answers.
    """
    return "x-amzn-waf-action" in headers or body.lstrip(_BLANK).startswith(b"<")


def is_transient(status: int) -> bool:
    """Tells whether the same request may pass later."""
    known = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
    return status in known or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def is_too_large(status: int) -> bool:
    """Tells whether less of the same may pass, whoever on the way says so."""
    return status in {
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    }


def json_object(body: bytes) -> dict[str, Any] | None:
    """A body's JSON object, or None; texts that are not UTF-8 are read as Latin-1."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            said = orjson.loads(body.decode("latin-1"))
        except orjson.JSONDecodeError:
            return None
    return said if isinstance(said, dict) else None


def whole_number(text: str) -> int | None:
    """A header's number, if it is one that can be meant."""
    text = text.strip()
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if is_number else None


def http_date(text: str) -> float | None:
    """A date in a header, in unix seconds (RFC 9110, 5.6.7)."""
    if len(text) > _MAX_DATE_CHARACTERS:
        return None
    try:
        date = parsedate_to_datetime(text)
        # "-0000" parses without a zone; HTTP dates are GMT.
        return date.timestamp() if date.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that `Retry-After` asks for, in either of its forms (RFC 9110, 10.2.3).

    A date is compared with the answer's own `Date`, so that no clock of ours takes part. No wait is
    longer than MOST_WAIT_SECONDS.
    """
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal():
        # The more digits, the longer: of any number of them the first few tell.
        return min(float(said[:_MAX_DIGITS]), MOST_WAIT_SECONDS)
    until, now = http_date(said), http_date(headers.get("Date", ""))
    if until is None or now is None:
        return None
    return min(max(0.0, until - now), MOST_WAIT_SECONDS)
