"""Keeps records from overtaking each other, from being repeated and from going back in time."""
