"""Keeps requests within a destination's limits, which its workers share."""
