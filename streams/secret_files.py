"""Secrets in mounted files, which others exchange while the process runs."""

from pathlib import Path
from typing import Self


def text_of(file: Path) -> str:
    """Returns what a mounted file says; raises OSError or UnicodeDecodeError.

    Some editors put a mark of the encoding in front.
    """
    return file.read_text(encoding="utf-8-sig").strip()


class Mounted(str):
    """The text of a file, as it was when it was read first."""

    __slots__ = ("file",)
    file: Path

    @classmethod
    def of(cls, text: str, file: Path) -> Self:
        made = cls(text)
        made.file = file
        return made

    def now(self) -> str:
        """Returns the file's present text; while it is unreadable or blank, its first."""
        try:
            return text_of(self.file) or str(self)
        except (OSError, UnicodeDecodeError):
            return str(self)


def current(text: str | None) -> str | None:
    """A text as it is by now, wherever it comes from."""
    return text.now() if isinstance(text, Mounted) else text
