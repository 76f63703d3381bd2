"""Delivers records to a destination: lanes, folding, rate limits, outcomes and retries."""
