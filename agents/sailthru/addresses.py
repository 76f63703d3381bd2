"""Which e-mail address a user has now at Sailthru, after the changes of it that were delivered."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from agents.sailthru.identity import EmailChange, Whom

# Nobody moves that often; what plays with addresses must not fill the memory.
_MOST_FORMER = 32


class Addresses:
    """Former address -> present address, user by user; two users may have had the same one.

    Keeps the last `users` that changed theirs. An address it does not know stands as it is.
    """

    def __init__(self, users: int) -> None:
        self._limit = users
        self._users: OrderedDict[Hashable, dict[str, str]] = OrderedDict()

    def present(self, user: Hashable, email: str, coming: Sequence[EmailChange] = ()) -> str:
        """Where the profile stands now that a record names by `email`.

        `coming` are the changes, not delivered yet, of records after it: a message names the
        address that its user had at the end of it, also in what came before a change.
        """
        for change in reversed(coming):
            if email == change.new:
                email = change.old
        return self._users.get(user, {}).get(email, email)

    def change(self, user: Hashable, change: EmailChange) -> Whom:
        """Says how to carry out a change; without `email` where it has been already.

        Carried out twice, a change would make an empty profile under the old address and merge it
        into the new one: it would count as a new user and could start flows.
        """
        old, new = change
        former = self._users.get(user, {})
        present = former.get(old, old)
        if old in former and (new == present or new in former):
            return Whom(former.get(new, new))
        return Whom(present, new)

    def learn(self, user: Hashable, change: EmailChange) -> None:
        """Takes note that a profile has moved."""
        old, new = change
        former = self._users.setdefault(user, {})
        self._users.move_to_end(user)
        for address, present in former.items():
            if present == old:
                former[address] = new
        former[old] = new
        former.pop(new, None)
        if len(former) > _MOST_FORMER:
            del former[next(iter(former))]
        if len(self._users) > self._limit:
            self._users.popitem(last=False)
