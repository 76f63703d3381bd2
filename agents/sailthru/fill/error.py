"""Why a fill ends early."""


class FillError(Exception):
    """Nothing was committed of what was under way; the message says what to do."""
