"""Destinations to begin with: copy a folder to `agents/`, and it is one of ours."""
