"""The error that ends a fill early."""


class FillError(Exception):
    """A fill ended early and committed nothing of what was under way; it says what to do."""
