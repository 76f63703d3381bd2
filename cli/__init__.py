"""The command `mparticle-streams`."""
