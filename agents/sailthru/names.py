"""Names of vars, as Sailthru takes them.

Sources: "Set Custom Fields (Variables) on Users" (getstarted.meetmarigold.com) for the characters,
api-evangelist/sailthru conventions/ for the length.
"""

from collections.abc import Iterable
from hashlib import sha256

_LONGEST = 32
_TAIL = 6
_CLEANED = str.maketrans({"%": None, "-": None, ".": None, "$": None, " ": "_"})


def var_names(names: Iterable[str]) -> tuple[dict[str, str], int]:
    """Maps each name to the var it becomes, no two to the same one.

    Of names that clean to one, mParticle's own (`$City`) keeps it, else the one that needs no
    cleaning, else the first of the alphabet; the others get a tail made of their spelling. The
    second value counts these others.
    """
    given: dict[str, str] = {}
    taken: set[str] = set()
    told_apart = 0
    for name in sorted(names, key=_precedence):
        var = _clean(name)
        if var in taken:
            var = _with_tail(var, name)
            told_apart += 1
        taken.add(var)
        given[name] = var
    return given, told_apart


def _precedence(name: str) -> tuple[bool, bool, str]:
    return not name.startswith("$"), _clean(name) != name, name


def _clean(name: str) -> str:
    var = name.translate(_CLEANED)
    if not var or var[0].isdigit():
        var = f"_{var}"
    # What is cut always gets the tail: it must not depend on what else the record holds.
    return var if len(var) <= _LONGEST else _with_tail(var, name)


def _with_tail(var: str, name: str) -> str:
    tail = sha256(name.encode(errors="surrogatepass")).hexdigest()[:_TAIL]
    return f"{var[: _LONGEST - _TAIL - 1]}_{tail}"
