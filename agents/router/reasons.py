"""The reasons for which the router leaves something out, or makes a dead letter of it."""

from streams.reasons import Reason

DROPS = (
    Reason("no_op", "the message says that nothing has happened"),
    Reason("no_change", "a change from a value to the same value"),
    Reason("unreadable_time", "the event has no time that can be read, nor its message"),
    Reason("snapshots_never", "attributes beside events; `ROUTER_SNAPSHOTS` is `never`"),
    Reason("snapshots_unchanged", "attributes beside events that were routed before"),
    Reason("snapshots_overtaken", "attributes older than those that were routed before"),
)
DEAD_LETTERS = (
    Reason("not_utf8", "the bytes are no text: somebody else writes to the topic"),
    Reason("not_json", "the text is no JSON: somebody else writes to the topic"),
    Reason("too_deep", "nested deeper than 100"),
    Reason("too_many_values", "of more values than a message may have"),
    Reason("too_many_parts", "of more parts than `ROUTER_MAX_PARTS`"),
    Reason("too_much_growth", "its records would be larger than `ROUTER_MAX_GROWTH`"),
    Reason("set_aside", "`ROUTER_DEAD_LETTER_OFFSETS` names it"),
    Reason("bad_message", "the frame: `events` is no list, an audience has no id"),
    Reason("bad_event", "one event: no type, no name, a wrong structure"),
    Reason("bad_id", "an id is no whole number and no text, or too long"),
    Reason("bad_identity", "one identity; the rest of the message went on without it"),
    Reason("bad_profile", "one profile of an audience message"),
    Reason("bad_audience", "one audience of a profile"),
    Reason("bad_attribute", "one attribute that is shared on an audience"),
    Reason("bad_notification", "one system notification, or of an unknown type"),
    Reason("record_too_large", "one record that its topic would not take"),
    Reason("unknown_message", "neither a type nor what batches have: it is not for us"),
    Reason("alias_request", "joins two users at mParticle, which is not supported"),
    Reason("other_output", "a record of another of mParticle's outputs"),
    Reason("router_fault", "a bug of ours: go back a version, and report it"),
)
