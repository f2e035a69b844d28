"""Text from elsewhere is only ever read: no terminal, shell, browser or spreadsheet obeys it."""

import csv
import io
import os
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from reprise import console, tracking
from reprise.capture.code import describe
from reprise.commands import compare, ls, why
from reprise.doctor import result
from reprise.errors import CodeError, RepriseError
from reprise.git import git
from reprise.projects import checkout
from reprise.projects.checkout import CheckoutError
from reprise.record.comparison import Comparison, Row, Section, Side
from reprise.record.patch import CodeDifference
from reprise.record.verdict import Cause, Difference, Judgement, Verdict
from reprise.replay import audit_report, original_run, report
from reprise.replay.audit import Answer, Finding, Reason
from reprise.replay.prepare import Request
from reprise.replay.verdicts import Replay
from reprise.runtime import summary
from reprise.runtime.parameters import Parameters
from reprise.sweeps import leaderboard
from reprise.sweeps.outcome import Outcome
from reprise.sweeps.progress import Progress
from reprise.visible import cell, option, visible
from steps import sweep_report

FORGED = "error: all is well"
TEXTS = {
    "an escape code that clears the screen": "a\x1b[2J\x1b[Hb",
    "an escape code that sets the window's title": "a\x1b]0;title\x07b",
    "an escape code that writes the clipboard": "a\x1b]52;c;cm0gLXJm\x1b\\b",
    "an escape code of one byte": "a\x9b2Jb",
    "a device control string": "a\x90+q544e\x9cb",
    "a bell": "a\x07b",
    "a carriage return": f"a\r{FORGED}",
    "backspaces": "wrong\b\b\b\b\bright",
    "a tab": "a\tb",
    "a new line": f"a\n{FORGED}",
    "a new line of Unicode": f"a\u2028{FORGED}\x85{FORGED}",
    "a vertical tab and a form feed": f"a\v{FORGED}\f{FORGED}",
    "a right-to-left override": "a\u202egnp.exe",
    "isolates of text direction": "a\u2066\u2067b\u2069",
    "a zero-width space and joiner": "a\u200b\u200db\ufeff",
    "letters that are drawn as nothing": "a\u3164\u115f\u2800\ufe0fb",
    "letters of a hidden alphabet": "a\U000e0041\U000e0042b",
    "a hundred accents on one letter": "a" + "\u0301" * 100,
    "a NUL byte": "a\0b",
    "a lone surrogate": "a\ud83db\udcff",
    "markup that closes what is not open": "a[/x]b",
    "markup that links elsewhere": "a[link=https://evil.example]b[/link]",
    "markup that hides": "a[conceal]b[/]c",
    "a backslash before markup": "a\\[/x]\\",
    "five thousand characters": "n" * 5000,
}


class StepParameters(Parameters):
    """A step."""

    entry_point = "train"
    name: str = ""


def judged(text):
    return Replay(
        name=text,
        run_id=text,
        new_run_id=text,
        code_from=text,
        judgement=Judgement(
            verdict=Verdict.DIFFERENT,
            compared=2,
            differences=(Difference(kind="metric", name=text, recorded=1.0, found=None),),
            causes=(Cause(kind="package", name=text, recorded=text, found=text),),
            unknown=(text,),
        ),
    )


def server_run(text, **tags):
    info = SimpleNamespace(run_id=text, run_name=text, status="FAILED", start_time=0)
    data = SimpleNamespace(tags={tracking.ERROR: text, **tags}, params={text: text}, metrics={})
    return SimpleNamespace(info=info, data=data)


def show_error_line(text, _):
    console.warn(f"train: {RepriseError(f'expected this, found {text}.')}")


def show_error_that_nobody_catches(text, _):
    sys.stdout.write(str(RepriseError(f"expected this, found {text}.")) + "\n")


def show_finished_step(text, _):
    step = SimpleNamespace(entry_point=text)
    run = SimpleNamespace(record=SimpleNamespace(step=step), run_id=text, metrics={text: 0.5})
    summary.done(run, {f"run {option('name', text)}": text})


def show_leaderboard(text, _):
    outcomes = [
        Outcome(StepParameters(name=name), name, {f"cv_{text}_mean": 0.5}, error=name)
        for name in (text, "other")
    ]
    leaderboard.leaderboard(text, outcomes, metric=f"cv_{text}_mean", ascending=False)


def show_progress(text, monkeypatch):
    with on_a_terminal(monkeypatch), Progress(2, text, ascending=False) as progress:
        progress.ended(Outcome(StepParameters(), "r", {text: 0.5}))
        print(progress.text())


def show_stage(text, monkeypatch):
    with on_a_terminal(monkeypatch), console.working() as on_stage:
        on_stage(f"making {text} again")


def show_replay(text, _):
    report.show(judged(text), Request())
    with pytest.raises(RepriseError) as caught:
        report.raise_unless_good(judged(text), Request())
    console.warn(caught.value)


def show_audit(text, _):
    reasons = (Reason("code", text), Reason("data", text))
    run = Finding(server_run(text), Answer.NO, reasons, replay=judged(text))
    audit_report.show([run], text)
    with pytest.raises(RepriseError) as caught:
        audit_report.raise_unless_good([run], text)
    console.warn(caught.value)


def show_comparison(text, _):
    compare.show(comparison(text))


def show_list(text, _):
    data = SimpleNamespace(
        tags={tracking.ENTRY_POINT: text, tracking.VERDICT: text},
        params={text: text},
        metrics={text: 0.5},
    )
    info = SimpleNamespace(run_id="a" * 32, run_name=text, status=text, start_time=0)
    other = SimpleNamespace(
        info=info, data=SimpleNamespace(tags=data.tags, params={text: "x"}, metrics={})
    )
    ls.show([SimpleNamespace(info=info, data=data), other], title=text)


def show_why(text, _):
    why.show(comparison(text))


def show_doctor(text, _):
    failed = result.failed("login", f"the server refuses ({result.quoted(text)})", text)
    console.say(result.line(failed, width=12))


def show_past_error(text, _):
    record = SimpleNamespace(outputs=None)
    with pytest.raises(RepriseError) as caught:
        original_run.refuse_unfinished(original_run.OriginalRun(server_run(text), record))
    console.warn(caught.value)


def show_refused_end(text, monkeypatch):
    def refuse(*_, **__):
        raise MlflowException(text)

    monkeypatch.setattr("reprise.tracking.runs.log", refuse)
    tracking.end_failed(text, "FAILED", text, kind="X")


PLACES = [
    show_error_line,
    show_error_that_nobody_catches,
    show_finished_step,
    show_leaderboard,
    show_progress,
    show_stage,
    show_replay,
    show_audit,
    show_comparison,
    show_list,
    show_why,
    show_doctor,
    show_past_error,
    show_refused_end,
]


def comparison(text):
    side = Side(run_id=text, name=text, status=text, error=text, replays=text, not_recorded=(text,))
    rows = (
        Row(name=text, a=text, b=None, same=False),
        Row(name=f"{text}2", a=(text,), b=text, same=False),
    )
    patch = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+{text.splitlines()[0]}\n"
    return Comparison(
        a=side,
        b=side,
        sections=(Section(name="parameters", rows=rows),),
        code=CodeDifference(patch=patch, missing=(text,)),
        causes=(text,),
        also_installed=(text,),
    )


class on_a_terminal:  # noqa: N801 - reads as one
    """Draw for a terminal, whose own escape codes are left out of what is checked."""

    def __init__(self, monkeypatch):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        sys.stdout.flush()


OWN_CODES = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*m|1A|2K)|\r")  # of rich's progress displays


def is_harmless(output, *, own_codes=False):
    """Check that a terminal would do nothing with an output but show it."""
    plain = OWN_CODES.sub("", output) if own_codes else output
    moved = {c for c in plain if visible(c) != c and c != "\n"}
    assert not moved, f"the terminal obeys {moved} in {plain!r}"
    assert not any(line.startswith(FORGED) for line in plain.splitlines()), plain
    return True


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("show", PLACES, ids=lambda show: show.__name__.replace("_", " "))
def test_a_terminal_only_shows(show, text, capsys, monkeypatch):
    show(text, monkeypatch)

    output = "".join(capsys.readouterr())
    assert is_harmless(output, own_codes=show in (show_progress, show_stage))
    assert output


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_git_is_quoted_on_one_line_when_it_repeats(text, tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)

    with pytest.raises(CodeError) as caught:
        git(tmp_path, "rev-parse", "--verify", text)

    assert is_harmless(str(caught.value))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_escaped_text_is_one_line_and_escaping_it_again_changes_nothing(text):
    once = visible(text)

    assert once.isprintable()
    assert visible(once) == once


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_unicode_gets_escapes(encoding, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)

    console.say("a name: \u540d\u524d \U0001f600")

    stream.flush()
    assert stream.buffer.getvalue().startswith(b"a name: ")


# --- commands that are offered to type -----------------------------------------------------------

WORDS = {
    "a command after a semicolon": "https://h/x;touch${IFS}canary",
    "a command in parentheses": "https://h/$(touch canary)",
    "a command in backticks": "https://h/`touch canary`",
    "a command after a new line": "https://h/x\ntouch canary",
    "a command after a quote": "https://h/x' ; touch canary #",
    "a command after a double quote": 'https://h/x" ; touch canary #',
    "a command behind a pipe": "https://h/x|touch canary",
    "a file to overwrite": "https://h/x>canary",
    "a variable": "https://h/$HOME",
    "a glob": "https://h/*?[a-z]{1,2}",
    "another option after a space": "https://h/x -P code=current",
    "the history": "https://h/!!",
    "nothing": "",
}
_TYPED = re.compile(
    r"-P (allow_repository|allow_untracked|experiment|run_id|data|name|other)=|"
    r"reprise (audit|compare|reproduce|run) "
)


def offered_by_a_foreign_repository(text, folder, _):
    with pytest.raises(CheckoutError) as caught, checkout.repository(folder) as repository:
        repository.obtain(
            describe(folder).model_copy(update={"repository": text or "-", "commit": "a" * 40}),
            lambda _: None,
        )
    return str(caught.value)


def offered_by_a_parameter(text, *_):
    return summary.command(StepParameters(name=text or "-"))


def offered_by_an_audit(text, _, capsys):
    audit_report.show([Finding(server_run("r"), Answer.YES)], text)
    return capsys.readouterr().out


def offered_by_a_replay(text, _, capsys):
    report.show(judged(text or "-"), Request())
    return capsys.readouterr().out


OFFERS = [
    offered_by_a_foreign_repository,
    offered_by_a_parameter,
    offered_by_an_audit,
    offered_by_a_replay,
]


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.__name__.replace("_", " "))
def test_a_shell_takes_for_one_word(offer, text, tmp_path, capsys):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    offered = offer(text, tmp_path, capsys)
    lines = [line for line in offered.splitlines() if _TYPED.search(line)]
    assert lines or "is no repository" in " ".join(offered.split())  # which nobody is offered

    for line in lines:
        typed = line[_TYPED.search(line).start() :]
        done = subprocess.run(
            ["bash", "-c", f"set -- {typed}; printf '%s\\0' \"$@\""],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        words = done.stdout.split("\0")[:-1]
        assert words == shlex.split(typed)
        values = {*words, *(word.partition("=")[2] for word in words)}
        assert values & {visible(text), visible(" ".join(text.split())), "-"}
    assert os.listdir(tmp_path) == [".git"], "a command was run"  # noqa: PTH208


# --- pages and tables -----------------------------------------------------------------------------

PAGES = {
    "a script": "<script>alert(1)</script>",
    "an image that loads": '<img src=x onerror="alert(1)">',
    "the end of an attribute": '"><svg onload=alert(1)>',
    "a javascript link": "javascript:alert(1)",
    "a template": "{{ 7 * 7 }}{% raw %}",
    "the end of the title": "</title></style></pre><script>1</script>",
    "a right-to-left override": "a\u202eb",
}


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_a_browser_only_shows(text):
    page = comparison(text).to_html()

    own = comparison("plain").to_html()
    tags = re.compile(r"<[a-z/!][^>]*>", re.IGNORECASE)
    assert tags.findall(page) == tags.findall(own), "the text made an element"
    assert "49" not in page
    assert "href" not in page
    assert "\u202e" not in page


FORMULAS = {
    "a formula": "=1+1",
    "a formula that runs a program": "=cmd|' /C calc'!A0",
    "a plus": "+1+cmd|' /C calc'!A0",
    "a minus": "-2+3+cmd|' /C calc'!A0",
    "an at sign": "@SUM(1,1)",
    "a tab before it": "\t=1+1",
    "a new line before it": "\n=1+1",
    "a space before it": "  =1+1",
    "a wide equals sign": "\uff1d1+1",
    "a quote and a comma before it": '",=1+1',
}


def runs_csv(text):
    outcome = Outcome(StepParameters(name=text), text, {"accuracy": -0.5}, error=text)
    return sweep_report.as_csv(sweep_report.table([outcome]))


def audit_csv(text):
    return audit_report.as_csv([Finding(server_run(text), Answer.NO, (Reason("code", text),))])


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("write", [runs_csv, audit_csv], ids=["runs.csv", "audit.csv"])
def test_a_spreadsheet_computes_nothing(write, text):
    rows = list(csv.reader(io.StringIO(write(text))))

    cells = [value for row in rows[1:] for value in row if value != "-0.5"]
    assert len(rows) == 2
    assert not any(re.match(r"[\s]*[=+\-@\uff1d]", value) for value in cells), cells


def test_a_number_stays_a_number_in_a_table():
    assert [cell(text) for text in ("-1.5", "+2", "1e-3", "a-b")] == ["-1.5", "+2", "1e-3", "a-b"]
