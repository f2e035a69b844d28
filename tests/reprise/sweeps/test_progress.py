"""How far many runs are is told on a terminal, and where time went at the end."""

import io
import math

import pytest

from reprise.sweeps.outcome import Outcome
from reprise.sweeps.progress import Clock, Progress
from steps.parameters import TrainDecisionTreeParameters


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def no_hints(monkeypatch):
    """What may tell rich that it is, or is not, on a terminal."""
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def outcome(*, seconds=1.0, error="", made_before=False, **metrics):
    return Outcome(TrainDecisionTreeParameters(), "1", metrics, seconds, error, made_before)


def told(*outcomes, metric="m", ascending=False):
    with Progress(len(outcomes), metric, ascending=ascending) as progress:
        for each in outcomes:
            progress.ended(each)
        return progress.text()


class TestProgress:
    def test_prints_nothing_in_a_log(self, no_hints, capsys):
        told(outcome(m=1.0), outcome(error="no"))

        assert capsys.readouterr() == ("", "")

    def test_counts_on_a_terminal(self, no_hints, monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)

        with Progress(2, "m", ascending=False) as progress:
            progress.ended(outcome(error="no"))

        assert "1 failed" in terminal.getvalue()
        assert "1/2" in terminal.getvalue()

    def test_tells_how_many_ended_how(self):
        text = told(outcome(), outcome(error="no"), outcome(made_before=True), outcome(), outcome())

        assert text == "3 done, 1 failed, 1 skipped"

    def test_tells_nothing_of_what_has_not_happened(self):
        assert told() == ""

    @pytest.mark.parametrize(("ascending", "best"), [(False, "0.7500"), (True, "-0.2500")])
    def test_tells_the_best_so_far(self, ascending, best):
        outcomes = [outcome(m=value) for value in (0.5, 0.75, -0.25)]

        text = told(*outcomes, ascending=ascending)

        assert text == f"3 done, best m {best}"

    def test_counts_a_run_that_was_made_before_among_the_best(self):
        assert told(outcome(m=0.9, made_before=True)) == "1 skipped, best m 0.9000"

    @pytest.mark.parametrize("ascending", [False, True])
    def test_tells_no_best_where_none_has_the_metric(self, ascending):
        assert told(outcome(n=0.9), ascending=ascending) == "1 done"

    @pytest.mark.parametrize("values", [(math.nan, 0.5), (0.5, math.nan)])
    def test_does_not_take_what_is_no_number_for_the_best(self, values):
        assert told(*(outcome(m=value) for value in values)) == "2 done, best m 0.5000"


class TestClock:
    def test_tells_each_lap_and_what_runs_took(self, capsys):
        clock = Clock()
        clock.lap("first")
        clock.lap("second")
        clock.lap("first")

        clock.show([outcome(seconds=1.0), outcome(seconds=3.0), outcome(made_before=True)])

        laps, runs = capsys.readouterr().out.splitlines()
        assert laps.startswith("Time: first ")
        assert ", second " in laps
        assert laps.count("first") == 1
        assert runs == ("  2 runs of 2.00 s on average, the longest 3.00 s; 1 were made before")

    def test_tells_of_no_runs_where_all_were_made_before(self, capsys):
        Clock().show([outcome(made_before=True)])

        assert "runs" not in capsys.readouterr().out
