"""Records that could not be delivered: how they are kept, read and compared."""
