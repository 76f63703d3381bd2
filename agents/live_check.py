"""Words for `check --live`: the sentences on what a harmless call to a service found."""

from agents.registry import Finding
from streams.http import HttpSettings
from streams.outcomes import Misconfigured, Outcome, RetryRecord, Throttled, Unavailable


def refused(outcome: Outcome, settings: HttpSettings, url: str, service: str) -> Finding:
    """Says why a call to the URL did not pass, and by which proxy it went, if by any."""
    proxy = settings.proxy_to(url)
    way = f", by way of the proxy {proxy.address}" if proxy else ""
    match outcome:
        case Misconfigured():
            return Finding("wrong", f"{outcome.reason}: {outcome.what_to_do}")
        case RetryRecord() | Throttled() | Unavailable():
            return Finding(
                "wrong",
                f"{outcome.reason}: {url} cannot be asked now{way}; check the address, whether "
                "this machine may reach it, and try again.",
            )
        case _:
            reason = getattr(outcome, "reason", "for no reason that it says")
            return Finding("open", f"{service} refuses the harmless call to {url} ({reason}).")
