"""Values come as text, are checked against one model, and are refused in one line."""

import re
from functools import partial
from typing import Annotated, ClassVar, Literal, get_args, get_origin

import pytest
import refusing
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from reprise.errors import DataError, ParameterError
from reprise.record.schema import as_text
from reprise.runtime.parameters import Parameters, expected, help_text, mlproject_type, parse_argv
from steps.parameters import ENTRY_POINTS

Seed = Annotated[int, Field(ge=0, le=9)]


class GrowParameters(Parameters):
    """Grow a plant."""

    entry_point: ClassVar[str] = "grow"
    locations: ClassVar[frozenset[str]] = frozenset({"field"})

    field: str = Field(
        "south", min_length=1, description="where", json_schema_extra={"expected": "a place"}
    )
    water: float = Field(0.5, gt=0, lt=1, description="litres a day")
    weeks: int = Field(4, ge=1, description="how long")
    height: int | None = Field(None, ge=1, description="cut above; empty: never", examples=[30])
    kind: Literal["rose", "oak"] = Field("rose", description="which plant")
    soil: Literal["clay"] | None = Field(None, description="empty: any", examples=["clay"])
    shade: bool = Field(False, description="out of the sun")
    seed: Seed = Field(3, description="seed of the seeds")


refusal = partial(refusing.refusal, error=ParameterError)


def test_text_becomes_typed_values():
    given = {"water": "0.25", "weeks": "12", "height": "30", "kind": "oak", "shade": "true"}

    found = GrowParameters.parse(given)

    assert found.typed() == {
        "field": "south",
        "water": 0.25,
        "weeks": 12,
        "height": 30,
        "kind": "oak",
        "soil": None,
        "shade": True,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ({"weeks": "5.0"}, 5),  # mlflow's UI and YAML write whole numbers so
        ({"weeks": "007"}, 7),
        ({"water": "1e-3"}, 0.001),
        ({"shade": "True"}, True),
        ({"shade": "0"}, False),
        ({"height": ""}, None),
        ({"soil": ""}, None),
        ({"field": "$(x) 'a b'"}, "$(x) 'a b'"),
        ({"field": "-"}, "-"),
    ],
)
def test_a_spelling_is_understood(raw, value):
    (name,) = raw

    found = GrowParameters.parse(raw)

    assert (type(getattr(found, name)), getattr(found, name)) == (type(value), value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"weeks": "banana"}, ["weeks", "a whole number >= 1", "'banana'", "-P weeks=4"]),
        ({"weeks": "0"}, ["weeks", "a whole number >= 1", "'0'"]),
        ({"weeks": "1.5"}, ["weeks", "a whole number", "'1.5'"]),
        ({"weeks": ""}, ["weeks", "a whole number", "''"]),
        ({"weeks": "1e3"}, ["weeks", "a whole number", "'1e3'"]),
        ({"water": "0"}, ["water", "a number > 0 and < 1", "'0'", "-P water=0.5"]),
        ({"water": "1"}, ["water", "a number > 0 and < 1", "'1'"]),
        ({"water": "nan"}, ["water", "a number", "'nan'"]),
        ({"water": "inf"}, ["water", "a number", "'inf'"]),
        ({"water": "0,5"}, ["water", "a number", "'0,5'"]),
        ({"height": "0"}, ["height", "a whole number >= 1, or empty", "'0'", "-P height=30"]),
        ({"height": "None"}, ["height", "or empty", "'None'"]),
        ({"kind": "Rose"}, ["kind", "one of rose, oak", "'Rose'", "-P kind=rose"]),
        ({"soil": "sand"}, ["soil", "must be clay, or empty", "'sand'", "-P soil=clay"]),
        ({"shade": "perhaps"}, ["shade", "true or false", "'perhaps'", "-P shade=false"]),
        ({"shade": ""}, ["shade", "true or false", "''"]),
        ({"seed": "10"}, ["seed", "a whole number >= 0 and <= 9", "'10'"]),
        ({"field": ""}, ["field", "a place", "''", "-P field=south"]),
        ({"field": "two\nlines", "weeks": "x\ny"}, ["weeks", r"'x\ny'"]),
        ({"weks": "3"}, ["no parameter 'weks'", "did you mean 'weeks'?", "field, water, weeks"]),
        ({"zzz": "3"}, ["no parameter 'zzz'", "It takes: field, water, weeks"]),
        ({"": "3"}, ["no parameter ''", "It takes:"]),
        ({"self": "3"}, ["no parameter 'self'"]),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_in_words(raw, words):
    text = refusal(GrowParameters.parse, raw)

    assert [word for word in words if word not in text] == []


def test_an_unlike_name_has_no_suggestion():
    text = refusal(GrowParameters.parse, {"zzz": "3"})

    assert "did you mean" not in text


def test_every_wrong_value_is_named_at_once():
    text = refusal(GrowParameters.parse, {"weeks": "x", "water": "y", "colour": "z"})

    assert all(word in text for word in ("weeks must be", "water must be", "'colour'"))


def test_parameters_cannot_be_changed():
    parameters = GrowParameters.parse({})

    with pytest.raises(ValidationError):
        parameters.weeks = 5


def test_values_leave_out_where_the_data_is():
    here, there = GrowParameters.parse({}), GrowParameters.parse({"field": "north"})

    assert "field" not in here.values()
    assert here.values() == there.values()
    assert here.values()["weeks"] == 4


def test_what_differs_from_its_default_was_given():
    parameters = GrowParameters.parse({"weeks": "4", "water": "0.50", "height": "30", "soil": ""})

    assert parameters.given() == {"height": "30"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1e-5, "1e-05"),
        (0.1, "0.1"),
        ("A", "A"),
    ],
)
def test_a_value_is_written_as_an_mlproject_does(value, text):
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("field", "a place"),
        ("water", "a number > 0 and < 1"),
        ("height", "a whole number >= 1, or empty"),
        ("kind", "one of rose, oak"),
        ("soil", "clay, or empty"),
        ("shade", "true or false"),
    ],
)
def test_what_a_parameter_takes_is_said_in_words(name, words):
    assert expected(GrowParameters.model_fields[name]) == words


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("weeks", "float"),
        ("water", "float"),
        ("height", "float"),
        ("shade", "string"),
        ("kind", "string"),
        ("soil", "string"),
        ("field", "string"),
    ],
)
def test_numbers_are_float_in_an_mlproject_and_the_rest_string(name, kind):
    assert mlproject_type(GrowParameters.model_fields[name]) == kind


def test_help_names_the_entry_point_and_every_parameter_with_its_default():
    text = help_text(GrowParameters)
    lines = re.sub(r"\n {6}", " ", text).splitlines()  # what is wrapped

    assert lines[0] == "Grow a plant."
    assert "usage: python -m steps.grow [--name value ...]" in lines
    assert "  --weeks  how long (a whole number >= 1; default: 4)" in lines
    assert (
        "  --height  cut above; empty: never (a whole number >= 1, or empty; default: empty)"
        in lines
    )
    assert len([line for line in lines if line.startswith("  --")]) == 8
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("model", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_every_default_of_an_entry_point_is_valid_and_has_help(model):
    required = {n: f.examples[0] for n, f in model.model_fields.items() if f.is_required()}

    defaults = model.parse(required)

    assert model.parse(defaults.raw()) == defaults
    assert all(field.description for field in model.model_fields.values())
    assert f"python -m steps.{model.entry_point}" in help_text(model)


def values_of(name, field):
    """Values that a field accepts, from its type and bounds."""
    if name in FEW:
        return st.sampled_from(FEW[name])
    kind = field.annotation
    optional = type(None) in get_args(kind)
    if optional:
        kind = get_args(kind)[0]
    limits = {
        name: getattr(m, name)
        for m in field.metadata
        for name in ("ge", "gt", "le", "lt", "pattern")
        if getattr(m, name, None) is not None
    }
    low, high = limits.get("ge", limits.get("gt")), limits.get("le", limits.get("lt"))
    if get_origin(kind) is Literal:
        values = st.sampled_from(get_args(kind))
    elif kind is bool:
        values = st.booleans()
    elif kind is int:
        values = st.integers(low, high)
    elif kind is float:
        values = st.floats(low, high, exclude_min="gt" in limits, exclude_max="lt" in limits)
        values = values.filter(lambda x: abs(x) != float("inf"))
        values = values.filter(lambda x: x == x)  # noqa: PLR0124
    elif "pattern" in limits:
        values = st.from_regex(limits["pattern"].replace("$", r"\Z"))
        values = values.filter(lambda text: "\0" not in text)
    else:
        values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
    for validator in (m.func for m in field.metadata if hasattr(m, "func")):
        values = values.filter(partial(passes, validator))
    return st.none() | values if optional else values


# Values of parameters that accept little of all text, by a check or by another sort of pattern.
FEW = {
    "encoding": ("auto", "cp1252", "UTF-16"),
    "separator": ("auto", "tab", r"\t", r"\s+", ";", "|", "§"),
    "comment": (None, "#", "%", "§"),
    "time": (None,),  # not together with group, which takes the same
}


def passes(validator, value):
    """Return whether a field's own check accepts a value: folds of 1, a password in an address."""
    try:
        validator(value)
    except (ValueError, DataError):
        return False
    return True


@pytest.mark.parametrize("model", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
@given(data=st.data())
def test_whatever_an_entry_point_accepts_comes_back_from_its_text(model, data):
    parameters = model(**{n: data.draw(values_of(n, f)) for n, f in model.model_fields.items()})

    again = model.parse(parameters.raw())

    assert again == parameters
    assert repr(again) == repr(parameters)  # -0.0 is not 0.0


@pytest.mark.parametrize("model", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
@given(data=st.data())
def test_whatever_an_entry_point_accepts_comes_back_from_a_command_line(model, data):
    parameters = model(**{n: data.draw(values_of(n, f)) for n, f in model.model_fields.items()})
    raw = parameters.raw()

    apart = parse_argv([w for n, v in raw.items() for w in (f"--{n}", v)])
    joined = parse_argv([f"--{n}={v}" for n, v in raw.items()])

    assert apart == joined == raw


@pytest.mark.parametrize(
    ("argv", "raw"),
    [
        ([], {}),
        (["--weeks", "3"], {"weeks": "3"}),
        (["--weeks=3"], {"weeks": "3"}),
        (["--weeks", "3", "--kind=oak"], {"weeks": "3", "kind": "oak"}),
        (["--height", ""], {"height": ""}),
        (["--height="], {"height": ""}),
        (["--water", "-1"], {"water": "-1"}),
        (["--water", "--5"], {"water": "--5"}),
        (["--field", "--weeks", "--weeks", "3"], {"field": "--weeks", "weeks": "3"}),
        (["--field=a=b"], {"field": "a=b"}),
        (["--field", "a=b"], {"field": "a=b"}),
        (["--field", "a b"], {"field": "a b"}),
    ],
)
def test_names_and_values_are_read_from_a_command_line(argv, raw):
    assert parse_argv(argv) == raw


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["3"], ["expected --name value pairs", "'3'", "-P name=value"]),
        (["-weeks", "3"], ["expected --name value pairs", "'-weeks'"]),
        (["--weeks", "3", "4"], ["expected --name value pairs", "'4'"]),
        ([""], ["expected --name value pairs", "''"]),
        (["--weeks"], ["expected a value after --weeks, found none"]),
        (["--kind", "oak", "--weeks"], ["expected a value after --weeks"]),
        (["--weeks", "3", "--weeks", "3"], ["expected 'weeks' once", "twice"]),
        (["--weeks", "3", "--weeks=4"], ["expected 'weeks' once", "twice"]),
        (["--field", "caf\udce9"], ["expected text in UTF-8", r"'caf\udce9'"]),
    ],
)
def test_a_command_line_that_says_nothing_clear_is_refused_in_words(argv, words):
    text = refusal(parse_argv, argv)

    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    "address",
    [
        "https://user:s3cr3t@host/x.csv",
        "HTTPS://user:s3cr3t@host/x.csv",
        "https://host/x.csv?X-Amz-Signature=s3cr3t",
        "https://host/x.csv#s3cr3t",
    ],
)
def test_an_address_with_credentials_is_refused_as_it_would_be_recorded(address):
    text = refusal(ENTRY_POINTS["load_data"].parse, {"source": address})

    assert "without credentials" in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize(
    "address", ["HTTPS://host/x.csv", "https://host/x.csv?", "s3://b/x.csv?versionId=4", "A://"]
)
def test_an_address_without_credentials_is_taken_as_it_is_spelled(address):
    assert ENTRY_POINTS["load_data"].parse({"source": address}).source == address
