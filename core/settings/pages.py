"""Workbench."""

from pydantic import BaseModel, Field, PositiveInt, SecretStr


class PageSettings(BaseModel):
    """The pages for people, under `/workbench`."""

    pages: bool = Field(
        default=True, description="Whether the API serves the workbench, its pages for people."
    )
    page_session_seconds: PositiveInt = Field(
        default=12 * 3600,
        description="Seconds after which somebody who signed in to the workbench has to sign in "
        "again.",
    )
    page_idle_seconds: PositiveInt = Field(
        default=2 * 3600,
        description="Seconds without a request after which they have to sign in again.",
    )
    sign_ins_per_minute: int = Field(
        default=20,
        ge=0,
        description="Maximum number of times a minute that each address may try to sign in to "
        "the workbench. 0 means no limit.",
    )
    flower_url: str = Field(
        default="",
        pattern=r"^(https?://[^?#]+)?$",
        description="Address at which people reach Flower, for the link on the page *System*. "
        "Leave it empty for none.",
    )
    flower_login: SecretStr | None = Field(
        default=None,
        description="Flower's `user:password`, as `FLOWER_BASIC_AUTH` has it: people who are "
        "signed in to the workbench with the scope `admin`, of whichever tenant, then come to "
        "Flower without it. Leave it empty to have everybody asked for it.",
    )
