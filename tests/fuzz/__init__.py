"""Hostile shapes against router and receiver, for as long as one likes: `make fuzz MINUTES=60`."""
