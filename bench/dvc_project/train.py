"""Train the tree in params.yaml; write its metrics and its model for DVC."""

import json
from pathlib import Path

import joblib
import yaml
from tree import train

model, metrics = train(yaml.safe_load(Path("params.yaml").read_text()))
Path("metrics.json").write_text(json.dumps(metrics))
joblib.dump(model, "model.joblib")
