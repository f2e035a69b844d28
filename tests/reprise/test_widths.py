"""Tables can be read at any width, on a terminal and in a pipe."""

import pytest

from reprise import console

WIDTHS = [20, 40, 60, 80, 100, 200]
PARAMETERS = ["criterion", "max_depth", "min_samples_split", "min_samples_leaf", "class_weight"]
ROW = ["0123abcd", "train_dt", "entropy", "5", "10", "20", "balanced", "0.9400", "0.0735"]


def table():
    metrics = ["cv accuracy", "± std"]
    made = console.make_table(
        ["run", "step", *PARAMETERS, *metrics], title="Runs of x", whole=["run"], right=metrics
    )
    console.add_row(made, *ROW)
    console.add_row(made, "4567cdef", "train_lr", *[""] * 5, "0.5", "")
    return made


@pytest.fixture
def printed(capsys, monkeypatch):
    """Print the table in a pipe that has some columns; return its lines."""

    def printed(width):
        monkeypatch.delenv("COLUMNS", raising=False)
        if width:
            monkeypatch.setenv("COLUMNS", str(width))
        capsys.readouterr()
        console.print_table(table())
        return capsys.readouterr().out.splitlines()

    return printed


@pytest.mark.parametrize("width", [*WIDTHS, None])
def test_no_line_is_longer_than_there_are_columns(printed, width):
    assert max(map(len, printed(width))) <= max(width or 120, 27)


@pytest.mark.parametrize("width", [60, 80, 100, 200, None])
def test_nothing_is_cut_off_or_broken(printed, width):
    text = "\n".join(printed(width))

    assert "…" not in text
    assert [value for value in ROW if value not in text] == []


def test_a_wide_table_has_a_line_for_each_row(printed):
    lines = [line for line in printed(200) if "│" in line]

    assert len(lines) == 2
    assert [value for value in ROW if value not in lines[0]] == []


def test_where_there_is_no_room_each_row_is_a_list(printed):
    assert printed(60) == [
        "Runs of x",
        "run 0123abcd",
        "  step               train_dt",
        "  criterion          entropy",
        "  max_depth          5",
        "  min_samples_split  10",
        "  min_samples_leaf   20",
        "  class_weight       balanced",
        "  cv accuracy        0.9400",
        "  ± std              0.0735",
        "run 4567cdef",
        "  step               train_lr",
        "  cv accuracy        0.5",
    ]


def test_a_narrow_table_stays_a_table_in_sixty_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    small = console.make_table(["run", "what"], whole=["run"])
    console.add_row(small, "0123abcd", "a long text " * 10)

    console.print_table(small)

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    assert any("0123abcd" in line and "│" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9199999999999999, "0.92"), (1.0, "1"), (1e-9, "1e-09"), (123456.789, "123457")],
)
def test_numbers_are_rounded_for_people(value, text):
    assert console.rounded(value) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.0012345678901234", "0.00123457"),
        ("-1.2345678901234e-10", "-1.23457e-10"),
        ("1.0", "1.0"),
        ("1234567890123", "1234567890123"),
        ("1.2345.67890", "1.2345.67890"),
        ("0123456789abcdef", "0123456789abcdef"),
        ("2024-01-01T00:00", "2024-01-01T00:00"),
        ("nan of a kind", "nan of a kind"),
        ("infinity and more", "infinity and more"),
    ],
)
def test_a_number_that_was_drawn_is_rounded_in_a_table_and_a_text_is_not(text, shown):
    assert console.brief_number(text) == shown


def test_there_is_no_colour_where_nobody_wants_it(printed, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[3" not in "\n".join(printed(200))
