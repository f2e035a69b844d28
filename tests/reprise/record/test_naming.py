"""A run's name says what it is, in one short line, whatever the words are that it is made of."""

import pytest

from reprise.record import naming
from reprise.visible import visible

HOSTILE = [
    "\x1b[31mred\nINFO ok",
    "<script>alert(1)</script>",
    "\u202egnp.exe",
    "a\u0300" * 300,
    "x" * 100_000,
    "[a](javascript:b)",
    "·" * 500,
    " \t\r\n",
]


def test_it_has_the_step_the_parameters_and_the_data():
    named = naming.of_step("train_dt", {"max_depth": "5"}, data="iris")

    assert named == "train_dt max_depth=5 · iris"


def test_without_parameters_and_data_it_is_the_step():
    assert naming.of_step("train_dt", {}) == "train_dt"


def test_an_id_among_the_parameters_is_shortened():
    parameters = {"a": "3f0f2f1c" + "0" * 24, "b": "runs:/" + "9" * 32, "c": "9" * 31}

    named = naming.of_step("evaluate", parameters)

    assert named == f"evaluate a=3f0f2f1c b=99999999 c={'9' * 31}"


def test_parameters_for_which_there_is_no_room_are_left_out_whole():
    parameters = {f"parameter_{n}": "12345" for n in range(20)}

    named = naming.of_step("train_rf", parameters, data="churn.csv")

    assert len(named) <= 120
    assert named.endswith("=12345 … · churn.csv")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_others_is_one_short_visible_line(text):
    names = [
        naming.of_step(text, {text: text, "b": text}, data=text),
        naming.of_command("audit", text),
        naming.of_command(text, text),
        naming.of_run(text, text),
        naming.of_data(text),
        naming.of_data(f"https://example.org/{text}"),
    ]

    for name in names:
        assert len(name) <= 120
        assert name == visible(name)


def test_credentials_are_in_no_name():
    secret = "https://ada:t0ken@example.org/a.csv"

    names = [
        naming.of_step("load_data", {"source": secret}, data=secret),
        naming.of_command("train.py", f"--data {secret}"),
        naming.of_data(secret),
        naming.of_data(f"{secret}?sig=t0ken"),
    ]

    assert "t0ken" not in " ".join(names)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sklearn:iris", "iris"),
        ("data/churn.csv", "churn.csv"),
        ("churn.csv", "churn.csv"),
        ("/srv/data/churn.csv", "churn.csv"),
        ("https://example.org/a/churn%20of%20may.csv?x=1#y", "churn of may.csv"),
        ("s3://bucket/tables/churn.parquet?versionId=3", "churn.parquet"),
        ("https://example.org/", ""),
        ("http://[", "["),
        ("", ""),
    ],
)
def test_data_is_named_by_its_file(uri, name):
    assert naming.of_data(uri) == name


def test_a_run_of_a_command_says_what_it_is_about():
    about = naming.of_run("train_dt", "3f0f2f1c" + "0" * 24)

    named = naming.of_command("reproduce", f"{about}: identical")

    assert named == "reproduce train_dt 3f0f2f1c: identical"
