"""Names that an operator allows and denies, with * and ? as placeholders."""

import re
from collections.abc import Iterable
from typing import Literal

Verdict = Literal["denied", "not_allowed"]


def patterns(text: str) -> list[str]:
    """The patterns of a setting, which commas part."""
    return [stripped for each in text.split(",") if (stripped := each.strip())]


def one_of(globs: Iterable[str], *, ignore_case: bool = False) -> re.Pattern[str]:
    """Returns what matches whatever matches one of them, whole; of none, nothing.

    * stands for any text, ? for one character, and every other character for itself.
    """
    joined = "|".join(map(_translated, globs)) or r"(?!)"
    return re.compile(joined, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _translated(glob: str) -> str:
    return re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")


class Allowed:
    """Two settings: who denies has the last word; where nothing is allowed, everything is.

    Case does not count, nor do spaces around a name: it is a person who writes them.
    """

    def __init__(self, allow: str, deny: str) -> None:
        self.all = not patterns(allow) and not patterns(deny)
        """Whether nothing is left out, so that nothing has to be asked."""
        self._allow = one_of(patterns(allow) or ["*"], ignore_case=True)
        self._deny = one_of(patterns(deny), ignore_case=True)

    def verdict(self, *names: str) -> Verdict | None:
        """Returns why something that has these names is not to be sent; None when it is."""
        said = [name.strip() for name in names]
        if any(map(self._deny.fullmatch, said)):
            return "denied"
        if not any(map(self._allow.fullmatch, said)):
            return "not_allowed"
        return None
