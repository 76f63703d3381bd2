"""Which kind of message comes next, and from which user."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from sandbox.mparticle.kinds import Kind, Shares

OF_A_USER = frozenset(
    {
        Kind.FIREHOSE,
        Kind.BATCH,
        Kind.SNAPSHOT,
        Kind.SERVER_BATCH,
        Kind.MEMBERSHIP,
        Kind.PARTLY_BROKEN,
    }
)
# Zipf's law in Mandelbrot's form: flat at its head, since one user's requests go one at a time
# and the busiest one must not set the pace of the whole.
_FLAT_HEAD = 10


@dataclass(frozen=True)
class Schedule:
    """Draws (kind, user number) for `messages` messages, the same each time it is iterated."""

    seed: int
    users: int
    messages: int
    shares: Shares

    def __iter__(self) -> Iterator[tuple[Kind, int]]:
        rng, weights = Random(f"{self.seed} schedule"), self.shares.weights()
        kinds, by_kind = list(weights), list(accumulate(weights.values()))
        numbers = range(self.users)
        by_rank = list(accumulate(1 / (_FLAT_HEAD + rank) for rank in numbers))
        for _ in range(self.messages):
            kind = rng.choices(kinds, cum_weights=by_kind)[0]
            yield kind, rng.choices(numbers, cum_weights=by_rank)[0]

    def of_rank(self, number: int, share: float) -> float:
        """A share of users as it is among those of a user's rank: larger where they come seldom."""
        busiest = max(0.0, share - min(share, 1 - share) / 2)
        return busiest + 2 * (share - busiest) * (number + 0.5) / self.users

    def by_user(self) -> dict[int, Counter[Kind]]:
        """How many messages of each kind every user has."""
        counts: dict[int, Counter[Kind]] = {}
        for kind, number in self:
            if kind in OF_A_USER:
                counts.setdefault(number, Counter())[kind] += 1
        return counts
