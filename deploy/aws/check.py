"""Check the template without an AWS account: ``python -m deploy.aws.check``.

It prints a line for each check: cfn-lint, checkov, the project's own assertions, and deployments of
both sizes to an emulator. Exit code 0 if all checks pass, 1 if a check fails or cannot run.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import botocore.exceptions
import yaml

from deploy.aws import emulation, linters, readback
from deploy.aws.assertions import ASSERTIONS, title
from deploy.aws.findings import Finding
from deploy.aws.template import TEMPLATE, Template, read


class Report:
    """Prints the lines of checks, and counts the failed ones."""

    def __init__(self) -> None:
        self.failed = 0
        self.made = 0

    def check(self, name: str, faults: Iterable[object]) -> None:
        """Print a check's line, and a line for each of its faults."""
        found = list(faults)
        self.made += 1
        self.failed += bool(found)
        print(f"{'FAILED' if found else 'ok    '} {name}")
        for fault in found:
            print(f"         {fault}")


def lint(report: Report, path: Path) -> None:
    """Run the third-party linters."""
    name = path.name
    report.check("cfn-lint finds nothing, warnings included", linters.cfn_lint([path])[name])
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        faults = linters.checkov(Path(folder))[name]
    left = linters.skips()
    found, unused = linters.without_skips(faults, left)
    report.check(f"checkov finds nothing but the {len(left)} findings that are left", found)
    needless = [f"{skip.rule} for {skip.resource} in {linters.SKIPS.name}" for skip in unused]
    report.check("checkov finds all of those, so none is left needlessly", needless)


def assert_all(report: Report, template: Template) -> None:
    """Run the project's own assertions."""
    for assertion in ASSERTIONS:
        report.check(title(assertion), _found(assertion, template))


def _found(check: Callable[..., list[Finding]], *given: Any) -> list[Finding]:
    """Run a check; an exception in it is a finding about the template's structure."""
    try:
        return check(*given)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        return [Finding("the template", "its usual shape", f"{type(error).__name__}: {error}")]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        return [Finding("the emulator", "what the template makes", str(error))]


def emulate(report: Report, template: Template) -> None:
    """Deploy to the emulator in every way, and compare its resources with the expected ones."""
    unknown = sorted(emulation.UNKNOWN)
    with emulation.emulator() as session:
        for size in readback.SIZES:
            made = emulation.deploy(session, template, size, Size=size)
            report.check(f"emulated, {size}: stands, with {len(made)} resources", ())
            for each in readback.CHECKS:
                name = f"emulated, {size}: {(each.__doc__ or '').splitlines()[0]}"
                report.check(name, _found(each, session, made, size))
        own = emulation.deploy(session, template, "existing", **_network_of(made))
        extra = [name for name in own if name in {"Vpc", "StorageEndpoint", "PrivateRoutesA"}]
        report.check(f"emulated, in an existing VPC: stands, with {len(own)} resources", extra)
        for name in readback.REFUSED:
            report.check(f"emulated: {name} is refused", _taken(session, template, name))
    print(f"       not emulated, left to the assertions: {', '.join(unknown)}")
    print(f"       taken and not kept by the emulator: {readback.NOT_KEPT}")


def _network_of(made: dict[str, str]) -> dict[str, str]:
    return {
        "VpcId": made["Vpc"],
        "VpcCidr": "10.20.0.0/16",
        "PublicSubnetIds": f"{made['PublicSubnetA']},{made['PublicSubnetB']}",
        "PrivateSubnetIds": f"{made['PrivateSubnetA']},{made['PrivateSubnetB']}",
    }


def _taken(session: emulation.Session, template: Template, name: str) -> list[str]:
    given, sentence = readback.REFUSED[name]
    try:
        emulation.deploy(session, template, name.replace(" ", "-"), **given)
    except emulation.EmulationError as error:
        message = str(error)
        return [] if sentence in message else [f"expected {sentence!r}, found {message!r}"]
    return [f"expected {given} refused, found it taken"]


def main() -> int:
    """Run every check."""
    parser = argparse.ArgumentParser(description="Check the template without an AWS account.")
    parser.add_argument("template", nargs="?", type=Path, default=TEMPLATE)
    path = parser.parse_args().template
    report = Report()
    try:
        template = read(path)
        lint(report, path)
        assert_all(report, template)
        emulate(report, template)
    except (OSError, yaml.YAMLError, linters.ToolError, emulation.EmulationError) as error:
        report.check(f"the checks run to their end: {type(error).__name__}", [error])
    verdict = f"{report.failed} of {report.made} checks failed" if report.failed else "all is well"
    print(f"{verdict}. {report.made} checks; linted and emulated, not deployed.")
    return int(bool(report.failed))


if __name__ == "__main__":
    sys.exit(main())
