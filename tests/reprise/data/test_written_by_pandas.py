"""A table that pandas writes, with any of the options, is read back equal."""

import datetime as dt
import io
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprise.data.column_names import readable
from reprise.data.read_options import ReadOptions
from reprise.data.tables import read_table

ROWS = 4
SEPARATORS = {",": ".csv", ";": ".csv", "\t": ".tsv", "|": ".csv"}
# Text that no option can take for something else.
text = st.text(st.sampled_from('xyzäß "\n'), max_size=5).map(lambda end: f"t{end}")
whole = st.integers(-(10**12), 10**12)
fraction = st.floats(allow_nan=False, allow_infinity=False).map(lambda x: x + 0.0)
moment = st.datetimes(*map(dt.datetime.fromisoformat, ("1900-01-01", "2100-01-01")))
day = moment.map(lambda when: when.replace(hour=0, minute=0, second=0, microsecond=0))
seconds = moment.map(lambda when: when.replace(microsecond=0))
span = st.timedeltas(dt.timedelta(-(10**4)), dt.timedelta(10**4))
several = partial(st.lists, min_size=ROWS, max_size=ROWS)


def column(values):
    return several(st.one_of(st.none(), values)).filter(
        lambda cells: any(c is not None for c in cells)
    )


columns = st.one_of(
    *(column(v) for v in (text, whole, fraction, day, seconds, span, st.booleans()))
)


@st.composite
def frames(draw):
    """A data frame of a few columns; their names may have separators and quotes in them."""
    letters = st.text(st.sampled_from('ab,;"| é'), min_size=1, max_size=4)
    names = draw(st.lists(letters.map(lambda n: f"n{n}"), min_size=2, max_size=4, unique=True))
    return pd.DataFrame({name: pd.Series(draw(columns)) for name in names})


def same(table, frame):
    """Whether a table has a frame's names and values."""
    assert table.column_names == list(frame.columns)
    for name in frame.columns:
        found, expected = table[name].to_pylist(), frame[name].tolist()
        for one, other in zip(found, expected, strict=True):
            if pd.isna(other):
                assert one is None
            elif isinstance(other, pd.Timestamp):
                assert pd.Timestamp(one) == other
            elif isinstance(other, pd.Timedelta | dt.timedelta):
                assert pd.Timedelta(one) == other
            else:
                assert one == other
                assert isinstance(one, str) == isinstance(other, str)
    return True


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("written") / "source"


@given(
    frames(),
    st.sampled_from(sorted(SEPARATORS)),
    st.sampled_from([".", ","]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from(["", "NA", "missing"]),
)
@settings(max_examples=60)
def test_with_any_options_for_a_text_file(path, frame, separator, decimal, encoding, na):
    if decimal == separator:
        decimal = "."
    frame.to_csv(path, index=False, sep=separator, decimal=decimal, encoding=encoding, na_rep=na)

    options = ReadOptions(
        separator=separator,
        decimal=decimal,
        encoding="utf-8" if encoding == "utf-8-sig" else encoding,
        na_values=(na,) if na == "missing" else (),
    )

    assert same(read_table(path, name=f"x{SEPARATORS[separator]}", options=options), frame)


@given(frames(), st.sampled_from(sorted(SEPARATORS)))
@settings(max_examples=30)
def test_with_a_separator_that_is_found(path, frame, separator):
    plain = frame.rename(columns={name: f"n{place}" for place, name in enumerate(frame.columns)})
    plain.to_csv(path, index=False, sep=separator)

    assert same(read_table(path, name="x.csv", options=ReadOptions(decimal=".")), plain)


@given(frames(), st.booleans(), st.sampled_from(["", "#"]))
@settings(max_examples=30)
def test_with_or_without_names_and_comments(path, frame, header, comment):
    frame.to_csv(path, index=False, header=header)
    if comment:
        path.write_text(f"{comment} made up\n{path.read_text()}")

    options = ReadOptions(header=int(header), names=tuple(frame.columns), comment=comment or None)

    assert same(read_table(path, name="x.csv", options=options), frame)


@given(several(st.integers(-(10**9), 10**9)), st.sampled_from([",", " ", "'", "_"]))
@settings(max_examples=30)
def test_with_a_separator_between_thousands(path, numbers, thousands):
    written = [f"{n:,}".replace(",", thousands) for n in numbers]
    pd.DataFrame({"n": written, "t": "x"}).to_csv(path, index=False)

    table = read_table(path, name="x.csv", options=ReadOptions(thousands=thousands))

    assert table["n"].to_pylist() == numbers


@given(several(moment), st.sampled_from(["%d/%m/%Y", "%d.%m.%y", "%Y%m%d", "%b %d, %Y %H:%M"]))
@settings(max_examples=30)
def test_with_a_format_of_dates(path, moments, form):
    frame = pd.DataFrame({"when": pd.Series(moments), "n": range(ROWS)})
    frame.to_csv(path, index=False, date_format=form)
    expected = pd.to_datetime(frame["when"].dt.strftime(form), format=form)

    table = read_table(path, name="x.csv", options=ReadOptions(dates=(("when", form),)))

    assert [pd.Timestamp(v) for v in table["when"].to_pylist()] == expected.tolist()


@given(frames(), st.sampled_from([".parquet", ".feather", ".csv.gz", ".csv.bz2", ".csv.xz"]))
@settings(max_examples=30)
def test_in_any_format(path, frame, suffix):
    stream = io.BytesIO()
    if suffix == ".parquet":
        frame.to_parquet(stream)
    elif suffix == ".feather":
        frame.to_feather(stream)
    else:
        kind = {"gz": "gzip"}.get(suffix.rpartition(".")[2], suffix.rpartition(".")[2])
        frame.to_csv(stream, index=False, compression=kind)
    path.write_bytes(stream.getvalue())

    assert same(read_table(path, name=f"x{suffix}"), frame)


@given(st.lists(st.sampled_from(["", "a", "a.1", "a.2", "a.1.1", "Unnamed: 1"]), min_size=2))
@settings(max_examples=60)
def test_names_are_those_that_pandas_gives(names):
    line = ",".join(f'"{name}"' for name in names)
    row = ",".join("1" for _ in names)

    assert readable(names) == list(pd.read_csv(io.StringIO(f"{line}\n{row}\n")).columns)


def test_a_frame_with_an_index_has_row_names(path):
    frame = pd.DataFrame({"a": np.arange(3), "b": ["x", "y", "z"]})
    frame.to_csv(path)

    assert read_table(path, name="x.csv").column_names == ["Unnamed: 0", "a", "b"]
