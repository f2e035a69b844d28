"""A repository whose every file changes the results, so that a replay proves what code it ran."""

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from driving import Ended, Project

from reprise.record.verdict import Cause

IDENTICAL, DIFFERENT, NOT_REPLAYABLE = "identical", "different", "not replayable"
EXIT_CODES = {IDENTICAL: 0, DIFFERENT: 1, NOT_REPLAYABLE: 2}
STEPS = ("load_data", "train_lr", "train_dt", "evaluate")

# Every step logs `mark` as a metric: it tells one tree from another.
_MARKS = '''
"""What tells this tree from another: the modules and files of this folder."""

import importlib
import pkgutil
from functools import wraps
from pathlib import Path

FOLDER = Path(__file__).parent


def mark() -> float:
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    values = [len(n) * importlib.import_module(f"{__name__}.{n}").VALUE for n in names]
    executable = bool((FOLDER / "tool").stat().st_mode & 0o100)
    return float(sum(values)) + (FOLDER / "table.bin").read_bytes()[-1] / 1000 + executable / 2


def marked(main):
    @wraps(main)
    def step(parameters, run, **others):
        main(parameters, run, **others)
        run.log_metrics({"mark": mark()})

    return step
'''
_IMPORT = "    from steps.marks import marked\n\n"
MARKS = "steps/marks"
ODD_TABLE = """tables/-a "double" 'single' $(touch pwned) `touch pwned` & ü;\\ {x}.csv"""
ODD_TARGET = "-plays $(touch pwned)"
ODD_FEATURES = ("größe in m", "it's", 'a "b" \\n', "-outlook")
ODD_PARAMS = """params/it's $(touch pwned) "ü"; \\.yaml"""
PARAMS = {name: f"params/small_{name}.yaml" for name in ("iris", "wine", "breast_cancer", "digits")}
PARAMS["table"] = ODD_PARAMS


def write_table(path: Path) -> None:
    """Write a table with odd names, text and missing values."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*ODD_FEATURES, "unused", ODD_TARGET])
        for i in range(90):
            warm = i % 3 > 0
            writer.writerow(
                [
                    "" if i % 11 == 0 else 15 + 10 * warm + i % 7 / 10,
                    i / 8,
                    "" if i % 13 == 0 else i % 5,
                    "" if i % 17 == 0 else ("sunny", "over, cast", 'rai"ny')[i % 3],
                    i,
                    "yes, $(x)" if warm else "no",
                ]
            )


def write_marks(folder: Path) -> None:
    """Make every step of a project's copy log what tells its tree from another."""
    marks = folder / MARKS
    marks.mkdir()
    (marks / "__init__.py").write_text(_MARKS, encoding="utf-8")
    for name, value in {"first": 1, "second": 2, "third": 4}.items():
        (marks / f"{name}.py").write_text(f"VALUE = {value}\n")
    (marks / "table.bin").write_bytes(bytes([0, 159, 255, 10, 1]))
    (marks / "tool").write_text("#!/bin/sh\n")
    for name in (*STEPS, "main"):
        path = folder / "steps" / f"{name}.py"
        text = path.read_text(encoding="utf-8")
        text, launches = re.subn(r"(launch\(\w+, (?:partial\()?)main\b", r"\1marked(main)", text)
        text, starts = re.subn(r'(?<=__name__ == "__main__":\n)', _IMPORT, text)
        assert (launches, starts) == (1, 1), name
        path.write_text(text, encoding="utf-8")


def write_experiments(folder: Path) -> None:
    """Write a small experiment file for each data set."""
    for name, path in PARAMS.items():
        data: dict[str, Any] = {"source": name}
        if name == "table":
            data = {"source": ODD_TABLE, "target": ODD_TARGET, "features": ",".join(ODD_FEATURES)}
        steps = [
            {"step": "train_lr", "parameters": {"cv": 2, "C": 0.5, "class_weight": ""}},
            {"step": "train_dt", "parameters": {"cv": 2, "max_depth": 3}},
        ]
        text = json.dumps({"data": data, "steps": steps, "evaluation": {}}, ensure_ascii=False)
        (folder / path).write_text(text, encoding="utf-8")  # JSON is YAML


@dataclass(frozen=True)
class Origin:
    """A bare repository that the git daemon serves."""

    folder: Path
    url: str

    def collect_garbage(self, project: Project) -> None:
        """Forget what no branch reaches."""
        project.git("-C", str(self.folder), "gc", "--quiet", "--prune=now")

    def has(self, project: Project, commit: str) -> bool:
        found = project.execute(["git", "-C", str(self.folder), "cat-file", "-e", commit])
        return found.exit_code == 0


@dataclass(frozen=True)
class Replayed:
    """How a replay ended: the command, and its verdict.json ({} where it has none)."""

    done: Ended
    verdict: dict[str, Any]

    @property
    def flat(self) -> list[dict[str, Any]]:
        """The verdicts of the run and of those below it."""
        return [self.verdict, *self.verdict["children"]]

    @property
    def causes(self) -> list[str]:
        """What the verdict names as causes, as text."""
        return [str(Cause(**cause)) for each in self.flat for cause in each["causes"]]


def replayed(
    project: Project, run_id: str, *, environment: Mapping[str, str] | None = None, **others: Any
) -> Replayed:
    """Make a run again by `python -m steps.reproduce`."""
    done = project.step("reproduce", environment=environment, run_id=run_id, **others)
    return Replayed(done, verdict_of(project, done.run_id))


def replayed_by_mlflow(project: Project, run_id: str, **others: Any) -> Replayed:
    """Make a run again by `mlflow run . -e reproduce`."""
    words = {"run_id": run_id, **others}
    given = [word for name, value in words.items() for word in ("-P", f"{name}={value}")]
    done = project.mlflow_run("-e", "reproduce", *given)
    return Replayed(done, verdict_of(project, done.run_id))


def mark_of(project: Project) -> float:
    """Return what a step would log of the files in a project's folder."""
    found = project.execute(["python", "-c", "from steps.marks import mark; print(mark())"])
    return float(found.stdout)


def edit(project: Project, name: str, text: str) -> None:
    """Write one of the files that change every step's results."""
    (project.folder / MARKS / name).write_text(text, encoding="utf-8")


def build_other_trees(project: Project, option: str) -> None:
    """Give the decision trees of a project's code one more option, such as `splitter="random"`."""
    models = project.folder / "steps" / "models.py"
    text = models.read_text(encoding="utf-8")
    built = "partial(DecisionTreeClassifier, "
    assert text.count(built) == 1, "the code has changed: say anew where it builds its trees"
    models.write_text(text.replace(built, f"{built}{option}, "), encoding="utf-8")


def commit(project: Project, module: str) -> str:
    """Commit a module that changes every step's results, and return the commit's id."""
    edit(project, f"{module}.py", f"VALUE = {1000 + len(module)}\n")
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", f"Add {module}")
    return project.git("rev-parse", "HEAD")


def verdict_of(project: Project, run_id: str) -> dict[str, Any]:
    """Return the verdict.json, or else comparison.json, of a run; {} where it has neither."""
    names = set(project.artifacts(run_id)) if run_id else set()
    for name in names & {"verdict.json", "comparison.json"}:
        return json.loads(project.artifact(run_id, name))
    return {}


def cloned(project: Project, origin: Origin, folder: Path) -> Project:
    """Return a fresh clone of a repository."""
    project.git("clone", "--quiet", origin.url, str(folder))
    return replace(project, folder=folder)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and bytes of every file of a folder, but for what Python compiles."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "__pycache__"
    }


def left_in(folder: Path) -> list[str]:
    """Return what a folder for temporary files has, but for what `mlflow run` makes."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if not (path.name.startswith("tmp") and path.is_dir() and not any(path.iterdir()))
    )
