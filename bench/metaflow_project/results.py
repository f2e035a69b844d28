"""Write the metrics of the last run's tasks to results.json; fail if one did not succeed."""

import json
from pathlib import Path

from metaflow import Flow, namespace

namespace(None)
run = Flow("Sweep").latest_run
tasks = list(run["train"])
assert run.successful
assert all(task.successful for task in tasks)
assert all(hasattr(task.data, "model") for task in tasks)
assert len(tasks) == len(run.data.results)
Path("results.json").write_text(json.dumps(run.data.results))
