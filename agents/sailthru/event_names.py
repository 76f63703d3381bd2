"""Names of events, as Sailthru takes them. Pure.

Source: page "event" of the API documentation (getstarted.meetmarigold.com).
"""

_OURS = "mp_"
_CUSTOM = "custom_"
# Sailthru answers these with HTTP 400.
_RESERVED = frozenset({"send", "cancel", "open", "click", "purchase", "daily"})


def event_name(kind: str, name: str) -> str:
    """Returns what an event is called, so that no two kinds ever share a name.

    mParticle's own kinds begin with `mp_`. A custom event keeps its name, without outer spaces;
    where that is Sailthru's, or looks like one of ours, it begins with `custom_`.
    """
    if kind != "custom_event":
        return f"{_OURS}{name}"
    own = name.strip()
    if not own:
        return f"{_OURS}{kind}"
    bare = own.casefold()
    while bare.startswith(_CUSTOM):
        # One that is called custom_open must not meet the one that is called open.
        bare = bare.removeprefix(_CUSTOM)
    return f"{_CUSTOM}{own}" if bare in _RESERVED or bare.startswith(_OURS) else own
