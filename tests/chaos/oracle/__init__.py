"""Judges a run by what can be seen from outside; nothing here imports the product."""
