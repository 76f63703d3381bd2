"""`python -m cli`: the same as `mparticle-streams`."""

from cli.main import main

main()
