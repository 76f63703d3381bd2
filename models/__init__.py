"""Shapes: what arrives and what the topics hold. Imports nothing of ours."""
