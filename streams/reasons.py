"""Why records end without being delivered: all reasons, and what each means.

`python -m streams.reasons > docs/reasons.md` makes the page of it; a test holds that the code knows
these and no others. A reason is a label of metrics and a field of dead letters, so it never changes
its meaning.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple


class Reason(NamedTuple):
    """`stages` are the workers that give it, `says` what it means and what to look at."""

    name: str
    stages: tuple[str, ...]
    says: str


_ROUTER = ("router",)
_SAILTHRU = ("sailthru",)
_AB_TASTY = ("ab-tasty",)
_SINKS = ("sailthru", "ab-tasty")

DROPS = (
    Reason("no_op", _ROUTER, "the message says that nothing has happened"),
    Reason("no_change", _ROUTER, "a change from a value to the same value"),
    Reason("unreadable_time", _ROUTER, "the event has no time that can be read, nor its message"),
    Reason("snapshots_never", _ROUTER, "attributes beside events; `ROUTER_SNAPSHOTS` is `never`"),
    Reason("snapshots_unchanged", _ROUTER, "attributes beside events that were routed before"),
    Reason("snapshots_overtaken", _ROUTER, "attributes older than those that were routed before"),
    Reason("redriven_elsewhere", _SINKS, "sent again for another destination"),
    Reason("stale", _SINKS, "a membership older than one of the same user and audience"),
    Reason("overtaken", _SINKS, "an update that a router wrote late, after newer ones"),
    Reason("development", _SINKS, "mParticle's development data; `…_DEVELOPMENT_DATA`"),
    Reason("account_not_allowed", _SINKS, "`…_ACCOUNTS_ALLOW` does not name its account"),
    Reason("account_denied", _SINKS, "`…_ACCOUNTS_DENY` names its account"),
    Reason("audience_not_allowed", _SINKS, "`…_AUDIENCES_ALLOW` does not name its audience"),
    Reason("audience_denied", _SINKS, "`…_AUDIENCES_DENY` names its audience"),
    Reason("not_needed", _SINKS, "the destination has no use for it"),
    Reason("attribute_not_allowed", _SAILTHRU, "`SAILTHRU_ATTRIBUTES_ALLOW` names none of its"),
    Reason("attribute_denied", _SAILTHRU, "`SAILTHRU_ATTRIBUTES_DENY` names all of its"),
    Reason("nothing_to_send", _SAILTHRU, "an update of nothing that Sailthru keeps"),
    Reason("event_not_allowed", _SAILTHRU, "`SAILTHRU_EVENTS_ALLOW` does not name it"),
    Reason("event_denied", _SAILTHRU, "`SAILTHRU_EVENTS_DENY` names it"),
    Reason(
        "event_kind_not_named",
        _SAILTHRU,
        "of a private kind, which `SAILTHRU_EVENTS_ALLOW` has to name outright",
    ),
    Reason("too_old", _SAILTHRU, "it happened before `SAILTHRU_EVENT_MAX_AGE_DAYS`"),
    Reason("no_identity", _SAILTHRU, "nobody is found by it; `SAILTHRU_NO_IDENTITY` is `drop`"),
    Reason("identity_not_used", _SAILTHRU, "an identity that is no key; `SAILTHRU_KEYS_FROM`"),
    Reason("audience_disconnected", _SAILTHRU, "the list stays, as campaigns may use it"),
    Reason("list_is_there", _SAILTHRU, "the audience's list was made before"),
    Reason("leave_skipped", _AB_TASTY, "`ABTASTY_DELETE_STRATEGY` is `skip`"),
    Reason("no_visitor_id", _AB_TASTY, "no visitor; `ABTASTY_NO_VISITOR_ID` is `drop`"),
)
"""Left out on purpose: `mparticle_streams_records_dropped_total` counts them."""

DEAD_LETTERS = (
    Reason("not_utf8", _ROUTER, "the bytes are no text: somebody else writes to the topic"),
    Reason("not_json", _ROUTER, "the text is no JSON: somebody else writes to the topic"),
    Reason("too_deep", _ROUTER, "nested deeper than 100"),
    Reason("too_many_values", _ROUTER, "of more values than a message may have"),
    Reason("too_many_parts", _ROUTER, "of more parts than `ROUTER_MAX_PARTS`"),
    Reason("too_much_growth", _ROUTER, "its records would be larger than `ROUTER_MAX_GROWTH`"),
    Reason("set_aside", _ROUTER, "`ROUTER_DEAD_LETTER_OFFSETS` names it"),
    Reason("bad_message", _ROUTER, "the frame: `events` is no list, an audience has no id"),
    Reason("bad_event", _ROUTER, "one event: no type, no name, a wrong structure"),
    Reason("bad_id", _ROUTER, "an id is no whole number and no text, or too long"),
    Reason("bad_identity", _ROUTER, "one identity; the rest of the message went on without it"),
    Reason("bad_profile", _ROUTER, "one profile of an audience message"),
    Reason("bad_audience", _ROUTER, "one audience of a profile"),
    Reason("bad_attribute", _ROUTER, "one attribute that is shared on an audience"),
    Reason("bad_notification", _ROUTER, "one system notification, or of an unknown type"),
    Reason("record_too_large", _ROUTER, "one record that its topic would not take"),
    Reason("unknown_message", _ROUTER, "neither a type nor events: it is not for us"),
    Reason("alias_request", _ROUTER, "joins two users at mParticle, which is not supported"),
    Reason("other_output", _ROUTER, "a record of another of mParticle's outputs"),
    Reason("router_fault", _ROUTER, "a bug of ours: go back a version, and report it"),
    Reason("invalid_record", _SINKS, "no record of ours: somebody else writes to the topic"),
    Reason("mapping_error", _SINKS, "a bug of ours: go back a version, and report it"),
    Reason("retries_exhausted", _SINKS, "it failed for 15 minutes while others passed"),
    Reason("too_large", _SINKS, "one record that is larger than a request may be"),
    Reason("bad_request", _SAILTHRU, "a required parameter is missing (error 2)"),
    Reason("bad_text", _SAILTHRU, "a text is not valid UTF-8 (errors 6, 42)"),
    Reason("invalid_email", _SAILTHRU, "not an e-mail address (error 11)"),
    Reason("invalid_time", _SAILTHRU, "a time that is not understood (error 18)"),
    Reason("recipient_refused", _SAILTHRU, "the user has opted out, or cannot be mailed"),
    Reason("key_conflict", _SAILTHRU, "a key belongs to another profile"),
    Reason("refused", _SAILTHRU, "refused for another reason: `detail` has the error and status"),
    Reason(
        "unknown_effect",
        _SAILTHRU,
        "no answer; `SAILTHRU_EVENT_DELIVERY_GUARANTEE` is `at_most_once`",
    ),
    Reason("incomplete_purchase", _SAILTHRU, "a purchase without what Sailthru requires of one"),
    Reason("no_audience_name", _SAILTHRU, "an audience whose name nobody has told"),
    Reason("too_many_lists", _SAILTHRU, "the account has as many lists as it may"),
    Reason("no_identity", _SAILTHRU, "nobody is found by it; `SAILTHRU_NO_IDENTITY` says so"),
    Reason("refused_rows", _AB_TASTY, "rows that AB Tasty does not take"),
    Reason("visitor_id", _AB_TASTY, "no id that AB Tasty takes; `ABTASTY_IDENTITY`"),
    Reason("no_visitor_id", _AB_TASTY, "no visitor; `ABTASTY_NO_VISITOR_ID` says so"),
    Reason("audience_id", _AB_TASTY, "mode `firehose`: an audience id that is no number"),
    Reason("audience_unknown", _AB_TASTY, "an audience whose name nobody has told"),
)
"""Can never pass: they wait in `dead-letters`, and `mparticle_streams_dead_letters_total` counts
them."""


def unknown(name: str) -> str | None:
    """Why no dead letter has that reason; None where some may."""
    names = sorted({each.name for each in DEAD_LETTERS})
    if name in names:
        return None
    near = get_close_matches(name, names, n=3)
    there = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(names)}."
    return f"No dead letter has the reason {name}: {there}"


def _markdown() -> Iterator[str]:
    yield "# Reasons"
    yield ""
    yield "Why a record ends without being delivered: a label of metrics, a field of dead letters,"
    yield "and what `--reason` of `dead-letters` goes by. This page is made of"
    yield "[streams/reasons.py](../streams/reasons.py):"
    yield "`python -m streams.reasons > docs/reasons.md`."
    for title, says, reasons in (
        (
            "Left out",
            "On purpose, counted by `mparticle_streams_records_dropped_total` under `reason`.",
            DROPS,
        ),
        (
            "Dead letters",
            "What can never pass. Once the cause is mended, it can be sent again.",
            DEAD_LETTERS,
        ),
    ):
        yield ""
        yield f"## {title}"
        yield ""
        yield says
        yield ""
        yield "| reason | at | meaning, and what to look at |"
        yield "|---|---|---|"
        for each in reasons:
            yield f"| `{each.name}` | {', '.join(each.stages)} | {each.says} |"


def markdown() -> str:
    """The page of the documentation."""
    return "\n".join(_markdown()) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 - the page itself
