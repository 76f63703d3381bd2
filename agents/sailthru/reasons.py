"""The reasons of Sailthru's sink alone: to leave a record out, or not to be able to deliver it."""

from streams.reasons import Reason

DROPS = (
    Reason("attribute_not_allowed", "`SAILTHRU_ATTRIBUTES_ALLOW` names none of its"),
    Reason("attribute_denied", "`SAILTHRU_ATTRIBUTES_DENY` names all of its"),
    Reason("nothing_to_send", "an update of nothing that Sailthru keeps"),
    Reason("event_not_allowed", "`SAILTHRU_EVENTS_ALLOW` does not name it"),
    Reason("event_denied", "`SAILTHRU_EVENTS_DENY` names it"),
    Reason(
        "event_kind_not_named",
        "of a private kind, which `SAILTHRU_EVENTS_ALLOW` has to name outright",
    ),
    Reason("too_old", "it happened before `SAILTHRU_EVENT_MAX_AGE_DAYS`"),
    Reason("no_identity", "nobody is found by it; `SAILTHRU_NO_IDENTITY` is `drop`"),
    Reason("identity_not_used", "an identity that is no key; `SAILTHRU_KEYS_FROM`"),
    Reason("audience_disconnected", "the list stays, as campaigns may use it"),
    Reason("list_is_there", "the audience's list was made before"),
)
DEAD_LETTERS = (
    Reason("bad_request", "a required parameter is missing (error 2)"),
    Reason("bad_text", "a text is not valid UTF-8 (errors 6, 42)"),
    Reason("invalid_email", "not an e-mail address (error 11)"),
    Reason("invalid_time", "a time that is not understood (error 18)"),
    Reason("recipient_refused", "the user has opted out, or cannot be mailed"),
    Reason("key_conflict", "a key belongs to another profile"),
    Reason("refused", "refused for another reason: `detail` has the error and status"),
    Reason("unknown_effect", "no answer; `SAILTHRU_EVENT_DELIVERY_GUARANTEE` is `at_most_once`"),
    Reason("incomplete_purchase", "a purchase without what Sailthru requires of one"),
    Reason("no_audience_name", "an audience whose name nobody has told"),
    Reason("too_many_lists", "the account has as many lists as it may"),
    Reason("no_identity", "nobody is found by it; `SAILTHRU_NO_IDENTITY` says so"),
)
