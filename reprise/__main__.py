"""`python -m reprise`: the command `reprise`, where it is not on PATH."""

from reprise.cli import main

main()
