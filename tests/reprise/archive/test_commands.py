"""`reprise export` and `reprise import`: what they print, and what they refuse."""

import pytest

from reprise import cli, tracking
from reprise.archive import bag


@pytest.fixture
def reprise(store, tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; return its exit code and what it printed."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def reprise(*words):
        capsys.readouterr()
        code = cli.exit_code(list(words))
        return (code, *capsys.readouterr())

    return reprise


def test_an_experiment_goes_into_a_file_and_comes_out_of_it(store, reprise, tmp_path):
    run = store.make_run()

    code, out, err = reprise("export", "--experiment", "tests", "-o", "x.zip")
    assert (code, err) == (0, "")
    assert "x.zip: 1 run, " in out
    assert f"sha256sum --check --quiet {bag.SEAL} {bag.MANIFEST}" in out
    code, out, _ = reprise("import", "x.zip", "--experiment", "again")
    new = store.client.search_runs([tracking.experiment_id("again")])[0].info.run_id

    assert code == 0
    assert "x.zip: 1 runs, every file as its manifest says\n  unsigned\n" in out
    assert f"  {run} is {new}\n" in out
    assert out.endswith(f"reprise reproduce {new}\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "x.zip"], "one of the three"),
        (["a" * 32, "--experiment", "tests", "-o", "x.zip"], "one of the three"),
        (["a" * 32, "-o", "x.zip"], "which does not exist"),
        (["--experiment", "test", "-o", "x.zip"], "Did you mean 'tests'?"),
        (["--model", "it's", "-o", "x.zip"], "which has no version"),
        (["--experiment", "tests", "-o", "no/x.zip"], "expected a folder for x.zip"),
        (["--experiment", "tests", "-o", "."], "expected a new file to write"),
        (["--experiment", "tests", "--with", "date", "-o", "x.zip"], "some of data, models"),
        (["--experiment", "tests", "--key", "none.pub", "-o", "x.zip"], "found no file"),
        (["--experiment", "tests"], "Missing option"),
    ],
)
def test_an_export_that_cannot_be_is_refused_in_one_line(store, reprise, tmp_path, words, said):
    store.make_run()

    code, out, err = reprise("export", *words)

    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_file_that_is_there_is_kept(store, reprise, tmp_path):
    (tmp_path / "empty" / "x.zip").write_text("mine")

    code, _, err = reprise("export", store.make_run(), "-o", "x.zip")

    assert (code, err.count("\n")) == (2, 1)
    assert (tmp_path / "empty" / "x.zip").read_text() == "mine"


def test_what_nobody_has_signed_is_refused_where_that_is_asked_for(store, reprise):
    reprise("export", store.make_run(), "-o", "x.zip")

    code, _, err = reprise("import", "x.zip", "--require-signature", "--experiment", "again")

    assert code == 2
    assert "found that it is unsigned. Nothing was imported" in err
    assert store.client.get_experiment_by_name("again") is None


def test_the_runs_of_a_registered_model_are_taken(store, reprise, rich):
    model_id = store.run(rich).outputs.model_outputs[0].model_id
    store.client.create_registered_model("churn")
    store.client.create_model_version("churn", f"models:/{model_id}", run_id=rich)

    code, out, _ = reprise("export", "--model", "churn", "-o", "x.zip", "--with", "")

    assert code == 0
    assert "1 run, " in out
    assert "with: neither data nor models" in out
