"""What decides an image, as columns: shared by a job, which asks for it, and its generation."""

from dataclasses import MISSING
from types import new_class
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import enum_type
from core.domain.image_spec import PARAMETERS, ImageSpec
from core.domain.photograph_spec import ImageMode

if TYPE_CHECKING:

    class _Columns(SQLModel):
        """A column of each field of `ImageSpec`."""
else:

    def _declare(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {name: one.type for name, one in PARAMETERS.items()}
        namespace |= {
            name: Field(
                default=one.default,
                # Workers of the version before, which do not know it, write rows too.
                sa_column_kwargs={"server_default": text(f"'{one.default}'")},
            )
            for name, one in PARAMETERS.items()
            if one.default is not MISSING
        }
        # Decided, when there is a row: 63 bits.
        namespace["__annotations__"]["seed"] = int
        namespace["seed"] = Field(sa_type=BigInteger)
        namespace["negative_prompt"] = ""

    _Columns = new_class("_Columns", (SQLModel,), exec_body=_declare)


class ImageParameters(_Columns):
    """Everything that decides one image; the columns are the fields of `ImageSpec`."""

    mode: ImageMode = Field(
        default=ImageMode.TEXT,
        # Further modes come.
        sa_type=enum_type(ImageMode, checked=False),
        sa_column_kwargs={"server_default": text("'text'")},
    )
    photograph: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    """See `core.domain.photograph_spec.PhotographSpec`; empty: there is none."""

    @property
    def spec(self) -> ImageSpec:
        """What decides the image, its seed included."""
        return ImageSpec.of({name: getattr(self, name) for name in SPEC_COLUMNS})


SPEC_COLUMNS = (*PARAMETERS, "mode", "photograph")
"""Of what `ImageParameters.spec` is read."""
