"""A server that dies after it has done what it was asked: nothing is made twice."""

from collections import Counter
from dataclasses import replace

import requests
from driving import answer, web_server


def test_an_answer_that_is_lost_makes_no_second_run(project, tracking_server, tmp_path):
    url, _ = tracking_server
    asked = []

    def forward(request, body):
        answered = requests.request(
            request.command,
            url + request.path,
            data=body,
            headers={name: value for name, value in request.headers.items() if name != "Host"},
            timeout=60,
        )
        made = request.path.endswith("/runs/create")
        asked.extend(["create"] if made else [])
        lost = made and len(asked) in {3, 6}  # the server has made it, and dies
        headers = [("Content-Type", answered.headers.get("Content-Type", "text/plain"))]
        answer(
            request, answered.content, status=502 if lost else answered.status_code, headers=headers
        )

    grid = tmp_path / "grid.yaml"
    grid.write_text("data: iris\nparams: {max_depth: [1, 2, 3, 4]}\nmetric: cv_accuracy_mean\n")
    team = replace(project, store=url).within("answers")
    with web_server(forward) as flaky:
        user = team.with_variables({"MLFLOW_TRACKING_URI": flaky})
        done = user.step("sweep", step="train_dt", grid=grid, models="none")

    assert done.exit_code == 0, done.stderr
    assert len(asked) >= 6
    runs = team.search("")
    assert {run.info.status for run in runs} == {"FINISHED"}
    points = Counter(run.data.params["max_depth"] for run in runs if "max_depth" in run.data.params)
    assert points == {"1": 1, "2": 1, "3": 1, "4": 1}
