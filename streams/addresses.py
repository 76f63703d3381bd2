"""Checks addresses in settings, and tells those that stay on this machine."""

import re
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

_BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_PORT = 65_535


def split_url(url: str, sentence: str) -> SplitResult:
    """Parts of an http or https URL with a host; raises ValueError with the sentence.

    What Python itself says of a wrong URL repeats it, and a password in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(sentence) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(sentence)
    return parts


def _url(url: str) -> str:
    sentence = "use a URL such as https://host, without user, password, ? and #"
    parts = split_url(url, sentence)
    if "@" in parts.netloc or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError(sentence)
    return url.rstrip("/")


def _brokers(servers: str) -> str:
    each = [server.strip() for server in servers.split(",")]
    found = [_BROKER.fullmatch(server) for server in each]
    if not all(match and 0 < int(match[1]) <= _MAX_PORT for match in found):
        raise ValueError(
            "use host:port,host:port, with nothing in front of a host: no user, no password, no //"
        )
    return ",".join(each)


Url = Annotated[str, AfterValidator(_url)]
"""An http or https URL that holds no secret; without a slash at its end."""

Brokers = Annotated[str, AfterValidator(_brokers)]
"""Kafka's `host:port,host:port`, which hold no secret."""


def broker_addresses(servers: str) -> list[tuple[str, int]]:
    """Host and port of each of the `Brokers`."""
    found = []
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        found.append((host.strip("[]"), int(port)))
    return found


def is_loopback(host: str | None) -> bool:
    """Returns whether what is sent to a host never leaves this machine."""
    if host is None:
        return False
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
