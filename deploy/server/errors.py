"""What stops a command of the server, in one line."""


class ServerError(Exception):
    """A command could not do what was asked; says what was expected, found, and what to do."""
