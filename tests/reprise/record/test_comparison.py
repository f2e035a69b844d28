"""Two runs side by side: differences go both ways, and an unknown value is not a difference."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from reprise.record import comparison
from reprise.record.comparison import Side, Subject, compare
from reprise.record.patch import CodeDifference
from reprise.record.schema import InputData, Outputs
from steps.parameters import TrainDecisionTreeParameters, TrainLogisticRegressionParameters

NOTHING = CodeDifference(patch="")
PLAIN = ("uncommitted edits", "data", "environment", "numerics", "model", "predictions")
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
PATCH = """diff --git a/x.py b/x.py
index 1..2 100644
--- a/x.py
+++ b/x.py
@@ -1,2 +1,2 @@
 kept
-old
+new
"""


@pytest.fixture
def subject(record_of):
    """Make a run to compare; a change of a part of its record is given as a dict."""

    def subject(parameters=None, *, side=None, schema=None, **changes):
        record = record_of(parameters or TrainDecisionTreeParameters())
        for name, value in changes.items():
            part = getattr(record, name)
            new = part.model_copy(update=value) if hasattr(part, "model_copy") and value else value
            record = record.model_copy(update={name: new})
        known = {"run_id": "1" * 32, "name": "train_dt", "status": "FINISHED", **(side or {})}
        return Subject(side=Side(**known), record=record, data_schema=schema)

    return subject


@pytest.fixture
def with_metrics(subject):
    def with_metrics(**metrics):
        return subject(outputs=Outputs(metrics=metrics))

    return with_metrics


def rows(found, section):
    (match,) = (each for each in found.sections if each.name == section)
    return {row.name: (row.a, row.b, row.same) for row in match.rows}


def different(found):
    return {(s.name, row.name): (row.a, row.b) for s in found.sections for row in s.different}


class Page(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts, self.path, self.folded = [], [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.path.append(tag)

    def handle_endtag(self, tag):
        assert self.path.pop() == tag

    def handle_data(self, data):
        if "style" not in self.path and data.strip():
            (self.folded if "details" in self.path else self.texts).append(data.strip())


def test_a_run_does_not_differ_from_itself(subject):
    run = subject(
        TrainDecisionTreeParameters(max_depth=3),
        seeds={"seed": 1},
        inputs=(InputData(name="train", uri="runs:/1/data/train.parquet", sha256="f", rows=3),),
        outputs=Outputs(metrics={"m": math.nan}, model="m", predictions={"labels": "l"}),
        schema={"rows": 3, "columns": [{"name": "x", "type": "float64"}]},
    )

    found = compare(run, run, NOTHING)

    assert different(found) == {}
    assert found.counts["unknown"] == 0
    assert all(section.rows for section in found.sections)


@pytest.mark.parametrize(
    ("part", "change", "row"),
    [
        ("code", {"commit": "a" * 40}, ("code", "commit")),
        ("code", {"repository": "https://example.org/other.git"}, ("code", "repository")),
        ("code", {"project": "sub"}, ("code", "folder")),
        ("code", {"tree": None}, ("code", "tree")),
        ("code", {"dirty": True}, ("code", "dirty")),
        ("code", {"changed_files": ("x",)}, ("code", "changed files")),
        ("step", {"entry_point": "train_lr"}, ("step", "entry point")),
        ("step", {"command": ("fit.py",), "number": 2}, ("step", "command")),
        ("environment", {"python": "3.12.0"}, ("environment", "Python")),
        ("environment", {"lock_sha256": None}, ("environment", "lock")),
        ("environment", {"deviations": ("x",)}, ("environment", "deviations from the lock")),
        ("environment", {"packages": {"numpy": "1"}}, ("packages", "numpy")),
        ("numerics", {"threads": 99}, ("numerics", "threads")),
        ("numerics", {"cpu": "other"}, ("numerics", "cpu")),
        ("numerics", {"c_library": "other"}, ("numerics", "c library")),
        ("numerics", {"variables": {"PYTHONHASHSEED": "7"}}, ("numerics", "PYTHONHASHSEED")),
        ("seeds", {"seed": 4}, ("seeds", "seed")),
    ],
)
def test_inputs_are_compared_both_ways(subject, part, change, row):
    a, b = subject(), subject(**{part: change})

    there, back = different(compare(a, b, NOTHING)), different(compare(b, a, NOTHING))

    assert row in there
    assert back == {name: (theirs, ours) for name, (ours, theirs) in there.items()}


def test_parameters_are_compared_as_typed_values(subject):
    a = subject(TrainDecisionTreeParameters(max_depth=None))
    b = subject(TrainDecisionTreeParameters(max_depth=5), step={"raw_parameters": {}})

    found = compare(a, b, NOTHING)

    assert different(found) == {("parameters", "max_depth"): ("", "5")}


def test_parameters_that_a_run_refused_are_shown_as_given(subject):
    refused = subject(step={"raw_parameters": {"max_depth": "banana"}, "parameters": {}})

    found = rows(compare(subject(), refused, NOTHING), "parameters")

    assert found["max_depth"] == ("", "banana", False)


def test_parameters_are_compared_as_text_if_one_run_has_no_record(subject):
    ours = subject(step={"raw_parameters": {"tol": "1e-4"}, "parameters": {"tol": 0.0001}})
    raw = {"tol": "1e-4"}
    plain = subject(side={"not_recorded": PLAIN}, step={"raw_parameters": raw, "parameters": raw})

    found = rows(compare(ours, plain, NOTHING), "parameters")

    assert found == {"tol": ("1e-4", "1e-4", True)}


def test_parameters_of_different_steps_are_absent_on_the_other_side(subject):
    a, b = subject(), subject(TrainLogisticRegressionParameters())

    found = rows(compare(a, b, NOTHING), "parameters")

    assert found["max_depth"] == ("", None, False)
    assert found["C"] == (None, "1.0", False)
    assert found["cv"] == ("5", "5", True)


def test_a_seed_is_listed_once(subject):
    a, b = subject(seeds={"seed": 1}), subject(seeds={"seed": 2})

    found = compare(a, b, NOTHING)

    assert different(found) == {("seeds", "seed"): (1, 2)}
    assert "seed" not in rows(found, "parameters")


def test_inputs_are_compared_by_name(subject):
    train = InputData(name="train", uri="runs:/1/t", sha256="a", rows=2, columns=3)
    a = subject(inputs=(train, InputData(name="test", uri="runs:/1/e", sha256="b")))
    b = subject(inputs=(train.model_copy(update={"sha256": "c", "rows": 4}),))

    found = different(compare(a, b, NOTHING))

    assert found == {
        ("data", "train: SHA-256"): ("a", "c"),
        ("data", "train: rows"): (2, 4),
        ("data", "test: SHA-256"): ("b", None),
        ("data", "test: URI"): ("runs:/1/e", None),
    }


def test_schemas_are_compared_by_class_and_column_and_not_by_file(subject):
    a, b = (
        subject(
            schema={
                "target": "y",
                "classes": classes,
                "columns": [{"name": "x", "type": kind, "missing": 0}, *more],
                "files": {"train": {"sha256": kind}},
            }
        )
        for classes, kind, more in (
            ({"u": 1, "v": 2}, "float64", []),
            ({"u": 1, "w": 2}, "int64", [{"name": "z", "type": "string"}]),
        )
    )

    found = compare(a, b, NOTHING)

    assert different(found) == {
        ("data schema", "class v"): ("2", None),
        ("data schema", "class w"): (None, "2"),
        ("data schema", "column x"): ("float64, missing 0", "int64, missing 0"),
        ("data schema", "column z"): (None, "string"),
    }
    assert rows(found, "data schema")["target"] == ("y", "y", True)


@pytest.mark.parametrize(
    "schema", [{"columns": "x", "classes": [1]}, {"columns": [1, "x"], "classes": {"a": [1]}}]
)
def test_a_schema_of_another_form_is_compared_too(subject, schema):
    found = compare(subject(schema=schema), subject(schema={"rows": 1}), NOTHING)

    assert rows(found, "data schema")["rows"] == (None, "1", False)
    assert len(rows(found, "data schema")) > 1


def test_a_schema_that_only_one_run_has_is_not_a_difference(subject):
    found = compare(subject(schema={"rows": 3}), subject(), NOTHING)

    assert rows(found, "data schema") == {"rows": ("3", None, None)}


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (0.1, 0.1, True),
        (math.nan, 0.0, False),
        (0.0, -0.0, False),
        (0.1, math.nextafter(0.1, 1), False),
    ],
)
def test_metrics_are_compared_bit_by_bit_and_nan_equals_nan(with_metrics, a, b, same):
    found = compare(with_metrics(m=a), with_metrics(m=b), NOTHING)

    assert rows(found, "metrics")["m"][2] is same


def test_a_metric_that_only_one_run_has_is_a_difference(with_metrics):
    found = compare(with_metrics(m=1.0, n=2.0), with_metrics(m=1.0, o=3.0), NOTHING)

    assert different(found) == {("metrics", "n"): (2.0, None), ("metrics", "o"): (None, 3.0)}


def test_the_change_of_a_metric_is_the_second_value_minus_the_first(with_metrics):
    found = compare(with_metrics(m=0.5, n=1.0), with_metrics(m=0.25, n=1.0), NOTHING)

    (section,) = (s for s in found.sections if s.name == "metrics")
    assert {row.name: row.change for row in section.rows} == {"m": -0.25, "n": None}


def test_digests_of_outputs_are_compared(subject):
    a = subject(outputs=Outputs(metrics={}, model="1", predictions={"labels": "2"}))
    b = subject(outputs=Outputs(metrics={}, model="3", artifacts={"train": "4"}))

    assert different(compare(a, b, NOTHING)) == {
        ("results", "model"): ("1", "3"),
        ("results", "predicted labels"): ("2", None),
        ("results", "stored train"): (None, "4"),
    }


def test_a_missing_output_of_a_failed_run_is_a_difference(subject, with_metrics):
    failed = subject(side={"status": "FAILED"}, outputs=None)

    found = compare(with_metrics(m=1.0), failed, NOTHING)

    assert different(found) == {("metrics", "m"): (1.0, None)}


@pytest.mark.parametrize("turned", [False, True])
def test_a_value_that_a_plain_run_did_not_record_is_unknown(subject, record_of, turned):
    ours = subject(
        TrainDecisionTreeParameters(max_depth=5),
        seeds={"seed": 1},
        inputs=(InputData(name="train", uri="u", sha256="a"),),
        outputs=Outputs(metrics={"m": 1.0}, model="d", predictions={"labels": "p"}),
    )
    raw = {"max_depth": "5", "seed": "1", "data": "iris"}
    plain = subject(
        side={"not_recorded": PLAIN},
        code={"tree": None},
        step={"raw_parameters": raw, "parameters": raw},
        environment={"python": "", "packages": {}},
        outputs=Outputs(metrics={"m": 1.0}),
    )
    pair = (plain, ours) if turned else (ours, plain)

    found = compare(*pair, NOTHING)

    names = {name for section, name in different(found)}
    assert names == ours.record.step.parameters.keys() - raw.keys()
    assert rows(found, "metrics")["m"][2] is True
    assert rows(found, "code")["commit"][2] is True
    for name in ("seeds", "data", "environment", "packages", "numerics", "results"):
        states = {same for _, _, same in rows(found, name).values()}
        assert states == {None}, name
    assert rows(found, "code")["dirty"][2] is None


def test_the_json_has_every_section_both_runs_and_the_patch(subject, with_metrics):
    found = compare(with_metrics(m=math.nan), subject(), CodeDifference.of(PATCH))

    values = json.loads(found.to_json())

    assert values["a"]["run_id"] == "1" * 32
    assert values["code"]["patch"] == PATCH
    assert values["code"]["files"] == [{"name": "x.py", "added": 1, "removed": 1, "notes": []}]
    assert values["counts"] == found.counts
    (metrics,) = (s["rows"] for s in values["sections"] if s["name"] == "metrics")
    assert metrics == [{"name": "m", "a": "NaN", "b": None, "same": False}]


def test_the_page_shows_differences_and_folds_equal_rows(with_metrics):
    found = compare(
        with_metrics(equal=0.125, other=1.5), with_metrics(equal=0.125, other=2.0), NOTHING
    )

    page = Page(found.to_html())

    assert {"other", "1.5", "2.0", "+0.5"} <= set(page.texts)
    assert {"equal", "0.125", "numpy"} <= set(page.folded)
    assert not {"equal", "0.125", "numpy"} & set(page.texts)


def test_the_page_colours_the_lines_of_the_patch(subject):
    html = compare(subject(), subject(), CodeDifference.of(PATCH)).to_html()

    assert '<div class="added">+new</div>' in html
    assert '<div class="removed">-old</div>' in html
    assert '<div class="kept"> kept</div>' in html


def test_the_page_gives_the_reason_for_a_missing_patch(subject):
    missing = CodeDifference(patch=None, missing=("nobody has it",))

    page = Page(compare(subject(), subject(), missing).to_html())

    assert "nobody has it" in page.texts
    assert "no file differs" not in page.texts


def test_the_page_needs_no_other_file(subject):
    page = Page(compare(subject(), subject(), CodeDifference.of(PATCH)).to_html())

    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not {"src", "href", "style"} & {name for name, _ in page.attributes}


def test_text_of_runs_is_escaped_on_the_page(subject):
    side = dict.fromkeys(("run_id", "name", "status", "started", "error", "replays"), HOSTILE)
    a, b = (
        subject(
            side={**side, "not_recorded": (HOSTILE,)},
            schema={HOSTILE: HOSTILE + end, "columns": [{"name": HOSTILE, HOSTILE: end}]},
            step={"entry_point": HOSTILE, "parameters": {HOSTILE: HOSTILE + end}},
            inputs=(InputData(name=HOSTILE, uri=HOSTILE + end, sha256=HOSTILE),),
            environment={"packages": {HOSTILE: HOSTILE}, "deviations": (HOSTILE, end)},
            outputs=Outputs(metrics={HOSTILE: 1.0}, artifacts={HOSTILE: HOSTILE + end}),
        )
        for end in "12"
    )
    code = CodeDifference.of(PATCH.replace("x.py", HOSTILE).replace("new", HOSTILE))
    missing = CodeDifference(patch=None, missing=(HOSTILE,))

    pages = [Page(compare(a, b, each).to_html()) for each in (code, missing)]

    for page in pages:
        assert not {"script", "img"} & set(page.tags)
        assert not {"src", "onerror"} & {name for name, _ in page.attributes}
        assert sum("<script>alert(1)</script>" in text for text in page.texts) > 10


def test_the_page_spells_out_characters_that_would_not_be_seen(subject):
    a = subject(step={"parameters": {"x": "a\x1b[31m\u202eb\x00"}})

    html = compare(a, subject(), CodeDifference.of(PATCH.replace("new", "\tn\u202ew\r"))).to_html()

    assert r"a\x1b[31m\u202eb\x00" in html
    assert '<div class="added">+\tn\\u202ew\\r</div>' in html
    assert not re.search("[\x00\x1b\u202e\r]", html)


def test_a_long_patch_is_cut_on_the_page_alone(subject, monkeypatch):
    monkeypatch.setattr(comparison, "LONGEST_PATCH", 6)

    found = compare(subject(), subject(), CodeDifference.of(PATCH))

    assert "2 more lines are in comparison.json." in found.to_html()
    assert ">+new<" not in found.to_html()
    assert "+new" in json.loads(found.to_json())["code"]["patch"]


def test_a_package_that_was_only_also_installed_is_no_difference(subject):
    a = subject(environment={"packages": {"numpy": "2.4.6"}})
    b = subject(environment={"packages": {"numpy": "2.4.6", "pytest": "9.0"}})

    found = compare(a, b, NOTHING)

    assert different(found) == {}
    assert found.causes == ()
    assert found.also_installed == ("pytest 9.0",)


def test_a_package_of_another_version_is_a_difference_and_a_cause(subject):
    a, b = (subject(environment={"packages": {"numpy": version}}) for version in ("1", "2"))

    found = compare(a, b, NOTHING)

    assert different(found) == {("packages", "numpy"): ("1", "2")}
    assert found.causes == ("package: numpy was 1, is 2",)


def test_causes_are_the_inputs_that_differ_and_the_step(subject):
    a = subject(TrainDecisionTreeParameters(max_depth=3))
    b = subject(TrainDecisionTreeParameters(max_depth=5), outputs=Outputs(metrics={"m": 1.0}))
    other = subject(TrainLogisticRegressionParameters())

    assert compare(a, b, NOTHING).causes == ("parameter: max_depth was 3, is 5",)
    assert compare(a, other, NOTHING).causes[0] == "step: train_dt and train_lr"


def test_what_a_plain_run_does_not_record_is_no_cause(subject):
    a = subject(side={"not_recorded": PLAIN}, environment={"packages": {}, "python": ""})

    assert compare(a, subject(), NOTHING).causes == ()


def test_the_page_has_the_causes_and_the_patch_before_what_differs(subject):
    a, b = (subject(TrainDecisionTreeParameters(max_depth=n)) for n in (3, 5))

    page = compare(a, b, CodeDifference.of(PATCH)).to_html()

    assert page.index('id="causes"') < page.index('id="patch"') < page.index('id="parameters"')
