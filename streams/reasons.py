"""Reasons why records end undelivered: what one is, and those that all destinations share.

A reason is a label of metrics and a field of dead letters, so it never changes its meaning.
"""

from typing import NamedTuple


class Reason(NamedTuple):
    """`says` is what it means, and what to look at."""

    name: str
    says: str


DROPS = (
    Reason("redriven_elsewhere", "sent again for another destination"),
    Reason("stale", "a membership older than one of the same user and audience"),
    Reason("overtaken", "attributes that a router wrote late, after newer updates"),
    Reason("development", "mParticle's development data; `…_DEVELOPMENT_DATA`"),
    Reason("account_not_allowed", "`…_ACCOUNTS_ALLOW` does not name its account"),
    Reason("account_denied", "`…_ACCOUNTS_DENY` names its account"),
    Reason("audience_not_allowed", "`…_AUDIENCES_ALLOW` does not name its audience"),
    Reason("audience_denied", "`…_AUDIENCES_DENY` names its audience"),
    Reason("not_needed", "the destination has no use for it"),
)
"""Left out on purpose: `mparticle_streams_records_dropped_total` counts them."""

DEAD_LETTERS = (
    Reason("invalid_record", "no record of ours: somebody else writes to the topic"),
    Reason("mapping_error", "a bug of ours: go back a version, and report it"),
    Reason("retries_exhausted", "it failed for 15 minutes while others passed"),
    Reason("too_large", "one record that is larger than a request may be"),
)
"""Can never pass: they wait in `dead-letters`, and `mparticle_streams_dead_letters_total` counts
them."""
