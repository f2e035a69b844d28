"""Say of every run of an experiment whether it can be made again, and make some again."""

from reprise.commands import audit

if __name__ == "__main__":
    audit.start()
