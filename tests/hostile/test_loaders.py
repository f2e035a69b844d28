"""Reading any file gives a valid value, or an error of one line."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loaders import LOADERS, REFUSALS, SEEDS

from reprise.visible import visible

_ODD = st.sampled_from(
    ["", "\0", "\ud800", "\x1b[2J", "[/x]", "-", "--", "../x", "n" * 5000, "nan", "1e999", "~"]
)
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.just(2**64), st.text(), _ODD
)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text() | _ODD, inner), max_leaves=8
)


@st.composite
def changed(draw, seed):
    """A valid file with one value or some bytes replaced."""
    try:
        values = json.loads(seed)
    except ValueError:
        values = None
    if isinstance(values, dict) and draw(st.booleans()):
        where = values
        key = draw(st.sampled_from(sorted(where)))
        while isinstance(where[key], dict) and where[key] and draw(st.booleans()):
            where, key = where[key], draw(st.sampled_from(sorted(where[key])))
        where[key] = draw(_JSON)
        return json.dumps(values).encode()
    at = draw(st.integers(0, len(seed)))
    inserted = draw(
        st.binary(max_size=20)
        | (_ODD | st.text(max_size=20)).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
    return seed[:at] + inserted + seed[at + draw(st.integers(0, 20)) :]


def check(load, content):
    """Check that a loader accepts a content, or refuses it in one line."""
    try:
        load(content)
    except REFUSALS as error:
        text = str(error)
        assert text.strip()
        assert visible(text) == text


@pytest.mark.parametrize("name", LOADERS)
def test_is_read_or_refused_in_one_line(name):
    contents = st.one_of(
        *map(changed, SEEDS[name]),
        st.binary(max_size=200),
        _JSON.map(lambda v: json.dumps(v).encode()),
    )

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(contents)
    def every(content):
        check(LOADERS[name], content)

    every()


DEEP = {
    "lists in lists": b"[" * 5_000,
    "objects in objects": b'{"format_version":' * 5_000,
    "a number of 5,000 digits": b"9" * 5_000,
    "a number that is too large": b'{"format_version": 1e999}',
    "a byte-order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"format_version": 2}'.encode("utf-16"),
    "NUL bytes": b"\0" * 100,
    "nothing": b"",
    "a name twice": b'{"format_version": 2, "format_version": 2}',
    "an anchor of itself": b"&a [*a]",
    "an object of Python's": b"!!python/object/apply:os.system [id]",
    "a date that is none": b"data: 2026-02-31",
    "a key that is a list": b"? [a]\n: b",
    "a time zone": b"a: 2001-12-14t21:59:43.10+99:99",
    "a binary that is none": b"a: !!binary '\xc3\xa9'",
    "a set": b"!!set {a, b}",
    "a merge of a list": b"<<: [1, 2]",
}


@pytest.mark.parametrize("content", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("name", LOADERS)
def test_a_reader_refuses_in_one_line(name, content):
    check(LOADERS[name], content)
