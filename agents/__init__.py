"""Decisions: what a message means, and what each destination is told."""
