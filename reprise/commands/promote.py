"""Make a registered version the champion, or the one before again; show who did so."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reprise.commands.options import words
from reprise.commands.parameters import LogParameters, PromoteParameters
from reprise.commands.verify import verifier
from reprise.errors import PromotionError

if TYPE_CHECKING:
    from reprise.runtime.recorder import RunRecorder


def main(parameters: PromoteParameters, run: "RunRecorder") -> None:
    """Promote, or roll back, and print the new champion."""
    from reprise import console
    from reprise.verification import history, policy, promotion

    here = Path.cwd()
    demanded = policy.read(here, parameters.policy or "")
    who, why = history.person(here), parameters.message or ""
    with verifier(parameters, run, demanded) as asking:
        if parameters.rollback:
            entry = promotion.roll_back(asking, parameters.model, who=who, why=why)
        else:
            entry = promotion.promote(asking, parameters.model, who=who, why=why)
    run.log_text("promotion.json", entry.to_json())
    console.say(promotion.shown(entry))
    console.next_commands({f"reprise log {entry.model}": "who promoted which version, and why"})


def check(parameters: PromoteParameters) -> None:
    """Refuse, before there is a run of this command, what cannot be promoted.

    Raises
    ------
    ParameterError, TrackingError
        If the policy is none, or there is no such version.
    """
    from reprise import tracking
    from reprise.verification import policy

    policy.read(Path.cwd(), parameters.policy or "")
    if parameters.rollback:
        tracking.model_tags(parameters.model)
    else:
        tracking.find_version(parameters.model, alias=tracking.CANDIDATE)


def start(parameters: PromoteParameters) -> NoReturn:
    """Be the process of this command; see `launch`."""
    from reprise.runtime.launch import launch

    launch(PromoteParameters, main, words(parameters), check=check)


def show(parameters: LogParameters) -> None:
    """Print the list of promotions of a registered model, the newest first.

    Raises
    ------
    PromotionError
        If somebody has altered the list; after it was printed.
    """
    from reprise import console, signatures, tracking
    from reprise.verification import history

    name = parameters.model
    with tracking.translating_errors():
        given = parameters.allowed_signers or ""
        entries = history.read(name, signatures.allowed_signers(Path.cwd(), given))
        best = tracking.find_alias(name, tracking.CHAMPION)
    console.say(f"{name}: {f'version {best.version} is' if best else 'there is no'} champion")
    for each in reversed(entries):
        entry = each.entry
        before = "" if entry.before is None else f" (before: {entry.before})"
        console.say(f"{entry.number:4}  {entry.when:%Y-%m-%d %H:%M:%S} UTC  {entry.action} version "
                    f"{entry.version}{before} by {entry.who}, {each.signature}")  # fmt: skip
        for label, text in (("why", entry.why), ("replays", " ".join(entry.replays))):
            if text:
                console.say(f"      {label}: {text}")
        if each.fault:
            console.say(f"      this entry {each.fault}")
    history.refuse_altered(entries, signed=False)
    last = entries[-1].entry.version if entries else None
    if entries and (best is None or best.version != last):
        raise PromotionError(
            f"expected version {last} of {name} to be the champion, as the list says, found "
            f"{f'version {best.version}' if best else 'none'}. Somebody has moved the alias."
        )
