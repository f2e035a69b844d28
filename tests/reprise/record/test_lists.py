"""Several values in one parameter survive as text, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.record import lists

VALUES = st.text(st.sampled_from('ab ,"\n\t'), max_size=4)


@given(st.lists(VALUES, min_size=1))
def test_values_are_read_as_they_were_written(values):
    assert lists.split(lists.joined(values)) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b", ["a", "b"]),
        ("a, b", ["a", "b"]),
        ('"Deaths, lon", y', ["Deaths, lon", "y"]),
        (" ", [" "]),
        ("?", ["?"]),
        ('"a ""b"""', ['a "b"']),
    ],
)
def test_values_are_written_as_people_do(text, values):
    assert lists.split(text) == values


@pytest.mark.parametrize("text", ['"a', "a\nb", 'a,"b"c'])
def test_what_is_no_row_is_refused(text):
    with pytest.raises(ValueError, match=r"end of data|expected|several"):
        lists.split(text)
