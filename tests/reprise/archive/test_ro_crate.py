"""An archive describes itself as a crate whose entities are all there."""

import json
import zipfile

import pytest
from asking import AskingParameters

from reprise import tracking
from reprise.archive import bag
from reprise.archive.contents import MLPROJECT, Run
from reprise.archive.ro_crate import crate
from reprise.record.schema import InputData

RUN = Run(
    run_id="a" * 32, experiment="churn", name="train", status="FINISHED", start=0, end=61_000,
    params={"alpha": "0.1"}, tags={"mlflow.user": "ada"},
)  # fmt: skip


def entities(text):
    return {entity["@id"]: entity for entity in json.loads(text)["@graph"]}


def references(value):
    """Ids that an entity refers to."""
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.fixture
def record(record_of):
    data = InputData(name="train", uri=f"runs:/{'a' * 32}/data/train.parquet", sha256="b" * 64)
    web = InputData(name="more", uri="https://example.org/x.csv", sha256="c" * 64)
    private = InputData(name="own", uri="data/own.csv", sha256="d" * 64)
    return record_of(AskingParameters(), inputs=(data, web, private))


FILES = {f"data/runs/{'a' * 32}/artifacts/data/train.parquet": "b" * 64, MLPROJECT: "e" * 64}


def test_a_run_of_a_project_is_an_action_of_its_workflow(record):
    found = entities(crate([(RUN, record)], workflow=MLPROJECT, files=FILES))

    action = found[f"#{'a' * 32}"]
    assert action["@type"] == "CreateAction"
    assert action["instrument"] == {"@id": MLPROJECT}
    assert (action["startTime"], action["endTime"]) == (
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:01:01+00:00",
    )
    assert [each["@id"] for each in action["object"]] == [
        f"#{'a' * 32}-alpha", *list(FILES)[:1], "https://example.org/x.csv", f"#data-{'d' * 64}",
    ]  # fmt: skip
    assert found["./"]["mainEntity"] == {"@id": MLPROJECT}
    assert found["#user-ada"]["@type"] == "Person"


def test_a_run_without_an_mlproject_is_an_action_of_its_command(record):
    step = record.step.model_copy(update={"command": ("train.py", "--alpha")})

    found = entities(
        crate([(RUN, record.model_copy(update={"step": step}))], workflow="", files=FILES)
    )

    (instrument,) = references(found[f"#{'a' * 32}"]["instrument"])
    assert found[instrument]["name"] == "python train.py --alpha"
    assert "mainEntity" not in found["./"]


def test_all_that_is_referred_to_is_described(store, rich, exported):
    with zipfile.ZipFile(exported(rich, store.make_run(status="FAILED"))) as archive:
        text = archive.read(bag.CRATE).decode()
        names = archive.namelist()

    found = entities(text)
    known = {*found, "https://w3id.org/ro/crate/1.1"}
    outside = {each for each in references([*found.values()]) if not each.startswith("http")}
    assert outside <= known
    for part in references(found["./"]["hasPart"]):
        assert any(name.startswith(part) for name in names) or not rich
    assert {action["actionStatus"]["@id"].rpartition("/")[2] for action in found.values()
            if action["@type"] == "CreateAction"} == {
        "CompletedActionStatus", "FailedActionStatus",
    }  # fmt: skip


def test_a_recording_is_not_needed(store, exported):
    run = store.make_run()
    tracking.log_text(run, "provenance.json", "{")

    with zipfile.ZipFile(exported(run)) as archive:
        assert f"#{run}" in entities(archive.read(bag.CRATE).decode())
