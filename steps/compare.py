"""Show the inputs and outputs of two runs side by side, and how their code differs."""

from reprise.commands import compare

if __name__ == "__main__":
    compare.start()
