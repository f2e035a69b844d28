"""Show all that two runs depended on and gave, side by side, and how their code differs."""

from reprise.commands import compare

if __name__ == "__main__":
    compare.start()
