"""Reproduce a run from its id, with its own code, data and environment, and compare."""

from reprise.commands import reproduce

if __name__ == "__main__":
    reproduce.start()
