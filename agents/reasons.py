"""All reasons why records end without being delivered, and who gives each.

`python -m agents.reasons > docs/reasons.md` makes the page of it; a test holds that the code knows
these and no others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from agents import registry
from agents.router import reasons as of_router
from streams import reasons as of_sinks
from streams.reasons import Reason


class Given(NamedTuple):
    """A reason, and the workers that give it."""

    name: str
    stages: tuple[str, ...]
    says: str


def drops() -> Sequence[Given]:
    """Returns the reasons of what is left out on purpose."""
    own = {name: each.drops for name, each in registry.destinations().items()}
    return list(_given(of_router.DROPS, of_sinks.DROPS, own))


def dead_letters() -> Sequence[Given]:
    """Returns the reasons of what can never pass."""
    own = {name: each.rejects for name, each in registry.destinations().items()}
    return list(_given(of_router.DEAD_LETTERS, of_sinks.DEAD_LETTERS, own))


def _given(
    of_router: Iterable[Reason], of_all: Iterable[Reason], own: Mapping[str, Iterable[Reason]]
) -> Iterator[Given]:
    stages: Mapping[tuple[str, ...], Iterable[Reason]] = {
        ("router",): of_router,
        tuple(own): of_all,
        **{(name,): reasons for name, reasons in own.items()},
    }
    for workers, reasons in stages.items():
        for name, says in reasons:
            yield Given(name, workers, says)


def unknown(name: str) -> str | None:
    """Returns why no dead letter has that reason; None where some may."""
    names = sorted({each.name for each in dead_letters()})
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
    yield "the `reasons.py` of the router, of each destination and of"
    yield "[streams](../streams/reasons.py), which has those of all destinations:"
    yield "`python -m agents.reasons > docs/reasons.md`."
    for title, says, reasons in (
        (
            "Left out",
            "On purpose, counted by `mparticle_streams_records_dropped_total` under `reason`.",
            drops(),
        ),
        (
            "Dead letters",
            "What can never pass. Once the cause is mended, it can be sent again.",
            dead_letters(),
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
