"""Names of different messages that share a var are told of, each once."""

import pytest
from structlog.testing import capture_logs

from agents.sailthru.var_book import VarBook
from agents.sailthru.var_names import VarNames
from streams import metrics
from tests.agents.sailthru.factories import attributes, event
from tests.counted import value


def learned(names: VarNames, *told: str, limit: int = 100) -> tuple[list[str], float]:
    """What was warned of, and how much was counted, after a message of each name."""
    counter = metrics.VAR_NAMES.labels(destination="sailthru", reason="collides")
    before = value(counter)
    book = VarBook(names, limit)
    with capture_logs() as lines:
        for name in told:
            book.learn(attributes().model_copy(update={"attributes": {name: "x"}}))
            book.learn(attributes(removed=(name,)))
    return [line["detail"] for line in lines], value(counter) - before


@pytest.mark.parametrize(
    ("told", "warned"),
    [
        (["City", "city", "$State"], []),
        (["$City", "$city", " $CITY"], []),
        (["$City", "City", "$City", "City"], ["$City and City share a var"]),
        (["City", "$City"], ["City and $City share a var"]),
        (["last order", "last_order"], ["last order and last_order share a var"]),
        (
            ["lastorder", "last-order", "last.order"],
            [
                "lastorder and last-order share a var",
                "lastorder and another name share a var",
            ],
        ),
        (["ann@shop.example", "annshopexample"], ["another name and annshopexample share a var"]),
    ],
)
def test_each_name_that_takes_another_ones_var_is_warned_of_once(
    told: list[str], warned: list[str]
) -> None:
    assert learned(VarNames(), *told) == (warned, len(warned))


def test_a_name_of_its_own_ends_it() -> None:
    assert learned(VarNames({"City": "shipping_city"}), "City", "$City") == ([], 0)


def test_names_beyond_the_limit_are_not_remembered() -> None:
    assert learned(VarNames(), "a", "b", "c-d", "cd", limit=3) == ([], 0)


def test_vars_of_events_do_not_stay_and_cannot_collide() -> None:
    book = VarBook(VarNames())
    with capture_logs() as lines:
        book.learn(event(attributes={"City": "x"}))
        book.learn(event(attributes={"$City": "x"}))
    assert not lines
