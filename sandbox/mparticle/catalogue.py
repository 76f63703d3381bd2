"""The shop's invented attributes and audiences, as mParticle and as the destinations name them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import NamedTuple, TypeAlias

import orjson

from sandbox.mparticle.kinds import Kind
from sandbox.mparticle.ledger import Var
from sandbox.mparticle.wire import chance

Value: TypeAlias = str | int | float | bool | list[str] | None


class Absence(Enum):
    GONE = "gone"


GONE = Absence.GONE
State: TypeAlias = Value | Absence

# Only batches keep numbers, and the Firehose's attribute change has no place for lists: each
# attribute is told only by messages that can tell its exact value. Numbers are left out of the
# Firehose's messages altogether, by a filter of that connection (mParticle docs, "Data Filter").
BY_BATCH = (Kind.BATCH, Kind.SNAPSHOT, Kind.SERVER_BATCH)
BY_SHARING = (*BY_BATCH, Kind.MEMBERSHIP)
BY_ALL = (*BY_SHARING, Kind.FIREHOSE)


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name` at mParticle, `var` at Sailthru; `draw` invents a value."""

    name: str
    var: str
    carriers: tuple[Kind, ...]
    draw: Callable[[Random], Value]


def _text(*choices: str) -> Callable[[Random], Value]:
    def draw(rng: Random) -> str:
        text = rng.choice(choices)
        # Now and then a NUL, as published payloads have them in names and cities.
        return f"{text[:2]}\0{text[2:]}" if chance(rng, 0.02) else text

    return draw


def _several(*choices: str) -> Callable[[Random], Value]:
    return lambda rng: rng.sample(choices, rng.randint(1, len(choices)))


ATTRIBUTES = (
    Attribute("$FirstName", "FirstName", BY_ALL, _text("Brian", "Zoë", "Łukasz", "Ana María")),
    Attribute("$LastName", "LastName", BY_ALL, _text("O'Brian", "Müller", "Da Silva", "Nguyễn")),
    Attribute("$Gender", "Gender", BY_ALL, _text("F", "M", "X")),
    Attribute("$State", "State", BY_ALL, _text("FL", "NY", "TX")),
    Attribute("$Country", "Country", BY_ALL, _text("US", "FR", "DE", "日本")),
    Attribute("$City", "City", BY_ALL, _text("Boca Raton", "Lyon", "Köln", "São Paulo")),
    Attribute("$Zip", "Zip", BY_ALL, lambda rng: f"{rng.randrange(100_000):05}"),
    Attribute("tier", "tier", BY_ALL, _text("bronze", "silver", "gold")),
    Attribute("trial", "trial", BY_ALL, _text("yes", "no", "True", "null")),
    Attribute("last order", "last_order", BY_ALL, lambda rng: f"T-{rng.getrandbits(40)}"),
    Attribute("favourite colour", "favourite_colour", BY_ALL, _text("red, dark", 'the "blue"')),
    Attribute("$Age", "Age", BY_BATCH, lambda rng: rng.randint(16, 99)),
    Attribute("ltv", "ltv", BY_BATCH, lambda rng: rng.randrange(100_000) / 100),
    Attribute("balance", "balance", BY_BATCH, lambda rng: rng.randint(-500, 500)),
    Attribute("newsletter", "newsletter", BY_ALL, lambda rng: chance(rng, 0.5)),
    Attribute("sizes", "sizes", BY_SHARING, _several("S", "M", "L", "XL")),
    Attribute("brands", "brands", BY_SHARING, _several("Aya", "Bør", 'C "n" D', "E, F")),
    Attribute("vip", "vip", BY_SHARING, lambda _: None),
    Attribute("beta tester", "beta_tester", BY_SHARING, lambda _: None),
)
# What mParticle calculates comes with the next batch's attributes, and no event tells of it
# (mParticle docs, "Calculated Attributes").
CALCULATED = (
    Attribute(
        "Days since last visit", "Days_since_last_visit", BY_BATCH, lambda rng: rng.randint(0, 90)
    ),
    Attribute("favourite shelf", "favourite_shelf", BY_ALL, _text("hats", "scarves", "belts")),
)
# mParticle's SDKs mark with it that a user wants no targeting: a switch, and no customer data.
SWITCH = "$NoTargeting"


def as_vars(states: Iterable[tuple[Attribute, State]]) -> dict[str, Var]:
    """What is said of attributes, as Sailthru has it; the last word on each counts."""
    return {attribute.var: as_var(state) for attribute, state in states}


def as_var(state: State) -> Var:
    """The value at Sailthru: removed is null, a tag is true, a list is its JSON text."""
    if state is GONE:
        return None
    if state is None:
        return True
    if isinstance(state, list):
        return orjson.dumps([text.replace("\0", "") for text in state]).decode()
    return state.replace("\0", "") if isinstance(state, str) else state


class Audience(NamedTuple):
    """`name` is also the list at Sailthru, `segment` its name at AB Tasty."""

    id: int
    name: str
    segment: str


AUDIENCES = (
    Audience(901, "Lapsed buyers", "Lapsed-buyers-901"),
    Audience(902, "New visitors", "New-visitors-902"),
    Audience(903, "All", "All-903"),
    Audience(904, "newsletter_fans", "newsletter_fans-904"),
    Audience(905, "Cart over 50 EUR", "Cart-over-50-EUR-905"),
    Audience(906, "Été 2026 (soldes)", "Été-2026--soldes--906"),
    Audience(907, "v2.1-test", "v2.1-test-907"),
    Audience(908, "Checkout test - variant A", "Checkout-test---variant-A-908"),
    Audience(909, "Checkout test - variant B", "Checkout-test---variant-B-909"),
    Audience(5_400_910, "High value, 90 days", "High-value--90-days-5400910"),
)
# Their members appear in one message only: it is not keyed by one user, so it has no place in the
# order of a user's other messages.
CROWD_AUDIENCES = (
    Audience(921, "First fill", "First-fill-921"),
    Audience(922, "standard audience", "standard-audience-922"),
)
LEGACY_AUDIENCES = (
    Audience(931, "Old guard", "Old-guard-931"),
    Audience(932, "retired", "retired-932"),
    Audience(933, "Since 2015", "Since-2015-933"),
)

_RESERVED = frozenset({"send", "cancel", "open", "click", "purchase", "daily"})


def event_name(name: str) -> str:
    """A custom event's name at Sailthru, which keeps some to itself, in any letter case."""
    own = name.strip()
    return f"custom_{own}" if own.casefold() in _RESERVED else own
