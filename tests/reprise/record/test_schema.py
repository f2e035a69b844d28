"""Records are written canonically, read back as they were, and stay readable in every format."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reprise.errors import RecordError
from reprise.record.schema import (
    FORMAT_VERSION,
    Code,
    Environment,
    InputData,
    LoggedRun,
    Numerics,
    Observation,
    Outputs,
    RunRecord,
    Step,
    run_key,
)

GOLDEN = Path(__file__).parents[1] / "golden"
RECORD = RunRecord(
    code=Code(
        repository="https://example.org/team/project.git",
        project="models/iris",
        commit="1f0e" * 10,
        tree="2e1d" * 10,
        base_commit="3d2c" * 10,
        dirty=True,
        changed_files=("models/iris/params/schräg.yaml", r"odd\xe4.txt"),
    ),
    step=Step(
        entry_point="train_lr",
        raw_parameters={"C": "1e-1", "class_weight": "", "data": "runs:/0123", "scale": "TRUE"},
        parameters={"C": 0.1, "class_weight": None, "data": "runs:/0123", "scale": True},
    ),
    inputs=(
        InputData(name="train", uri="s3://bucket/a b.csv", sha256="ab" * 32, rows=100, columns=5),
        InputData(name="raw", uri="iris", sha256="cd" * 32),
    ),
    environment=Environment(
        python="3.11.7",
        implementation="CPython",
        manager="uv",
        platform="Linux-6.1-x86_64-with-glibc2.36",
        lock_sha256="ef" * 32,
        deviations=("numpy 2.4.5, locked 2.4.6",),
        packages={"numpy": "2.4.5", "scikit-learn": "1.9.1"},
    ),
    numerics=Numerics(
        baseline=False,
        variables={"OPENBLAS_CORETYPE": "Haswell", "PYTHONHASHSEED": "0"},
        threads=1,
        blas=("openblas 0.3.30 Haswell",),
        simd=("X86_V3",),
        cpu="AMD EPYC",
        architecture="x86_64",
        c_library="glibc 2.36",
        float_bits=64,
    ),
    seeds={"seed": 2},
    replays="0123456789abcdef0123456789abcdef",
    outputs=Outputs(
        metrics={"accuracy": 0.1 + 0.2, "log_loss": math.inf, "roc_auc": math.nan, "zero": -0.0},
        model="01" * 32,
        predictions={"labels": "23" * 32, "probabilities": "45" * 32},
        artifacts={"predictions.parquet": "67" * 32},
    ),
)

# Fields that format 2 added: a bundle, and those of a script's run.
CARRIED = RECORD.model_copy(
    update={
        "code": RECORD.code.model_copy(update={"bundle": "runs:/0123/code/snapshot.bundle"}),
        "step": RECORD.step.model_copy(
            update={
                "locations": ("data",),
                "command": ("fit.py", "--fast", "a b"),
                "number": 2,
                "folder": "analysis",
            }
        ),
    }
)

# Fields that format 3 added: what is known of a process that does not record itself.
OBSERVED = RECORD.model_copy(
    update={
        "inputs": (InputData(name="data.csv", uri="data.csv", sha256="ab" * 32, bytes=1234),),
        "environment": RECORD.environment.model_copy(
            update={"origins": {"numpy": "file:///wheels/numpy.whl"}, "files": {"numpy": "89" * 32}}
        ),
        "outputs": RECORD.outputs.model_copy(
            update={
                "parameters": {"alpha": "0.4"},
                "histories": {"log_loss": "ab" * 32},
                "opaque": ("model.pkl",),
            }
        ),
        "observed": Observation(
            exit_code=0,
            runs=(
                LoggedRun(
                    run_id="fedcba9876543210fedcba9876543210",
                    name="fold 1",
                    entry_point="",
                    parent="0123456789abcdef0123456789abcdef",
                    status="FINISHED",
                    outputs=Outputs(metrics={"rmse": 0.5}),
                ),
            ),
            edited=("notes.txt",),
            hosts=("example.org",),
            not_known=("files that no Python code opened",),
        ),
    }
)


def changed(**values):
    """Return the full record's text with some top-level values replaced (None removes one)."""
    fields = json.loads(RECORD.to_json()) | values
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def goldens():
    return sorted(GOLDEN.glob("provenance_v*.json"))


def test_every_format_has_a_golden_file():
    expected = [f"provenance_v{version}.json" for version in range(1, FORMAT_VERSION + 1)]

    assert [path.name for path in goldens()] == expected


def test_format_1_is_read_unchanged():
    text = (GOLDEN / "provenance_v1.json").read_text(encoding="utf-8")

    record = RunRecord.from_json(text)

    assert repr(record) == repr(RECORD)  # as repr: NaN is NaN, and -0.0 is not 0.0


def test_format_2_is_read_unchanged():
    text = (GOLDEN / "provenance_v2.json").read_text(encoding="utf-8")

    assert repr(RunRecord.from_json(text)) == repr(CARRIED)


def test_format_3_is_read_unchanged_and_written_byte_for_byte():
    text = (GOLDEN / "provenance_v3.json").read_text(encoding="utf-8")

    assert repr(RunRecord.from_json(text)) == repr(OBSERVED)
    assert OBSERVED.to_json() == text


def test_a_process_that_records_itself_writes_what_an_older_engine_reads():
    fields = json.loads(RECORD.to_json())

    assert fields["format_version"] == 2
    assert "observed" not in fields
    assert fields["outputs"].keys() == {"metrics", "model", "predictions", "artifacts"}


def test_the_present_format_is_written_back_to_the_byte():
    stored = (GOLDEN / f"provenance_v{FORMAT_VERSION}.json").read_bytes()

    written = RunRecord.from_json(stored.decode("utf-8")).to_json()

    assert written.encode("utf-8") == stored


def test_a_record_without_its_optional_fields_is_read():
    text = changed(inputs=None, seeds=None, replays=None, outputs=None)

    record = RunRecord.from_json(text)

    assert (record.inputs, record.seeds, record.replays, record.outputs) == ((), {}, None, None)


def test_a_run_that_has_not_finished_has_no_outputs():
    record = RECORD.model_copy(update={"outputs": None})

    text = record.to_json()

    assert json.loads(text)["outputs"] is None
    assert RunRecord.from_json(text) == record


def test_the_record_of_a_folder_outside_git_is_read_back():
    nowhere = Code(
        repository=None, project="", commit=None, tree=None, base_commit=None, dirty=True
    )
    record = RECORD.model_copy(update={"code": nowhere})

    again = RunRecord.from_json(record.to_json())

    assert again.code == nowhere


@given(st.dictionaries(st.text(), st.floats()))
def test_metrics_keep_every_bit(metrics):
    record = RECORD.model_copy(update={"outputs": Outputs(metrics=metrics)})

    again = RunRecord.from_json(record.to_json())

    assert list(map(repr, sorted(again.outputs.metrics.items()))) == list(
        map(repr, sorted(metrics.items()))
    )


@given(st.dictionaries(st.text(), st.text()))
def test_raw_parameters_keep_every_character(raw):
    step = Step(entry_point="train_lr", raw_parameters=raw, parameters={})
    record = RECORD.model_copy(update={"step": step})

    again = RunRecord.from_json(record.to_json())

    assert again.step.raw_parameters == raw


def test_the_order_of_values_does_not_change_the_text():
    turned = RunRecord(
        **{name: getattr(RECORD, name) for name in reversed(RunRecord.model_fields)}
        | {"seeds": dict(reversed(RECORD.seeds.items()))}
    )

    assert turned.to_json() == RECORD.to_json()


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError):
        RECORD.code.dirty = False


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 17])
def test_a_newer_format_is_refused_with_the_advice_to_update(version):
    with pytest.raises(RecordError) as caught:
        RunRecord.from_json(changed(format_version=version, something_new=[1]))

    assert f"found format {version}" in str(caught.value)
    assert "Update the project" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "[1]", "null", "3", '"text"', "{}", "<html>", '{"format_versions": 1}'],
)
def test_a_text_that_is_no_record_is_refused_in_one_line(text):
    with pytest.raises(RecordError) as caught:
        RunRecord.from_json(text)

    assert "provenance.json, found something else" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["1", None, 1.5, [1], 0, -1])
def test_a_format_that_never_was_is_refused(version):
    text = json.dumps(json.loads(RECORD.to_json()) | {"format_version": version})

    with pytest.raises(RecordError, match="format"):
        RunRecord.from_json(text)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"code": None}, "code"),
        ({"environment": {"python": "3.11.7"}}, "environment.implementation"),
        ({"inputs": [{"name": "a", "uri": "b"}]}, "inputs.0.sha256"),
        ({"outputs": {"metrics": {"accuracy": "high"}}}, "outputs.metrics.accuracy"),
        ({"seeds": {"seed": "x"}}, "seeds.seed"),
        ({"something_new": 1}, "something_new"),
    ],
)
def test_a_damaged_field_is_named(values, field):
    with pytest.raises(RecordError, match=f"found a bad field {field}: ") as caught:
        RunRecord.from_json(changed(**values))

    assert "\n" not in str(caught.value)


KEY = {
    "tree": "aa" * 20,
    "entry_point": "train_dt",
    "parameters": {"max_depth": 3, "seed": 1},
    "data": {"train": "bb" * 32},
    "lock_sha256": "cc" * 32,
    "python": "3.11.7",
}


@pytest.mark.parametrize(
    "change",
    [
        {"tree": "ab" * 20},
        {"entry_point": "train_lr"},
        {"parameters": {"max_depth": 3, "seed": 2}},
        {"parameters": {"max_depth": None, "seed": 1}},
        {"parameters": {"max_depth": 3}},
        {"data": {"train": "bc" * 32}},
        {"data": {"test": "bb" * 32}},
        {"data": {}},
        {"lock_sha256": "cd" * 32},
        {"python": "3.11.8"},
    ],
    ids=str,
)
def test_whatever_decides_a_result_changes_the_key(change):
    assert run_key(**KEY | change) != run_key(**KEY)


def test_the_order_of_parameters_does_not_change_the_key():
    turned = dict(reversed(KEY["parameters"].items()))

    assert run_key(**KEY | {"parameters": turned}) == run_key(**KEY)


def test_the_keys_of_earlier_versions_do_not_change():
    assert run_key(**KEY) == "f53c639d0be2a752ee10a22e1bc8d03e86db6a05f374efb77002d26355f17b96"
