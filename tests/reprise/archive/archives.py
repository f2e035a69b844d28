"""What is in an archive, and what a server says of a run."""

import json
import zipfile

from reprise import tracking


def all_of(client, run_id, folder):
    """All that a server says of a run, without ids and without our notes on the import."""
    run = client.get_run(run_id)
    files = client.download_artifacts(run_id, "", str(folder))
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    tags = {n: v for n, v in run.data.tags.items() if not n.startswith("reprise.import")}
    models = [client.get_logged_model(each.model_id) for each in run.outputs.model_outputs]
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "times": (run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": {n: v for n, v in tags.items() if n not in (tracking.PROCESS, tracking.SEEN)},
        "points": [
            (name, point.step, repr(point.value), point.timestamp)
            for name in sorted(run.data.metrics)
            for point in client.get_metric_history(run_id, name)
        ],
        "datasets": [
            (each.dataset.to_dictionary(), [(tag.key, tag.value) for tag in each.tags])
            for each in run.inputs.dataset_inputs
        ],
        "files": {str(path.relative_to(folder)): path.read_bytes() for path in names},
        "models": [(each.name, each.model_type, each.params, each.status) for each in models],
    }


def rewritten(path, to, change):
    """Write an archive again with its members changed: a function of their mapping."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    with zipfile.ZipFile(to, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return to


def document(members, name):
    return json.loads(members[name])
