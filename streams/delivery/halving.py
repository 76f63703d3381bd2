"""Splits a batch that the destination refused, until the record that it refused stands alone."""

from streams.outcomes import Rejected


class Halving:
    """Bounds the size of a lane's next requests after a refusal, so that the bad record is found.

    A refused batch is halved from the front, so the order stands. When a half is accepted, the bad
    record is in the rest, which is halved again at once; when the rest is one record, it is the bad
    one, and no request has to show that. Once it is found, all that remains is tried together.
    """

    def __init__(self) -> None:
        # The first so many records of the lane: one of them, or more, was refused. 0 while nothing
        # is being halved.
        self._suspects = 0
        # How many records the next request may carry; None while nothing is being halved.
        self._max_size: int | None = None
        self._refusal: Rejected | None = None

    def max_size(self, most: int) -> int:
        """Returns how many records the next request may carry, of at most `most`."""
        return most if self._max_size is None else min(self._max_size, most)

    def record_refusal(self, size: int, refusal: Rejected) -> None:
        """Takes the first half of a refused batch of `size` records, two or more, as the next."""
        self._suspects = size
        self._max_size = size // 2
        self._refusal = refusal

    def record_success(self, size: int) -> None:
        """Clears `size` records of suspicion, and halves what is left of it."""
        self._suspects = max(0, self._suspects - size)
        self._max_size = max(1, self._suspects // 2) if self._suspects else None

    def culprit(self) -> Rejected | None:
        """Returns why the lane's next record is bad, when all others of its batch were accepted.

        None also where the batch as a whole was refused, as for its size: that accuses no record.
        """
        if self._suspects != 1 or self._refusal is None or self._refusal.blames == "batch":
            return None
        return self._refusal

    def end(self) -> None:
        """Forgets the refused batch: its bad record was found."""
        self._suspects = 0
        self._max_size = self._refusal = None
