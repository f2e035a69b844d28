"""Compare two runs side by side: their inputs, their outputs, and their code.

Differences go both ways: a value that only one run has is a difference. A value that a run did not
record is neither equal nor different. Values are text from others: their control characters are
escaped, and so is markup in the page.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from reprise.record.digest import canonical_json
from reprise.record.matching import matched
from reprise.record.page import render, template
from reprise.record.patch import CodeDifference, first_lines, split_patch
from reprise.record.schema import Outputs, RunRecord, as_text
from reprise.record.verdict import causes
from reprise.visible import visible

JSON_NAME = "comparison.json"
PAGE_NAME = "comparison.html"
LONGEST_PATCH = 5000  # lines that the page shows
_TEMPLATE = "comparison.html.j2"

Value = str | int | float | bool | tuple[str, ...] | None


_OF_A_STEP = ("parameter", "seed")
_ALWAYS_KNOWN = ("code", "parameter")  # causes that a plain MLflow run has on its tags


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Frozen):
    """One value that both runs have, or one of them."""

    name: str
    a: Value  # None if the first run does not have it
    b: Value
    same: bool | None  # None if a run did not record it

    @property
    def change(self) -> float | None:
        """The second run's value minus the first's, if both are measured."""
        if isinstance(self.a, float) and isinstance(self.b, float) and not self.same:
            return self.b - self.a
        return None


class Section(_Frozen):
    """Rows about one kind of value."""

    name: str
    rows: tuple[Row, ...]

    @property
    def equal(self) -> tuple[Row, ...]:
        """Rows that are equal in both runs."""
        return tuple(row for row in self.rows if row.same)

    @property
    def different(self) -> tuple[Row, ...]:
        """Rows that differ."""
        return tuple(row for row in self.rows if row.same is False)

    @property
    def unknown(self) -> tuple[Row, ...]:
        """Rows that a run did not record."""
        return tuple(row for row in self.rows if row.same is None)


class Side(_Frozen):
    """One of the two runs."""

    run_id: str
    name: str
    status: str
    started: str = ""  # in UTC
    error: str = ""
    replays: str | None = None
    not_recorded: tuple[str, ...] = ()


class Subject(_Frozen):
    """A run to compare: its identity, its record, and the schema of its data."""

    side: Side
    record: RunRecord
    data_schema: dict[str, Any] | None = None  # None if it cannot be read


class Comparison(_Frozen):
    """Two runs side by side."""

    a: Side
    b: Side
    sections: tuple[Section, ...]
    code: CodeDifference
    causes: tuple[str, ...] = ()  # inputs that differ, one line each
    also_installed: tuple[str, ...] = ()  # packages that one run had alone: nothing imported them

    @property
    def counts(self) -> dict[str, int]:
        """How many rows are equal, different and unknown."""
        return {
            "equal": sum(len(section.equal) for section in self.sections),
            "different": sum(len(section.different) for section in self.sections),
            "unknown": sum(len(section.unknown) for section in self.sections),
        }

    def to_json(self) -> str:
        """Return the comparison as canonical JSON, for scripts."""
        return canonical_json({**self.model_dump(), "counts": self.counts})

    def to_html(self) -> str:
        """Return the comparison as one HTML page without other files, for people."""
        files, hidden = first_lines(split_patch(self.code.patch or ""), LONGEST_PATCH)
        values = {"comparison": self, "files": files, "hidden": hidden, "json_name": JSON_NAME}
        return render(template(_TEMPLATE), values, filters={"shown": shown})


def compare(a: Subject, b: Subject, code: CodeDifference) -> Comparison:
    """Compare two runs of any entry points, finished or not.

    Parameters
    ----------
    a, b : Subject
    code : CodeDifference
        The change from the code of the first run to that of the second.
    """
    both = _with_other_runs(a, b)
    sections = (
        _section("code", map(_code, both), _lacks(both, "uncommitted edits")),
        _section("step", map(_step, both), _lacks(both)),
        _section("parameters", _parameters(both), _lacks(both)),
        _section("seeds", (s.record.seeds for s in both), _lacks(both, "environment")),
        _section("data", map(_data, both), _lacks(both, "data")),
        _section(
            "data schema",
            map(_schema, both),
            [s.data_schema is None for s in both],
        ),
        _section("environment", map(_environment, both), _lacks(both, "environment")),
        _section(
            "packages",
            _common_packages(both),
            _lacks(both, "environment"),
        ),
        _section("numerics", map(_numerics, both), _lacks(both, "numerics")),
        _section("metrics", map(_metrics, both), _lacks(both)),
        _section("results", map(_results, both), _lacks(both, "model")),
    )
    return Comparison(
        a=a.side,
        b=b.side,
        sections=sections,
        code=code,
        causes=_causes(*both),
        also_installed=_also_installed(both),
    )


def _causes(a: Subject, b: Subject) -> tuple[str, ...]:
    """Return the recorded inputs that differ, and the step itself if it does."""
    steps = [_step(subject) for subject in (a, b)]
    names = [str(step.get("command") or step.get("entry point", "")) for step in steps]
    step = (f"step: {names[0]} and {names[1]}",) if names[0] != names[1] else ()
    recorded = not a.side.not_recorded and not b.side.not_recorded
    known = [each for each in causes(a.record, b.record) if recorded or each.kind in _ALWAYS_KNOWN]
    # Two steps have other parameters by their nature.
    found = [each for each in known if not step or each.kind not in _OF_A_STEP]
    return (*step, *map(str, found))


def _common_packages(both: Sequence[Subject]) -> list[dict[str, Value]]:
    """Return the packages of each run; those that both have, where both have recorded them."""
    every = [subject.record.environment.packages for subject in both]
    if any(_lacks(both, "environment")):
        return [dict(packages) for packages in every]
    common = every[0].keys() & every[1].keys()
    return [{n: v for n, v in packages.items() if n in common} for packages in every]


def _also_installed(both: Sequence[Subject]) -> tuple[str, ...]:
    """Return the packages that only one of two runs had."""
    if any(_lacks(both, "environment")):
        return ()
    a, b = (subject.record.environment.packages for subject in both)
    return tuple(f"{name} {(a | b)[name]}" for name in sorted(a.keys() ^ b.keys()))


def _with_other_runs(a: Subject, b: Subject) -> tuple[Subject, Subject]:
    """Add to the outputs of two runs those of the other runs that their processes have made."""
    x, y = matched(a.record, b.record)
    return _with(a, x), _with(b, y)


def _with(subject: Subject, outputs: Outputs) -> Subject:
    if subject.record.observed is None:
        return subject
    record = subject.record.model_copy(update={"outputs": outputs})
    return subject.model_copy(update={"record": record})


def shown(value: Value) -> str:
    """Return a value as text for people."""
    if isinstance(value, tuple):
        return ", ".join(map(visible, value))
    return visible(as_text(value))


def _section(name: str, values: Iterable[Mapping[str, Value]], lacks: Sequence[bool]) -> Section:
    """Compare values by name; a value that a run did not record is unknown."""
    a, b = ({n: v for n, v in side.items() if v is not None} for side in values)
    rows = []
    for key in dict.fromkeys([*a, *b]):
        unknown = (key not in a and lacks[0]) or (key not in b and lacks[1])
        same = None if unknown else _same(a.get(key), b.get(key))
        rows.append(Row(name=key, a=a.get(key), b=b.get(key), same=same))
    return Section(name=name, rows=tuple(rows))


def _same(a: Value, b: Value) -> bool:
    """Return whether two values have the same bits; NaN equals NaN, and 0.0 is not -0.0."""
    return type(a) is type(b) and repr(a) == repr(b)


def _lacks(both: Iterable[Subject], what: str = "") -> list[bool]:
    """Return for each run whether it did not record something."""
    return [what in subject.side.not_recorded for subject in both]


def _code(subject: Subject) -> dict[str, Value]:
    code = subject.record.code
    values: dict[str, Value] = {
        "repository": code.repository,
        "folder": code.project or None,
        "commit": code.commit,
        "base commit": code.base_commit,
        "tree": code.tree,
    }
    if "uncommitted edits" in subject.side.not_recorded:
        return values
    return {**values, "dirty": code.dirty, "changed files": code.changed_files}


def _step(subject: Subject) -> dict[str, Value]:
    step = subject.record.step
    values: dict[str, Value] = {"entry point": step.entry_point or None}
    if step.command:
        values |= {"command": " ".join(step.command), "run of the script": step.number}
    if step.words:
        values["command"] = " ".join(step.words)
    return values


def _parameters(both: Sequence[Subject]) -> list[dict[str, Value]]:
    """Return the typed parameters without seeds, or the raw ones if a run has no record."""
    understood = not any(subject.side.not_recorded for subject in both)
    rows: list[dict[str, Value]] = []
    for subject in both:
        step = subject.record.step
        typed = {name: as_text(value) for name, value in step.parameters.items()}
        raw = step.raw_parameters
        if understood:
            seeds = subject.record.seeds
            rows.append({n: v for n, v in {**raw, **typed}.items() if n not in seeds})
        else:
            rows.append({**typed, **raw})
    return rows


def _data(subject: Subject) -> dict[str, Value]:
    rows: dict[str, Value] = {}
    for data in subject.record.inputs:
        facts = {"SHA-256": data.sha256, "rows": data.rows, "columns": data.columns}
        rows |= {f"{data.name}: {fact}": v for fact, v in {**facts, "URI": data.uri}.items()}
    return rows


def _schema(subject: Subject) -> dict[str, Value]:
    """Return a schema as a row for each value, class and column, without its place in the store."""
    rows: dict[str, Value] = {}
    for name, value in (subject.data_schema or {}).items():
        if name == "columns" and isinstance(value, list):
            rows |= {f"column {_named(column, i)}": _line(column) for i, column in enumerate(value)}
        elif name == "classes" and isinstance(value, dict):
            rows |= {f"class {label}": _line(count) for label, count in value.items()}
        elif name != "files":
            rows[name] = _line(value)
    return rows


def _named(column: Any, position: int) -> str:
    return str(column.get("name", position) if isinstance(column, dict) else position)


def _line(value: Any) -> str:
    """Return a value of a schema as one line: its type first, then each property by its name."""
    if not isinstance(value, dict):
        return as_text(value)
    facts = [f"{n} {as_text(v)}" for n, v in value.items() if n not in ("name", "type")]
    return ", ".join([as_text(value.get("type")), *facts])


def _environment(subject: Subject) -> dict[str, Value]:
    if "environment" in subject.side.not_recorded:
        return {}
    environment = subject.record.environment
    return {
        "Python": environment.python,
        "implementation": environment.implementation,
        "manager": environment.manager,
        "platform": environment.platform,
        "lock": environment.lock_sha256,
        "deviations from the lock": environment.deviations,
    }


def _numerics(subject: Subject) -> dict[str, Value]:
    if "numerics" in subject.side.not_recorded:
        return {}
    facts = subject.record.numerics.model_dump(exclude={"variables"})
    named = {name.replace("_", " "): value for name, value in facts.items()}
    return {**named, **subject.record.numerics.variables}


def _metrics(subject: Subject) -> dict[str, Value]:
    outputs = subject.record.outputs
    return dict(outputs.metrics) if outputs else {}


def _results(subject: Subject) -> dict[str, Value]:
    outputs = subject.record.outputs
    if outputs is None:
        return {}
    return {
        "model": outputs.model,
        **{f"predicted {name}": digest for name, digest in outputs.predictions.items()},
        **{f"stored {name}": digest for name, digest in outputs.artifacts.items()},
        **{f"dataset {name}": digest for name, digest in outputs.datasets.items()},
        **{f"registered {name}": origin for name, origin in outputs.registered.items()},
        **{f"logged {name}": value for name, value in outputs.parameters.items()},
        **{f"points of {name}": digest for name, digest in outputs.histories.items()},
    }
