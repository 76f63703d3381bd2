"""Names of vars, as Sailthru takes them. Pure.

Sources: "Set Custom Fields (Variables) on Users" (getstarted.meetmarigold.com) and "Replacement
Variables" (docs.sailthru.com) for the characters, api-evangelist/sailthru conventions/ for the
length, "Zephyr Template Variables" for the names that Sailthru keeps to itself.
"""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType

LONGEST_VAR = 32
_TAIL = 6
_SPACE, _SPECIAL = re.compile(r"\s"), re.compile(r"\W")
# Words of the template language, and vars that a template has without anybody setting them. Zephyr
# is case-sensitive. Not among them: `name`, `source`, `text_only`, which are there to be set.
KEPT_VARS = frozenset(
    (
        *("true", "false", "null", "if", "else", "case", "switch", "select", "for", "foreach"),
        *("lambda", "beacon", "beacon_src", "beacon_ssl", "beacon_src_ssl", "beacon_url", "blast"),
        *("email", "emailnum", "forward_url", "optout_client_url", "optout_confirm_url"),
        *("profile", "public_url", "signup_confirm_url", "text_url", "view_url"),
    )
)
# mParticle docs, "User Attributes", has them so; its "HTTP API" has them in lower case.
_RESERVED_ATTRIBUTES: Mapping[str, str] = MappingProxyType(
    {
        f"${name}".casefold(): name
        for name in (
            *("FirstName", "LastName", "Age", "Gender", "Mobile"),
            *("Address", "City", "State", "Zip", "Country"),
        )
    }
)
# mParticle/mparticle-web-sdk: it tells mParticle to keep a user out of targeting.
_SWITCHES = frozenset({"$notargeting"})

_OURS = "mp_"
_MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Naming:
    """The vars that became of one call's names, and counts of the names that could not stay.

    `renamed` maps a name to its var, where that is another, and `details` does so for an event's
    own fields. `told_apart` counts names that would have become one var, `reserved` those that
    Sailthru keeps to itself, `switches` those that are no var because they steer mParticle's SDKs.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    told_apart: int = 0
    reserved: int = 0
    switches: int = 0

    def __add__(self, other: "Naming") -> "Naming":
        return Naming(
            {**self.renamed, **other.renamed},
            {**self.details, **other.details},
            self.told_apart + other.told_apart,
            self.reserved + other.reserved,
            self.switches + other.switches,
        )


class VarNames:
    """Maps names to vars, no two of one call to the same one.

    `given` are the operator's own: mParticle's name to var. Of names that become one var the
    operator's keeps it, else mParticle's own (`$City`), else the one that needs no cleaning, else
    the first of the alphabet; the others get a tail made of their spelling.
    """

    def __init__(self, given: Mapping[str, str] = MappingProxyType({})) -> None:
        self._given = {_folded(name): var for name, var in given.items()}
        # A cache for the names that came first: an account has few, and every record has them.
        self._alone: dict[str, str] = {}

    def profile(self, names: Iterable[str]) -> tuple[dict[str, str], Naming]:
        """The vars of a user's attributes; a switch of mParticle's SDKs has none."""
        wanted = list(names)
        attributes = [name for name in wanted if not is_switch(name)]
        named, naming = self._assign(attributes, set())
        switches = len(wanted) - len(attributes)
        return named, replace(naming, switches=switches) if switches else naming

    def event(
        self, attributes: Iterable[str], details: Iterable[str], ours: Iterable[str]
    ) -> tuple[dict[str, str], dict[str, str], Naming]:
        """The vars of an event's attributes and of its details; `ours` are vars as they stand.

        An attribute is the customer's, so a detail that would take its var gets `mp_` in front.
        """
        taken = set(ours)
        named, naming = self._assign(attributes, taken)
        detailed = {}
        for name in details:
            var = self.var(name)
            if var in taken:
                var = _untaken(f"{_OURS}{var}", name, taken)
            taken.add(var)
            detailed[name] = var
        return named, detailed, replace(naming, details=_changed(detailed))

    def var(self, name: str) -> str:
        """The var of a name that stands alone."""
        if (var := self._alone.get(name)) is None:
            var = self._made(name)
            if len(self._alone) < _MAX_REMEMBERED:
                self._alone[name] = var
        return var

    def _made(self, name: str) -> str:
        folded = _folded(name)
        if given := self._given.get(folded) or _RESERVED_ATTRIBUTES.get(folded):
            return given
        var = _clean(name)
        if var in KEPT_VARS:
            return f"{_OURS}{var}"
        # A cut name always gets the tail: the result must not depend on the record's other names.
        return var if len(var) <= LONGEST_VAR else _with_tail(var, name)

    def is_same(self, one: str, other: str) -> bool:
        """Returns whether mParticle means one attribute by both spellings."""
        return one == other or (is_reserved(one) and _folded(one) == _folded(other))

    def _assign(self, names: Iterable[str], taken: set[str]) -> tuple[dict[str, str], Naming]:
        named = {name: self.var(name) for name in names}
        reserved = sum(var.startswith(_OURS) and self._is_kept(name) for name, var in named.items())
        vars_ = set(named.values())
        told_apart = 0
        if len(vars_) < len(named) or not taken.isdisjoint(vars_):
            told_apart = self._tell_apart(named, taken)
        taken.update(named.values())
        return named, Naming(_changed(named), told_apart=told_apart, reserved=reserved)

    def _tell_apart(self, named: dict[str, str], taken: AbstractSet[str]) -> int:
        """Gives a tail to each name whose var is another one's; returns how many there were."""
        told_apart = 0
        now_taken = set(taken)
        for name in sorted(named, key=self._precedence):
            if named[name] in now_taken:
                named[name] = _untaken(_with_tail(named[name], name), name, now_taken)
                told_apart += 1
            now_taken.add(named[name])
        return told_apart

    def _is_kept(self, name: str) -> bool:
        return _clean(name) in KEPT_VARS and _folded(name) not in self._given

    def _precedence(self, name: str) -> tuple[bool, bool, bool, str]:
        var = self.var(name)
        return (
            _folded(name) not in self._given,
            not name.startswith("$"),
            name.removeprefix("$") != var,
            name,
        )


def is_reserved(name: str) -> bool:
    """Returns whether an attribute is one of mParticle's own."""
    return _folded(name) in _RESERVED_ATTRIBUTES


def is_switch(name: str) -> bool:
    """Returns whether an attribute steers mParticle's SDKs and says nothing of its user."""
    return "$" in name and name.strip().casefold() in _SWITCHES


def is_var(text: str) -> bool:
    """Returns whether Sailthru would take a text as the name of a var, just as it is."""
    return text == _clean(text) and len(text) <= LONGEST_VAR and text not in KEPT_VARS


def _folded(name: str) -> str:
    """Returns what spellings of one attribute share: mParticle's own match without case."""
    stripped = name.strip()
    folded = stripped.casefold()
    return folded if folded in _RESERVED_ATTRIBUTES else stripped


@lru_cache(10_000)
def _clean(name: str) -> str:
    var = _SPECIAL.sub("", _SPACE.sub("_", name.strip()))
    return f"_{var}" if not var or var[0].isdigit() else var


def _changed(named: Mapping[str, str]) -> dict[str, str]:
    return {name: var for name, var in named.items() if name != var}


def _untaken(var: str, name: str, taken: AbstractSet[str]) -> str:
    while len(var) > LONGEST_VAR or var in taken:
        var, name = _with_tail(var, name), f"{name} "
    return var


def _with_tail(var: str, name: str) -> str:
    tail = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_TAIL]
    return f"{var[: LONGEST_VAR - _TAIL - 1]}_{tail}"
