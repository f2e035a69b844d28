"""The command `reprise`: names its verbs, and turns every way that one ends into an exit code.

A verb's module is imported when the verb is asked for, so that help is there at once.
"""

import gc
import importlib
import os
import sys
from collections.abc import Callable
from keyword import iskeyword
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from reprise.capture import numerics
from reprise.console import warn
from reprise.errors import RepriseError
from reprise.extras import explaining_missing
from reprise.process import interrupts

# Said here, so that the list of verbs needs none of them.
VERBS = {
    "run": "Run an entry point of a project, here or at a commit.",
    "reproduce": "Reproduce a run from its id, and compare.",
    "why": "Say why two runs differ: causes, patch, results.",
    "compare": "Show what two runs depended on and gave, side by side.",
    "audit": "Check which runs of an experiment can be reproduced.",
    "verify": "Reproduce runs and judge them by a policy, also in CI.",
    "calibrate": "Measure what varies between replays of a run.",
    "promote": "Make a registered version the champion, after replays.",
    "log": "Show who promoted which version, when and why.",
    "sweep": "Run the sweep of the project in this folder.",
    "ls": "List the runs of an experiment.",
    "show": "Show what a run depended on and what it gave.",
    "export": "Write runs into one file, with data, models and code.",
    "import": "Make the runs of such a file on the tracking server.",
    "restore": "Bring the code of a run back as a branch or a folder.",
    "sync": "Deliver results that were kept, and close runs of dead processes.",
    "doctor": "Check the connection to the tracking server.",
}
ABOUT_EVIDENCE = frozenset({"verify", "calibrate", "promote", "log", "export", "import"})
MAKE_RUNS = frozenset(
    {"reproduce", "compare", "audit", "verify", "calibrate", "promote"}
)  # of themselves, and record it
_NAMES = {
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("_", "-"),  # also as MLproject names them
}
_COMPLETION = 'Completion: eval "$(_REPRISE_COMPLETE=bash_source reprise)", or zsh_source.'
_EXIT_CODES = (
    "Exit codes: 0 good, 1 the answer is no or a run failed, 2 could not be done, 3 done, but the "
    "server did not take the results (reprise sync), 130 interrupted."
)


class Verbs(click.Group):
    """The verbs, each made from its module when it is asked for."""

    def invoke(self, ctx: click.Context) -> Any:
        """Do what is asked for; where interrupted, print no empty line as click does."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Return a verb by its name."""
        if name not in VERBS:
            return None
        verb: click.Command = maker(name)()
        verb.context_settings = _NAMES
        return verb

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without making them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a verb's name without making it."""
        found = [CompletionItem(n, help=h) for n, h in VERBS.items() if n.startswith(incomplete)]
        return found or super().shell_complete(ctx, incomplete)


def maker(name: str) -> Callable[[], click.Command]:
    """Return the function that makes a verb; Python has some of their names for itself."""
    module = "evidence_verbs" if name in ABOUT_EVIDENCE else "verbs"
    function = f"{name}_" if iskeyword(name) else name
    made: Callable[[], click.Command] = getattr(
        importlib.import_module(f"reprise.commands.{module}"), function
    )
    return made


@click.pass_context
def _help(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


cli = Verbs(
    "reprise",
    callback=_help,
    help="Make MLflow runs reproducible: any run comes back, exactly, from its id.",
    epilog=f"{_EXIT_CODES}\n\n{_COMPLETION}",
    context_settings=_NAMES,
    no_args_is_help=False,
    invoke_without_command=True,
)


def main() -> NoReturn:
    """Be the command."""
    gc.disable()  # until the imports are done, as a step does
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if makes_run(sys.argv[1:]):
        numerics.restart_pinned()
    with interrupts.interruptible():
        sys.exit(exit_code(sys.argv[1:]))


def makes_run(arguments: list[str]) -> bool:
    """Return whether a command line makes a run of this process, which is pinned as a step's is."""
    if not {"-h", "--help"}.isdisjoint(arguments):
        return False
    return bool(arguments) and (
        arguments[0] in MAKE_RUNS
        or (arguments[0] == "run" and any(word.startswith("runs:/") for word in arguments))
    )


def exit_code(arguments: list[str]) -> int:
    """Do what a command line asks for; print one line where it cannot be done."""
    verb = next((word for word in arguments if word in VERBS), "")
    name = f"reprise {verb}".strip()
    try:
        with explaining_missing():
            result = cli.main(arguments, prog_name="reprise", standalone_mode=False)
    except click.UsageError as error:
        text = " ".join(error.format_message().split()).rstrip(".?")
        return _refused(name, f"{text}. See: {name} --help", RepriseError.exit_code)
    except RepriseError as error:
        return _refused(name, str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _refused(name, "interrupted", interrupts.EXIT_CODE)
    return result if isinstance(result, int) else 0


def _refused(name: str, text: str, code: int) -> int:
    if text:
        warn(f"{name}: {text}")
    return code
