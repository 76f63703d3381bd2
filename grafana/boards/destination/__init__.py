"""A board for each destination: the same panels, with the same ids, and what is its own.

So `/d/mparticle-streams-<destination>?viewPanel=<id>` leads to the panel of whichever it is.
"""
