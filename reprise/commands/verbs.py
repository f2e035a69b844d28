"""The verbs of the command `reprise`: their options, and what each imports when it is called.

Nothing here imports MLflow: a verb does, when it needs it.
"""

import sys
from collections.abc import Mapping
from typing import Any

import click

from reprise.commands.options import epilog, of_model, words
from reprise.errors import ParameterError
from reprise.runtime.parameters import Parameters

_COMMAND = "reprise.command"  # what stands after `--`


class _BeforeACommand(click.Command):
    """A verb that may be followed by `--` and a command: those words are not its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the command apart, and read the rest."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)


def reproduce() -> click.Command:
    """Return the verb that reproduces a run."""
    from reprise.commands.parameters import ReproduceParameters

    def start(parameters: Parameters) -> None:
        from reprise.commands import reproduce

        reproduce.start(words(parameters), checked=True)

    return of_model(
        ReproduceParameters, start, example="reprise reproduce <run id> --set max_depth=7"
    )


def compare() -> click.Command:
    """Return the verb that compares two runs."""
    from reprise.commands.parameters import CompareParameters

    def start(parameters: Parameters) -> None:
        from reprise.commands import compare

        compare.start(words(parameters), checked=True)

    return of_model(CompareParameters, start, example="reprise compare <run id> <other run id>")


def audit() -> click.Command:
    """Return the verb that audits an experiment."""
    from reprise.commands.parameters import AuditParameters

    def start(parameters: Parameters) -> None:
        from reprise.commands import audit

        audit.start(words(parameters), checked=True)

    return of_model(AuditParameters, start, example="reprise audit --experiment churn --replay 3")


def run() -> click.Command:
    """Return the verb that runs an entry point of a project."""
    options = [
        click.Argument(["uri"], default=".", metavar="[URI]"),
        click.Option(["-e", "--entry-point"], default="main", help="default: main", metavar="NAME"),
        click.Option(["-v", "--version"], help="a commit, tag or branch", metavar="COMMIT"),
        _PARAMETERS,
        *_RUN_OPTIONS,
        click.Option(
            ["--allow-untracked"],
            help="untracked files that may travel with a run that is recorded from outside, "
            "although they are large or look like secrets: names or patterns, comma-separated",
            metavar="NAMES",
        ),
        click.Option(
            ["--threads"],
            help="threads of the numerical libraries of a run that is recorded from outside; a "
            "replay has as many; default: 1, whose results do not depend on the machine",
            metavar="N",
        ),
        click.Option(
            ["--keep-data"],
            help="inputs of the project that go with such a run, so that who has not the files can "
            "reproduce it: the largest size of one, such as 100MiB; default: none",
            metavar="SIZE",
        ),
    ]

    def call(uri: str, entry_point: str, version: str | None, params: tuple[str, ...],
             **how: Any) -> None:  # fmt: skip
        command = click.get_current_context().meta.get(_COMMAND)
        if command is not None:
            if (uri, entry_point, version, params) != (".", "main", None, ()):
                raise ParameterError(
                    "expected an entry point of a project, or a command after --, found both. "
                    "Drop one."
                )
            _run_command(command, how)
            return
        _run(uri, entry_point, version, _pairs(params), how)

    return _BeforeACommand(
        "run",
        params=options,
        callback=call,
        epilog=epilog(),
        help="Run an entry point of an MLflow Project, as `mlflow run` does, in less time.\n\n"
        "URI is a folder, or a git repository; <uri>#<commit> is one of its commits, tags or "
        "branches; runs:/<id> reproduces a run; nothing is this folder. After -- stands any "
        "command to run here and record, without an MLproject.\n\n"
        "For example: reprise run -e train -P max_depth=5, or: reprise run -- python fit.py -x 5",
    )


def sweep() -> click.Command:
    """Return the verb that runs the entry point `sweep` of the project in this folder."""
    from pathlib import Path

    from reprise.projects import project_file
    from reprise.projects.mlproject import plain_entry_point

    entry_point = plain_entry_point(project_file.read(Path.cwd()), "sweep")
    defaults = entry_point.defaults if entry_point else {}
    options: list[click.Parameter] = [
        click.Option(
            [f"--{name.replace('_', '-')}", name],
            metavar="VALUE",
            help="required" if default is None else f"default: {default or 'empty'}",
        )
        for name, default in defaults.items()
    ]

    def call(params: tuple[str, ...], **given: Any) -> None:
        how = {str(option.name): given.pop(str(option.name)) for option in _RUN_OPTIONS}
        named = {name: value for name, value in given.items() if value is not None}
        twice = named.keys() & _pairs(params).keys()
        if twice:
            raise ParameterError(f"expected {min(twice)!r} once, found it twice. Drop one.")
        _run(".", "sweep", None, {**named, **_pairs(params)}, how)

    return click.Command(
        "sweep",
        params=[*options, _PARAMETERS, *_RUN_OPTIONS],
        callback=call,
        epilog=epilog(),
        help="Run the entry point sweep of the MLproject in this folder, whose parameters are "
        "options." + _example(defaults),
    )


def show() -> click.Command:
    """Return the verb that shows a run."""
    from reprise.commands.parameters import ShowParameters

    def start(parameters: ShowParameters) -> None:
        from reprise.commands import show

        show.start(parameters)

    return of_model(ShowParameters, start, example="reprise show <run id>")


def ls() -> click.Command:
    """Return the verb that lists runs."""
    from reprise.commands.parameters import LsParameters

    def start(parameters: LsParameters) -> None:
        from reprise.commands import ls

        ls.start(parameters)

    return of_model(LsParameters, start, example="reprise ls --experiment churn")


def why() -> click.Command:
    """Return the verb that says why two runs differ."""
    from reprise.commands.parameters import WhyParameters

    def start(parameters: WhyParameters) -> None:
        from reprise.commands import why

        why.start(parameters)

    return of_model(WhyParameters, start, example="reprise why latest best:accuracy")


def restore() -> click.Command:
    """Return the verb that brings the code of a run back."""
    from reprise.commands.parameters import RestoreParameters

    def start(parameters: RestoreParameters) -> None:
        from reprise.commands import restore

        restore.start(parameters)

    return of_model(RestoreParameters, start, example="reprise restore <run id> --branch before")


def sync() -> click.Command:
    """Return the verb that delivers what the tracking server did not take."""

    def call() -> None:
        from reprise.commands import sync

        sync.start()

    return click.Command(
        "sync",
        callback=call,
        epilog=epilog(),
        help="Deliver to the tracking server that MLFLOW_TRACKING_URI names what it did not take "
        "when runs had it. Each result arrives once, and the runs end as they had ended. Then "
        "close the runs whose process is gone.",
    )


def doctor() -> click.Command:
    """Return the verb that checks the connection to the tracking server."""

    def call(size_mb: int) -> None:
        from reprise.doctor import __main__ as doctor

        sys.exit(doctor.main(size_mb))

    return click.Command(
        "doctor",
        params=[
            click.Option(
                ["--size-mb"],
                type=click.IntRange(min=1),
                default=200,
                show_default=True,
                help="size of the artifact to send and fetch",
            )
        ],
        callback=call,
        epilog=epilog(),
        help="Check that this machine can work with the tracking server that MLFLOW_TRACKING_URI "
        "names: one line for each check, and what to do.",
    )


def _example(defaults: Mapping[str, str | None]) -> str:
    """Return an example of options, out of those that have a default."""
    given = [f"--{name.replace('_', '-')} {value}" for name, value in defaults.items() if value]
    return f"\n\nFor example: reprise sweep {' '.join(given[:2])}" if given else ""


_PARAMETERS = click.Option(
    ["-P", "--param", "params"], multiple=True, metavar="NAME=VALUE", help="a parameter of it"
)
_RUN_OPTIONS = (
    click.Option(["--experiment-name"], help="of the run", metavar="NAME"),
    click.Option(["--experiment-id"], help="of the run", metavar="ID"),
    click.Option(["--run-name"], help="of the run", metavar="NAME"),
    click.Option(
        ["--env-manager"],
        type=click.Choice(["local", "uv"]),
        help="local: this environment; uv: that of the project's lock; default: local if this one "
        "is what the lock says, else uv",
    ),
)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Read `name=value` words.

    Raises
    ------
    ParameterError
        If a word is no pair, or a name comes twice.
    """
    pairs: dict[str, str] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ParameterError(f"expected -P name=value, found -P {word}. Write a value.")
        if name in pairs:
            raise ParameterError(f"expected {name!r} once, found it twice. Drop one.")
        pairs[name] = value
    return pairs


def _run_command(words: list[str], how: dict[str, str | None]) -> None:
    from reprise.commands import run

    if not words:
        raise ParameterError("expected a command after --, found none. Write it there.")
    run.start_command(words, **how)


def _run(
    uri: str,
    entry_point: str,
    version: str | None,
    parameters: dict[str, str],
    how: dict[str, str | None],
) -> None:
    from reprise.commands import run

    run.start(run.ordered(uri, entry_point, parameters, version), **how)
