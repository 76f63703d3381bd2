"""Remembers the e-mail address of users at Sailthru, by what was delivered."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TypeVar

from agents.sailthru.identity import EmailChange, Whom, hashed_email_change, is_digest_of
from models.record import Identity, Record

T = TypeVar("T", bound=Record)

# Nobody moves that often; what plays with addresses must not fill the memory.
_MAX_FORMER = 32


class Addresses:
    """Former address -> present address, user by user; two users may have had the same one.

    Keeps the last `users` that changed theirs, and the last address of as many that had something
    delivered. An address it does not know stands as it is.
    """

    def __init__(self, users: int) -> None:
        self._limit = users
        self._users: OrderedDict[Hashable, dict[str, str]] = OrderedDict()
        self._last: OrderedDict[Hashable, str] = OrderedDict()

    def present(self, user: Hashable, email: str, coming: Sequence[EmailChange] = ()) -> str:
        """Returns where the profile stands now that a record names by `email`.

        `coming` are the changes, not delivered yet, of records after it: a message names the
        address that its user had at the end of it, also in what came before a change.
        """
        for change in reversed(coming):
            if email == change.new:
                email = change.old
        return self._users.get(user, {}).get(email, email)

    def see(self, user: Hashable, email: str) -> None:
        """Takes note of the address under which something of the user was delivered."""
        self._last[user] = email
        self._last.move_to_end(user)
        if len(self._last) > self._limit:
            self._last.popitem(last=False)

    def completed(self, user: Hashable, record: T) -> T:
        """The record, with the address in the place of its digest where it is a known one.

        mParticle may tell the address that was replaced as a digest only, by which Sailthru finds
        nobody.
        """
        if (change := hashed_email_change(record)) is None:
            return record
        digest, new = change
        former = self._users.get(user, {})
        known = (self._last.get(user), *former, *former.values())
        old = next((each for each in known if each and is_digest_of(each, digest)), None)
        if old is None or old == new:
            return record
        removed = Identity(type="email", value=old)
        return record.model_copy(update={"removed": (removed,)})

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
        if len(former) > _MAX_FORMER:
            del former[next(iter(former))]
        if len(self._users) > self._limit:
            self._users.popitem(last=False)
