"""Assertions on the template that neither cfn-lint nor checkov checks completely.

Each assertion is a pure function of the parsed template. Its docstring says what must hold.
"""

from deploy.aws import access, network, storage
from deploy.aws.findings import Assertion, Finding
from deploy.aws.template import Template

ASSERTIONS: tuple[Assertion, ...] = network.ASSERTIONS + storage.ASSERTIONS + access.ASSERTIONS


def title(assertion: Assertion) -> str:
    """Return the sentence that an assertion checks: its docstring."""
    return (assertion.__doc__ or assertion.__name__).splitlines()[0]


def findings(template: Template) -> dict[str, list[Finding]]:
    """Return the findings of each assertion by its name, without assertions that find nothing."""
    found = {assertion.__name__: assertion(template) for assertion in ASSERTIONS}
    return {name: each for name, each in found.items() if each}
