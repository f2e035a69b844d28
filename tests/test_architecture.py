"""Imports of the engine go down one list of rooms; what is imported for types alone counts too."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# Top to bottom: a room imports from those below it, and its own modules from each other.
ROOMS = (
    *("__main__", "cli", "backend"),
    *("commands", "archive", "sweeps", "verification", "replay", "scripts", "observing"),
    *("models", "data"),
    *("runtime", "projects", "tracking", "capture", "doctor", "signatures", "git"),
    *("digests", "record"),
    *("process", "trust"),
    *("urls", "console", "env", "extras", "errors", "visible", "backports"),
)
TALKS_TO_MLFLOW = ("backend", "doctor", "models", "projects.entry_points", "tracking")
METHODS_OF_LIBRARIES = {"evaluate"}  # of a marker of `packaging`
MOST_LINES = 400
FILES = {package: sorted((ROOT / package).rglob("*.py")) for package in ("reprise", "steps")}
# Of the MLproject: these are the engine's own commands, or MLflow's word for the first of all.
ENTRY_POINTS_OF_THE_ENGINE = {"audit", "compare", "main", "reproduce", "sweep"}


def imports(tree, *, types=True):
    """Names that a module imports, wherever the import stands: `a.b` of `from a import b`.

    Without `types`, what stands under `if TYPE_CHECKING:` is left out.
    """
    found = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        waiting += node.orelse if is_for_types and not types else ast.iter_child_nodes(node)
    return found


def modules(package, *, types=True):
    """What each module of a package imports, those of its rooms included."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = imports(ast.parse(path.read_text(encoding="utf-8")), types=types)
    return found


def within(name, names):
    """The names that are a module or package, or something in it."""
    return sorted(n for n in names if n == name or n.startswith(f"{name}."))


ENGINE, STEPS = modules("reprise"), modules("steps")


def room(module):
    """The room of a module of the engine; "" of the package itself."""
    return [*module.split("."), ""][1]


def imported_modules(module):
    """Modules of the engine that a module imports: of `a.b.c` the longest that is one."""
    found = set()
    for name in within("reprise", ENGINE[module]):
        parts = name.split(".")
        known = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        found.add(next(candidate for candidate in known if candidate in ENGINE))
    return found - {module, "reprise"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a.b"}),
        ("def f():\n    import a", {"a"}),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", {"a", "b"}),
        ("try:\n    import a\nexcept E:\n    import b", {"a", "b"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, names):
    assert imports(ast.parse(source)) == names


def test_every_room_is_on_the_list_and_every_name_on_the_list_is_a_room():
    assert {room(module) for module in ENGINE} - {""} == set(ROOMS)


@pytest.mark.parametrize("module", [module for module in ENGINE if room(module)])
def test_imports_go_down_the_list_of_rooms(module):
    own = ROOMS.index(room(module))
    up = {name for name in imported_modules(module) if ROOMS.index(room(name)) < own}

    assert up == set()


def test_no_modules_import_each_other():
    graph = {module: imported_modules(module) for module in ENGINE}
    while graph:
        ready = [module for module, names in graph.items() if not names & graph.keys()]
        assert ready, f"these import each other: {sorted(graph)}"
        graph = {module: names for module, names in graph.items() if module not in ready}


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_does_not_know_the_pipeline(module):
    assert within("steps", ENGINE[module]) == []


def test_the_rooms_that_talk_to_mlflow_are_few():
    running = modules("reprise", types=False)
    talking = {
        m.removeprefix("reprise.") for m, names in running.items() if within("mlflow", names)
    }

    assert {m for m in talking if not any(within(name, [m]) for name in TALKS_TO_MLFLOW)} == set()


def test_no_step_talks_to_mlflow_but_the_one_that_preloads():
    assert {m for m, names in STEPS.items() if within("mlflow", names)} <= {"steps.preload_models"}


def texts(path):
    """Every name and every string of a module, docstrings and the parts of f-strings among them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr not in METHODS_OF_LIBRARIES:
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names_of_the_pipeline():
    """What nothing in the engine may say: another project has other names."""
    entry_points = yaml.safe_load((ROOT / "MLproject").read_text(encoding="utf-8"))["entry_points"]
    own = entry_points.keys() - ENTRY_POINTS_OF_THE_ENGINE
    files = {f"params/{path.name}" for path in (ROOT / "params").iterdir()}
    return [
        *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(own | files | {"params/", "iris"})),
        *(r"\bsteps\.\w*$", r"\bsteps\.[a-z]", "cv_accuracy", r"`make\b", r"^make \w+$"),
        *("env-manager local -e", r"mlflow run \. "),
    ]


@pytest.mark.parametrize("path", FILES["reprise"], ids=lambda p: p.name)
def test_no_name_of_the_pipeline_is_in_the_engine(path):
    names = re.compile("|".join(names_of_the_pipeline()))

    assert [text for text in texts(path) if names.search(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "train_dt",
        "run load_data again",
        "steps.",
        "python -m steps.train",
        "cv_accuracy_mean",
        "Run `make`, then",
        "make ui",
        "mlflow run . --env-manager local -e x",
        "params/iris.yaml",
    ],
)
def test_a_name_of_the_pipeline_is_seen(text):
    assert any(re.search(name, text) for name in names_of_the_pipeline())


@pytest.mark.parametrize(
    "path", [*FILES["reprise"], *FILES["steps"]], ids=lambda p: f"{p.parent.name}/{p.name}"
)
def test_no_module_is_too_long_to_be_read_at_once(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_every_variable_of_ours_stands_in_one_file():
    names = re.compile(r"[\"']REPRISE_[A-Z_]+[\"']")
    holders = {
        path.relative_to(ROOT / "reprise").as_posix()
        for path in (ROOT / "reprise").rglob("*.py")
        if names.search(path.read_text(encoding="utf-8"))
    }

    assert holders == {"env.py"}
