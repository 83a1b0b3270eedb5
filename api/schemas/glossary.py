"""The JSON of glossaries."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from api.schemas.strict import StrictModel
from catalogue.prompts.glossary import LONGEST_ENTRY, MOST_WORDS, check_entries


def _entries(value: dict[str, str]) -> dict[str, str]:
    if wrong := check_entries(value):
        raise ValueError(" ".join(f"{word!r}: {reason}" for word, reason in wrong[:10]))
    return value


Entries = Annotated[
    dict[str, str],
    AfterValidator(_entries),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MOST_WORDS,
            "additionalProperties": {"type": "string", "maxLength": LONGEST_ENTRY},
        }
    ),
]


class GlossaryRequest(StrictModel):
    """A glossary in the place of the one that is there."""

    entries: Entries = Field(
        description="What prompts say instead of each word or phrase of yours, in whatever case; "
        "the empty text: nothing."
    )


class GlossaryView(BaseModel):
    """A tenant's glossary."""

    entries: dict[str, str] = Field(description="The model's words by your words.")
    updated_at: datetime | None = Field(description="null: there never was one.")
