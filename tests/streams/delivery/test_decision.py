"""What follows from each outcome: a table of it, and what holds for all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.sending.decision import (
    BackOff,
    Block,
    Bury,
    CloseLimit,
    Complete,
    Decision,
    Halve,
    Pause,
    Quarantine,
    Standing,
    decide,
)
from streams.outcomes import (
    Blocked,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    RetryRecord,
    Throttled,
    Unavailable,
)

PATIENCE_S = 900.0
WRONG_KEY = Misconfigured("bad_key", "Set IT.")
REFUSED = Rejected("refused", "field 'colour'")
FAILED = RetryRecord("server_error")
ASKED_TO_WAIT = RetryRecord("server_error", 7.0)
EXHAUSTED = Rejected("retries_exhausted", "server_error")


@pytest.mark.parametrize(
    ("outcome", "standing", "decision"),
    [
        (Delivered(), Standing(1), Complete()),
        (Delivered(), Standing(100, is_quarantined=True), Complete()),
        (REFUSED, Standing(1), Bury(REFUSED)),
        (REFUSED, Standing(2), Halve()),
        (Throttled("http_429"), Standing(1), CloseLimit(None)),
        (Throttled("http_429", 7.0), Standing(1), CloseLimit(7.0)),
        (Unavailable("http_503", 60.0), Standing(1), Pause(60.0)),
        (Unavailable("token_route"), Standing(1), Pause(1.0)),
        (WRONG_KEY, Standing(1), Block(Blocked("bad_key", "Set IT."))),
        # Others pass: no person has to mend anything.
        (WRONG_KEY, Standing(1, True), BackOff(None)),
        (
            WRONG_KEY,
            Standing(1, True, 900.0),
            Quarantine(Bury(Rejected(EXHAUSTED.reason, "bad_key"))),
        ),
        (WRONG_KEY, Standing(5, True, is_quarantined=True), Halve()),
        (WRONG_KEY, Standing(1, failing_s=900.0, is_quarantined=True), Block(WRONG_KEY.block())),
        (FAILED, Standing(1), BackOff(None)),
        (ASKED_TO_WAIT, Standing(1), BackOff(7.0)),
        (FAILED, Standing(1, True, failing_s=899.9), BackOff(None)),
        (FAILED, Standing(1, True, failing_s=900.0), Quarantine(Bury(EXHAUSTED))),
        (FAILED, Standing(5, True, failing_s=900.0), Quarantine(Halve())),
        # Its patience is gone already, and nothing makes its time longer.
        (FAILED, Standing(1, True, is_quarantined=True), Bury(EXHAUSTED)),
        (FAILED, Standing(5, True, is_quarantined=True), Halve()),
        # While nothing passes at all it is the fault of no lane.
        (FAILED, Standing(1, failing_s=900.0), BackOff(None)),
        (FAILED, Standing(1, is_quarantined=True), BackOff(None)),
    ],
)
def test_of_an_outcome_follows_one_decision(
    outcome: Outcome, standing: Standing, decision: Decision
) -> None:
    assert decide(outcome, standing, PATIENCE_S) == decision


standings = st.builds(
    Standing, st.integers(1, 1000), st.booleans(), st.floats(0, 3600), st.booleans()
)
afters = st.none() | st.floats(0, 3600)
outcomes = st.one_of(
    st.just(Delivered()),
    st.builds(RetryRecord, st.just("reason"), afters),
    st.builds(Throttled, st.just("reason"), afters),
    st.builds(Unavailable, st.just("reason"), afters),
    st.builds(Rejected, st.just("reason"), blames=st.sampled_from(["record", "account"])),
    st.just(Misconfigured("reason", "Set IT.")),
)


@given(outcomes, standings)
def test_records_end_by_what_says_so_and_by_spent_patience_alone(
    outcome: Outcome, standing: Standing
) -> None:
    decision = decide(outcome, standing, PATIENCE_S)
    ends = isinstance(decision, Complete | Bury | Halve | Quarantine)
    spent = standing.is_quarantined or standing.failing_s >= PATIENCE_S
    fails = isinstance(outcome, RetryRecord | Misconfigured)
    gives_up = fails and spent and standing.fails_by_itself
    assert ends == (isinstance(outcome, Delivered | Rejected) or gives_up)


@given(outcomes, standings)
def test_a_dead_letter_is_of_one_record_that_failed_alone(
    outcome: Outcome, standing: Standing
) -> None:
    decision = decide(outcome, standing, PATIENCE_S)
    step = decision.then if isinstance(decision, Quarantine) else decision
    assert not isinstance(step, Bury) or standing.size == 1
    assert not isinstance(step, Halve) or standing.size > 1
