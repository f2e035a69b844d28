"""Train a tree for each point of points.json; every task keeps its metrics and its model."""

import json
from pathlib import Path

from metaflow import FlowSpec, step


class Sweep(FlowSpec):
    """One task per point."""

    @step
    def start(self) -> None:
        """Read the points."""
        self.points = json.loads(Path("points.json").read_text())
        self.next(self.train, foreach="points")

    @step
    def train(self) -> None:
        """Train one point."""
        from tree import train

        self.model, self.metrics = train(self.input)
        self.next(self.join)

    @step
    def join(self, inputs: list["Sweep"]) -> None:
        """Collect the metrics in the points' order."""
        self.results = [task.metrics for task in inputs]
        self.next(self.end)

    @step
    def end(self) -> None:
        """End the flow."""


if __name__ == "__main__":
    Sweep()
