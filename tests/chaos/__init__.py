"""Chaos: everything at once is killed, frozen, cut off and slowed down, and an oracle judges.

`python -m tests.chaos --seed 1 --minutes 10`
"""
