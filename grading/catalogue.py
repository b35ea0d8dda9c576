"""What is graded: the notebooks of the assignment, their grade ids and points. tools/build.py writes the JSON from the lessons."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from labkit.records import Strict

CATALOGUE = Path(__file__).with_name("catalogue.json")


class BadCatalogue(Exception):
    """The catalogue is missing or damaged. The text is written for the instructor."""


class Exercise(Strict):
    """One grade cell. `manual`: a text that a person reads; no check does."""

    grade_id: Annotated[str, Field(pattern=r"^[a-z0-9][A-Za-z0-9_]*-[A-Za-z0-9_]+$")]
    points: Annotated[float, Field(ge=0)]
    manual: bool = False


class Catalogue(Strict):
    """All grade cells of the assignment, by notebook (file name without .ipynb), in lesson order."""

    assignment: str
    notebooks: dict[str, list[Exercise]]

    def exercises(self) -> list[tuple[str, Exercise]]:
        """Return (notebook, exercise) pairs in lesson order."""
        return [(notebook, exercise) for notebook, listed in self.notebooks.items() for exercise in listed]


def load_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read a catalogue. Raises BadCatalogue."""
    try:
        return Catalogue.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadCatalogue(f"{path.name}: it cannot be read ({error.strerror}). Expected the file that `make build` writes.") from None
    except ValidationError as error:
        raise BadCatalogue(f"{path.name}: {error.errors()[0]['msg']}. Expected the file that `make build` writes.") from None
