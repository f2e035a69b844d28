"""Imports go one way: steps -> the engine's side effects -> its pure modules -> errors."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = (
    *("comparison", "digest", "errors", "parameters", "patch", "record", "urls", "verdict"),
    *("placeholders", "requirements", "visible"),
    *("configuration", "trusted_types"),
    *("sweeps.experiment", "sweeps.files", "sweeps.grid"),
    "doctor.finding",
)
SIDE_EFFECTS = (
    *("address", "backend", "checkout", "code", "console", "data", "entry_points"),
    *("environment", "uv"),
    *("answers", "bundles", "git", "guards", "hosts", "permissions", "submodules", "transfer"),
    *("launcher", "models", "outcome", "past", "projects", "registry", "replay", "report", "run"),
    *("sources", "tracking"),
    *("audit", "audit_report", "inputs", "lifetime", "process.interrupts", "scripts", "session"),
    *("sweeps.cluster", "sweeps.driver", "sweeps.executor", "sweeps.host", "sweeps.plan"),
    *("sweeps.progress", "sweeps.repeat", "sweeps.resume", "sweeps.single", "sweeps.worker"),
    *("doctor.account", "doctor.checks", "doctor.connection", "doctor.surroundings"),
    *("doctor.transfer", "doctor.visit"),
)
TALKS_TO_MLFLOW = {
    f"reprise.{name}"
    for name in ("backend", "entry_points", "models", "registry", "run", "tracking")
} | {f"reprise.doctor.{name}" for name in ("account", "surroundings", "transfer", "visit")}


def _is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree):
    """Names that a module imports as it runs, those inside functions included.

    What stands under `if TYPE_CHECKING:` is never imported, and does not count.
    """
    found = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their package"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        if _is_type_checking(node):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def modules(package):
    """What each module of a package imports, those of its sub-packages included."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): imports(
            ast.parse(path.read_text(encoding="utf-8"))
        )
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def below(name, names):
    """The names that are a module, or something in it."""
    return sorted(n for n in names if n == name or n.startswith(f"{name}."))


ENGINE, STEPS = modules("reprise"), modules("steps")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b", {"a.b"}),
        ("from a import b", {"a", "a.b"}),
        ("def f():\n    import a", {"a"}),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", {"b"}),
        ("if typing.TYPE_CHECKING:\n    import a", set()),
        ("if x:\n    import a", {"a"}),
        ("try:\n    import a\nexcept E:\n    import b", {"a", "b"}),
    ],
)
def test_imports_are_found_wherever_they_stand(source, names):
    assert imports(ast.parse(source)) == names


def test_both_packages_are_looked_at():
    assert {"reprise.record", "reprise.tracking", "reprise.sweeps.plan"} <= set(ENGINE)
    assert "steps.main" in STEPS


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_does_not_know_the_steps(module):
    assert below("steps", ENGINE[module]) == []


@pytest.mark.parametrize("module", [f"reprise.{name}" for name in PURE])
def test_pure_modules_import_no_module_with_side_effects(module):
    found = [name for other in SIDE_EFFECTS for name in below(f"reprise.{other}", ENGINE[module])]

    assert found == []


def test_errors_import_nothing_of_the_engine_but_how_text_is_made_visible():
    assert below("reprise", ENGINE["reprise.errors"]) == [
        "reprise.visible",
        "reprise.visible.visible",
    ]
    assert below("reprise", ENGINE["reprise.visible"]) == []


def test_few_modules_draw_on_the_terminal_where_all_text_is_made_visible():
    found = {module for module, names in (ENGINE | STEPS).items() if below("rich", names)}

    assert found == {"reprise.console", "reprise.doctor.__main__", "reprise.sweeps.progress"}


def test_few_modules_of_the_engine_talk_to_mlflow():
    found = {module for module, names in ENGINE.items() if below("mlflow", names)}

    assert found <= TALKS_TO_MLFLOW


def test_no_step_talks_to_mlflow_but_the_one_that_warms_it_up():
    found = {module for module, names in STEPS.items() if below("mlflow", names)}

    assert found <= {"steps.warm_models"}


def test_the_engine_has_no_circle_of_imports_at_load():
    graph = {module: _imported_at_load(module) for module in ENGINE}
    order = []
    while graph:
        ready = [module for module, names in graph.items() if not names & graph.keys()]
        assert ready, f"these import each other: {sorted(graph)}"
        order += ready
        graph = {module: names for module, names in graph.items() if module not in ready}

    assert set(order) == set(ENGINE)


def _imported_at_load(module):
    """Modules of the engine that a module imports at its top level."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return imports(ast.Module(top, [])) & ENGINE.keys() - {module}
