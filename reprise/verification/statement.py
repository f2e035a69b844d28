"""Statements of in-toto that can be signed: how a run was made, and what its replay has shown.

Two documents of the format Statement v1, both about the same subjects: the run's record and each
file of its model. The first has the predicate SLSA provenance v1; the second SLSA's verification
summary v1, with the evidence and the policy in fields of our own, and the digest of the first.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from reprise.backports import Self
from reprise.errors import SignatureError
from reprise.record.digest import canonical_json, sha256_json, sha256_text
from reprise.record.schema import RunRecord
from reprise.trust.documents import parse_json
from reprise.verification.evidence import Evidence
from reprise.verification.policy import Policy

ENGINE = "urn:mlflow-reprise"
BUILD_TYPE = f"{ENGINE}:run:v1"
PROVENANCE_TYPE: Literal["https://slsa.dev/provenance/v1"] = "https://slsa.dev/provenance/v1"
SUMMARY_TYPE: Literal["https://slsa.dev/verification_summary/v1"] = (
    "https://slsa.dev/verification_summary/v1"
)
STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PROVENANCE, SUMMARY = "provenance.json", "verification.json"  # names of the files
RECORD = "record"  # name of the subject that is the run's record


class _Wire(BaseModel):
    """Base of what is written: names as in-toto spells them, nothing that is not set."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if value is not None}


class Resource(_Wire):
    """A thing by its digest: in-toto's ResourceDescriptor."""

    name: str | None = None
    uri: str | None = None
    digest: dict[str, str] = {}
    annotations: dict[str, Any] | None = None


class BuildDefinition(_Wire):
    """What was asked for, and all that it depended on."""

    build_type: str = BUILD_TYPE
    external_parameters: dict[str, Any]
    resolved_dependencies: tuple[Resource, ...]


class Builder(_Wire):
    """Who vouches that the run was made so: this engine, which has reproduced it."""

    id: str = ENGINE
    version: dict[str, str]


class BuildMetadata(_Wire):
    """Which run."""

    invocation_id: str


class RunDetails(_Wire):
    """Who made it, and which run it is."""

    builder: Builder
    metadata: BuildMetadata


class Provenance(_Wire):
    """The predicate SLSA provenance v1."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Verifier(_Wire):
    """Who has verified."""

    id: str = ENGINE
    version: dict[str, str]


class Summary(_Wire):
    """The predicate SLSA verification summary v1, with our evidence and policy."""

    verifier: Verifier
    time_verified: AwareDatetime
    resource_uri: str
    policy: Resource
    input_attestations: tuple[Resource, ...]
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: tuple[str, ...]
    reprise_evidence: Evidence = Field(alias="reprise_evidence")
    reprise_policy: dict[str, Any] = Field(alias="reprise_policy")


class _Statement(_Wire):
    type: Literal["https://in-toto.io/Statement/v1"] = Field(STATEMENT_TYPE, alias="_type")
    subject: tuple[Resource, ...]

    def to_json(self) -> str:
        """Return the statement as the text whose bytes are signed."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


class ProvenanceStatement(_Statement):
    """How a run was made."""

    predicate_type: Literal["https://slsa.dev/provenance/v1"] = PROVENANCE_TYPE
    predicate: Provenance


class SummaryStatement(_Statement):
    """What a replay of the run has shown."""

    predicate_type: Literal["https://slsa.dev/verification_summary/v1"] = SUMMARY_TYPE
    predicate: Summary

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a statement whose signature has been verified.

        Raises
        ------
        SignatureError
            If the text is none, such as one of another version.
        """
        try:
            return cls.model_validate(parse_json(text))
        except ValidationError as error:
            first = error.errors()[0]
            found = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except (ValueError, RecursionError) as error:
            found = str(error)
        raise SignatureError(f"expected a statement of this version, found {found}. Verify again.")


def provenance(record: RunRecord, evidence: Evidence) -> ProvenanceStatement:
    """State how a run was made, from its record, which a replay has borne out."""
    step = record.step
    asked = {"entryPoint": step.entry_point, "parameters": step.raw_parameters}
    typed = [*step.command, *step.words]
    return ProvenanceStatement(
        subject=subjects(evidence),
        predicate=Provenance(
            build_definition=BuildDefinition(
                external_parameters={**asked, **({"command": typed} if typed else {})},
                resolved_dependencies=tuple(_dependencies(record)),
            ),
            run_details=RunDetails(
                builder=Builder(version=engine_version()),
                metadata=BuildMetadata(invocation_id=evidence.run_id),
            ),
        ),
    )


def summary(
    evidence: Evidence, policy: Policy, *, is_met: bool, provenance: str
) -> SummaryStatement:
    """State what a replay has shown, and whether that meets a policy.

    Parameters
    ----------
    evidence : Evidence
    policy : Policy
    is_met : bool
    provenance : str
        The text of the other statement.
    """
    level = str(evidence.verdict).upper().replace(" ", "_")
    return SummaryStatement(
        subject=subjects(evidence),
        predicate=Summary(
            verifier=Verifier(version=engine_version()),
            time_verified=evidence.made,
            resource_uri=f"runs:/{evidence.run_id}",
            policy=Resource(uri="reprise.toml", digest={"sha256": policy.sha256}),
            input_attestations=(
                Resource(uri=PROVENANCE, digest={"sha256": sha256_text(provenance)}),
            ),
            verification_result="PASSED" if is_met else "FAILED",
            verified_levels=(f"REPRISE_{level}",),
            reprise_evidence=evidence,
            reprise_policy=policy.model_dump(mode="json"),
        ),
    )


def subjects(evidence: Evidence) -> tuple[Resource, ...]:
    """Return what statements are about: the run's record, and each file of its model."""
    record = Resource(name=RECORD, digest={"sha256": evidence.record_sha256})
    files = evidence.model_files.items()
    return record, *(Resource(name=f"model/{n}", digest={"sha256": d}) for n, d in files)


def engine_version() -> dict[str, str]:
    """Return the version of this engine, by the name of its distribution."""
    try:
        return {"mlflow-reprise": version("mlflow-reprise")}
    except PackageNotFoundError:  # as in a clone that is on PYTHONPATH
        return {"mlflow-reprise": "unknown"}


def _dependencies(record: RunRecord) -> list[Resource]:
    """Return code, lock, data, parameters and numerics, each with a digest."""
    code, environment, step = record.code, record.environment, record.step
    found = []
    if code.commit:
        where = f"git+{code.repository}@{code.commit}" if code.repository else None
        found.append(Resource(name="code", uri=where, digest={"gitCommit": code.commit}))
    if environment.lock_sha256:
        name = environment.lock or "requirements.txt"
        found.append(Resource(name="lock", uri=name, digest={"sha256": environment.lock_sha256}))
    found += [
        Resource(name=f"data/{item.name}", uri=item.uri, digest={"sha256": item.sha256})
        for item in record.inputs
    ]
    numerics = record.numerics.model_dump(mode="json")
    for name, values in (("parameters", step.parameters), ("numerics", numerics)):
        digest = {"sha256": sha256_json(values)}
        found.append(Resource(name=name, digest=digest, annotations=dict(values)))
    return found
