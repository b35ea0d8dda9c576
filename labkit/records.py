"""The evidence record: what a lesson leaves behind and what grading reads. One schema, versioned, JSON on disk."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

RecordId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
Text = Annotated[str, Field(max_length=4096)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Unknown keys, NaN and infinities are refused: they have no meaning here, and a hostile record has no other use for them."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class ProducedFile(Strict):
    """A file that belongs to a record. `path` is relative to the evidence folder."""

    path: Annotated[str, Field(max_length=200)]
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]  # bytes


class Machine(Strict):
    """The machine a record was made on, as far as a check may need it; no host name, no user name."""

    cpu: Text
    cores: Annotated[int, Field(ge=1)]
    ram_gib: Annotated[float, Field(ge=0)]
    gpu: Text | None = None


class Record(Strict):
    """One thing that happened on the learner's machine.

    `command` is the argument list after redaction, empty where no command ran; `seconds` is wall time; `facts` is what was
    extracted from the run, its shape known to the check that reads it.
    """

    schema_version: Literal[1] = 1
    id: RecordId
    lane: Literal["cpu", "cuda"]
    learner: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    token: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    versions: dict[str, Text]
    machine: Machine
    command: Annotated[list[Text], Field(max_length=64)] = []
    exit_code: int | None = None
    seconds: Annotated[float, Field(ge=0, lt=864_000)] = 0.0  # ten days
    files: Annotated[list[ProducedFile], Field(max_length=64)] = []
    facts: dict[str, JsonValue] = {}
