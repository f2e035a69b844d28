"""The error that ends a command of the server with one line."""


class ServerError(Exception):
    """A command failed; the text says what was expected, what was found, and what to do."""
