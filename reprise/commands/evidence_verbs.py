"""The verbs about evidence: what proves a run, which model stands on it, and how it travels.

Made as those in `verbs` are; nothing here imports MLflow.
"""

from typing import Any

import click

from reprise.commands.options import epilog, of_model


def verify() -> click.Command:
    """Return the verb that verifies runs."""
    from reprise.commands.parameters import VerifyParameters

    def start(parameters: VerifyParameters) -> None:
        from reprise.commands import verify

        verify.start(parameters)

    return of_model(
        VerifyParameters,
        start,
        example="reprise verify --experiment churn --sample 20 --format junit",
    )


def calibrate() -> click.Command:
    """Return the verb that measures what varies between replays."""
    from reprise.commands.parameters import CalibrateParameters

    def start(parameters: CalibrateParameters) -> None:
        from reprise.commands import calibrate

        calibrate.start(parameters)

    return of_model(CalibrateParameters, start, example="reprise calibrate <run id> --times 10")


def promote() -> click.Command:
    """Return the verb that makes a registered version the champion."""
    from reprise.commands.parameters import PromoteParameters

    def start(parameters: PromoteParameters) -> None:
        from reprise.commands import promote

        promote.start(parameters)

    return of_model(
        PromoteParameters, start, example='reprise promote churn -m "fewer false alarms"'
    )


def log() -> click.Command:
    """Return the verb that shows the list of promotions."""
    from reprise.commands.parameters import LogParameters

    def start(parameters: LogParameters) -> None:
        from reprise.commands import promote

        promote.show(parameters)

    return of_model(LogParameters, start, example="reprise log churn")


def export() -> click.Command:
    """Return the verb that writes runs into one file."""

    def call(parts: str, **given: Any) -> None:
        from reprise.commands import export

        export.start(export.Asked(parts=parts, **given))

    return click.Command(
        "export",
        params=[
            click.Argument(["runs"], nargs=-1, metavar="[RUN]..."),
            click.Option(["--experiment"], default="", help="all its runs", metavar="NAME"),
            click.Option(
                ["--model"],
                default="",
                help="the runs of all versions of this registered model",
                metavar="NAME",
            ),
            click.Option(
                ["-o", "--output"], required=True, help="the file to write", metavar="FILE"
            ),
            click.Option(
                ["--with", "parts"],
                default="data,models",
                show_default=True,
                help="what else to write, comma-separated; `--with ''` for nothing else",
                metavar="PARTS",
            ),
            click.Option(
                ["--format", "form"],
                type=click.Choice(["ro-crate", "recipe"]),
                default="ro-crate",
                show_default=True,
                help="ro-crate: a zip archive that `reprise import` reads, which is a Workflow "
                "Run RO-Crate; recipe: a shell script by which people can make the runs again "
                "without Reprise",
            ),
            click.Option(
                ["--key"],
                default="",
                help="sign with this SSH key, or `none`; default: git's, if gpg.format is ssh",
                metavar="FILE",
            ),
        ],
        callback=call,
        epilog=epilog(),
        help="Write runs into one file, with all that it takes to reproduce them: their child "
        "runs, the runs with their data, their artifacts and models, and their code.\n\n"
        "For example: reprise export --experiment churn -o churn.zip",
    )


def import_() -> click.Command:
    """Return the verb that reads runs from one file."""

    def call(**given: Any) -> None:
        from reprise.commands import import_archive

        import_archive.start(import_archive.Asked(**given))

    return click.Command(
        "import",
        params=[
            click.Argument(["path"], metavar="FILE.zip"),
            click.Option(
                ["--experiment"],
                default="",
                help="for all of the runs; default: those that they were in",
                metavar="NAME",
            ),
            click.Option(
                ["--allowed-signers", "signers"],
                default="",
                help="whom you trust, as in ssh-keygen(1); default: git's "
                "gpg.ssh.allowedSignersFile",
                metavar="FILE",
            ),
            click.Option(
                ["--require-signature"], is_flag=True, help="refuse what none of them has signed"
            ),
            click.Option(
                ["--allow-large"], is_flag=True, help="read it although it is packed tightly"
            ),
        ],
        callback=call,
        epilog=epilog(),
        help="Read the runs of a file that `reprise export` has written into the tracking server "
        "that MLFLOW_TRACKING_URI names. All of it is checked first. A run that is there is not "
        "made again.\n\nFor example: reprise import churn.zip",
    )
