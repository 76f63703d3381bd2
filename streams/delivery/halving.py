"""Splits a batch that the destination refused, until the record that it refused stands alone."""


class Halving:
    """Bounds the size of a lane's next requests after a refusal, so that the bad record is found.

    A refused batch is halved from the front, so the order stands. When a half is accepted, the bad
    record is in the rest, which is halved again at once. The last that is left is sent alone too:
    what was refused once may be accepted the next time, and then no record was bad. Once one was
    refused alone, all that remains is tried together.
    """

    def __init__(self) -> None:
        # The first so many records of the lane: one of them, or more, was refused. 0 while nothing
        # is being halved.
        self._suspects = 0
        # How many records the next request may carry; None while nothing is being halved.
        self._max_size: int | None = None

    @property
    def is_on(self) -> bool:
        """Returns whether some of a refused batch have not been judged again."""
        return self._suspects > 0

    def max_size(self, most: int) -> int:
        """Returns how many records the next request may carry, of at most `most`."""
        return most if self._max_size is None else min(self._max_size, most)

    def record_refusal(self, size: int) -> None:
        """Takes the first half of a refused batch of `size` records, two or more, as the next."""
        self._suspects = size
        self._max_size = size // 2

    def record_success(self, size: int) -> None:
        """Clears `size` records of suspicion, and halves what is left of it."""
        self._suspects = max(0, self._suspects - size)
        self._max_size = max(1, self._suspects // 2) if self._suspects else None

    def end(self) -> None:
        """Forgets the refused batch: its bad record was found."""
        self._suspects = 0
        self._max_size = None
