"""Report which runs of an experiment can be reproduced, and reproduce some of them."""

from reprise.commands import audit

if __name__ == "__main__":
    audit.start()
