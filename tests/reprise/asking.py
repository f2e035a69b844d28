"""The parameters of a run that asks for replays in this process."""

from pydantic import Field

from reprise.runtime.parameters import Parameters


class AskingParameters(Parameters):
    """Ask for a replay."""

    entry_point = "asking"

    size: int = Field(1, description="a size")
