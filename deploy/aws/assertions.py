"""What must hold of the template and what neither cfn-lint nor checkov sees, or not all of it.

Each assertion is a pure function of the parsed template whose docstring says what holds.
"""

from deploy.aws import access, network, storage
from deploy.aws.findings import Assertion, Finding
from deploy.aws.template import Template

ASSERTIONS: tuple[Assertion, ...] = network.ASSERTIONS + storage.ASSERTIONS + access.ASSERTIONS


def title(assertion: Assertion) -> str:
    """Give what an assertion says, in its own words."""
    return (assertion.__doc__ or assertion.__name__).splitlines()[0]


def findings(template: Template) -> dict[str, list[Finding]]:
    """Give what each assertion finds, by its name; those that find nothing are left out."""
    found = {assertion.__name__: assertion(template) for assertion in ASSERTIONS}
    return {name: each for name, each in found.items() if each}
