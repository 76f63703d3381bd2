"""Escapes what data could do to the terminal of whoever looks at it."""

import re

# C0, DEL and C1, which move the cursor, hide text or answer in its place; signs that turn the
# direction of text or end lines unseen (Unicode, UAX 9); halves of pairs, which no terminal takes.
_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escaped(line: str) -> str:
    """One line without controls, line ends included; each is written as JSON writes it."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
