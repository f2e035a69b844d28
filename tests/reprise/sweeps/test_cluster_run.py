"""A single run on a cluster has the parameters that it would have on this machine."""

from contextlib import nullcontext

import pytest

from reprise.sweeps import cluster_run


class Seen(Exception):  # noqa: N818 - ends the run where the test has seen enough
    """What the code was captured with."""


def test_untracked_files_are_allowed_with_spaces_between_their_names(store, tmp_path, monkeypatch):
    def capture(folder, *, allow_untracked):
        raise Seen(folder, allow_untracked)

    monkeypatch.setattr(cluster_run.code, "capture", capture)
    monkeypatch.setattr(cluster_run, "ClusterExecutor", lambda *_, **__: nullcontext())
    words = ["python", "-m", "steps.train_dt", "--allow_untracked", "a.key, b.key"]

    with pytest.raises(Seen) as seen:
        cluster_run.make(
            store.make_run(status="RUNNING"), words, tmp_path, {"scheduler": "tls://h:1"}
        )

    assert seen.value.args == (tmp_path, ["a.key", "b.key"])
