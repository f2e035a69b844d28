"""Errors a user can cause, each a single line: what was expected, what was found, what to do.

A step turns any of these into that line on stderr, a FAILED run and a non-zero exit code.
Anything else is a defect of ours and keeps its traceback.
"""

from reprise.visible import visible


class RepriseError(Exception):
    """Base of every error that is the user's to mend; its text is one line.

    As with diff and grep, 2 is trouble, and 1 an answer: it was done, and it is not good.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        # Names, tags and what a server says are quoted in it, and it is printed in many places.
        super().__init__(visible(" ".join(message.split())))


class ParameterError(RepriseError):
    """Parameters are unknown, missing, of the wrong type or out of bounds: a sentence for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class ExperimentFileError(RepriseError):
    """An experiment file cannot be read, or does not say what it must."""


class DataError(RepriseError):
    """A data source cannot be read, or cannot be used for a classification."""


class NotAllowedError(DataError):
    """A record names data that a replay may read only where the user says so."""


class DigestMismatchError(RepriseError):
    """Something stored is not what was recorded."""

    def __init__(self, name: str, *, recorded: str, found: str) -> None:
        super().__init__(
            f"{name} changed since it was recorded: SHA-256 was {recorded}, is {found}. "
            "Restore the original, or run load_data again to start from the present data."
        )


class TaskError(RepriseError):
    """What an engine says to a process that it starts is not what this engine understands."""


class RecordError(RepriseError):
    """A run's record is missing, unreadable or newer than this version."""


class CodeError(RepriseError):
    """The project's git repository cannot be read; `said` is git's own explanation."""

    def __init__(self, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.said = " ".join(said.split())


class CheckoutError(RepriseError):
    """The code of a run cannot be had, or may not be run."""


class ProjectError(RepriseError):
    """A project at some commit does not have what a run of it needs."""


class EnvironmentMismatchError(RepriseError):
    """The environment of a run cannot be had on this machine."""


class NumericsError(RepriseError):
    """The numerics of a run cannot be had."""


class TrackingError(RepriseError):
    """The tracking server refused, cannot be reached, or lacks what was asked for."""


class ClusterError(RepriseError):
    """A cluster cannot be reached, or cannot do what a run needs."""


class ModelError(RepriseError):
    """A stored model is missing, altered, or of a type that is not trusted."""


class BelowMinimumError(RepriseError):
    """A model was evaluated, and is not good enough."""

    exit_code = 1


class RunFailedError(RepriseError):
    """A run that another run started has failed."""

    exit_code = 1


class NotBegunError(RepriseError):
    """A step could not begin, has said why itself, and left no run."""


class DifferentError(RepriseError):
    """A replay did not give what the run had given."""

    exit_code = 1


class AuditError(RepriseError):
    """Runs of an experiment cannot be made again, or did not give what they had given."""

    exit_code = 1


class NotReplayableError(RepriseError):
    """A run could not be made again, so that there is nothing to compare."""
