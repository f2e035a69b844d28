"""How people name a run."""

import pytest

from reprise.record.reference import Reference, ReferenceKind

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (ID, ReferenceKind.ID, ID),
        (f"runs:/{ID}", ReferenceKind.ID, ID),
        ("012345", ReferenceKind.BEGINNING, "012345"),
        ("runs:/01234567", ReferenceKind.BEGINNING, "01234567"),
        ("ABCDEF", ReferenceKind.BEGINNING, "ABCDEF"),
        ("latest", ReferenceKind.LATEST, ""),
        ("runs:/latest", ReferenceKind.LATEST, ""),
        ("latest:train_dt", ReferenceKind.LATEST, "train_dt"),
        ("latest:models/fit.py", ReferenceKind.LATEST, "models/fit.py"),
        ("best:accuracy", ReferenceKind.BEST, "accuracy"),
        ("best:val/loss", ReferenceKind.BEST, "val/loss"),
        ("models:/churn@champion", ReferenceKind.MODEL, "models:/churn@champion"),
        ("models:/churn/3", ReferenceKind.MODEL, "models:/churn/3"),
        ("models:/m-0123abcd", ReferenceKind.MODEL, "models:/m-0123abcd"),
        ("train_dt max_depth=5", ReferenceKind.NAME, "train_dt max_depth=5"),
        ("abc", ReferenceKind.NAME, "abc"),
        ('it\'s `my` "run"', ReferenceKind.NAME, 'it\'s `my` "run"'),
    ],
)
def test_a_reference_is_read(text, kind, value):
    found = Reference.parse(text)

    assert (found.kind, found.value, found.text) == (kind, value, text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", " abc", "runs:/", "latest:", "best:", "best:a`b", "models:/", "models:/x"),
        *("models:/x@", "models:/x/latest", "a\nb", "a\x1b[2J", "\u202eabc", "x" * 251, "\ud800"),
        *("https://me:s3cret@host/p", "s3://bucket/key", "latest:a`b"),
    ],
)
def test_what_names_no_run_is_refused(text):
    with pytest.raises(ValueError, match="a run: its id"):
        Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "greater"),
    [
        ("best:accuracy", True),
        ("best:glossary", True),
        ("best:log_loss", False),
        ("best:val/loss", False),
        ("best:RMSE", False),
        ("best:median_ae", False),
        ("best:accuracy:min", False),
        ("best:log_loss:max", True),
    ],
)
def test_whether_more_is_better_is_read_from_the_metrics_name_unless_it_is_said(text, greater):
    assert Reference.parse(text).is_greater_better is greater
