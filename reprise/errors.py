"""Errors a user can cause, each a single line: what was expected, what was found, what to do.

A step turns any of these into that line on stderr, a FAILED run and a non-zero exit code.
Anything else is a defect of ours and keeps its traceback.
"""

from reprise.visible import visible


class RepriseError(Exception):
    """Base of every error that the user can fix; its text is one line.

    Exit codes are those of diff and grep: 2 for an error, 1 for a negative answer.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        # It quotes names, tags and answers of a server, and many modules print it.
        super().__init__(visible(" ".join(message.split())))


class ParameterError(RepriseError):
    """Parameters are unknown, missing, of the wrong type or out of bounds: one sentence each."""

    def __init__(self, *problems: str) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class ExperimentFileError(RepriseError):
    """An experiment file cannot be read, or lacks what it must contain."""


class DataError(RepriseError):
    """A data source cannot be read, or cannot be used for a classification."""


class NotAllowedError(DataError):
    """A record names data that a replay may read only with the user's permission."""


class DigestMismatchError(RepriseError):
    """Stored content differs from its recorded digest."""

    def __init__(
        self, name: str, *, recorded: str, found: str, otherwise: str = "start a new run"
    ) -> None:
        super().__init__(
            f"{name} changed since it was recorded: SHA-256 was {recorded}, is {found}. "
            f"Restore the original, or {otherwise}."
        )


class TaskError(RepriseError):
    """What an engine says to a process that it starts is not what this engine understands."""


class ArchiveError(RepriseError):
    """An archive of runs cannot be written, is damaged or altered, or is none."""


class RecordError(RepriseError):
    """A run's record is missing, unreadable or newer than this version."""


class CodeError(RepriseError):
    """The project's git repository cannot be read; `said` is git's own explanation."""

    def __init__(self, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.said = " ".join(said.split())


class CheckoutError(RepriseError):
    """The code of a run cannot be found, or may not be run."""


class ProjectError(RepriseError):
    """A project at a commit lacks something that its run needs."""


class EnvironmentMismatchError(RepriseError):
    """The environment of a run cannot be found or built on this machine."""


class NumericsError(RepriseError):
    """The numerics of a run cannot be set in this process."""


class TrackingError(RepriseError):
    """The tracking server refused, cannot be reached, or lacks what a request names."""


class SpoolError(RepriseError):
    """Results cannot be kept on this machine while the tracking server is away."""


class UndeliveredError(RepriseError):
    """A run's results are safe on this machine; the tracking server does not take them."""

    exit_code = 3


class ClusterError(RepriseError):
    """A cluster cannot be reached, or cannot make a run."""


class ModelError(RepriseError):
    """A stored model is missing, changed, or of a type that is not trusted."""


class SignatureError(RepriseError):
    """A document cannot be signed, or its signature cannot be checked."""


class BelowMinimumError(RepriseError):
    """A model was evaluated and is not good enough."""

    exit_code = 1


class RunFailedError(RepriseError):
    """A run that another run started has failed."""

    exit_code = 1


class NotBegunError(RepriseError):
    """A step could not start, has printed the reason itself, and made no run."""


class DifferentError(RepriseError):
    """The outputs of a replay differ from those of the original run."""

    exit_code = 1


class AuditError(RepriseError):
    """Runs of an experiment cannot be reproduced, or their replays differ from them."""

    exit_code = 1


class PolicyError(RepriseError):
    """Runs do not meet the policy of who verifies them."""

    exit_code = 1


class PromotionError(RepriseError):
    """A version of a registered model does not become the champion."""

    exit_code = 1


class NotJudgedError(RepriseError):
    """Nobody can say whether runs meet a policy: they could not be reproduced."""


class NotReplayableError(RepriseError):
    """A run could not be reproduced, so there is nothing to compare."""
