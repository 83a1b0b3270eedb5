"""Publishing."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr


class PublishSettings(BaseModel):
    """Stores that images are published into."""

    secret_keys: SecretStr | None = Field(
        default=None,
        description="Secrets that the credentials of stores are encrypted with, the same for the "
        "API and housekeeping. With several, separated by commas, the first encrypts and all "
        "decrypt: put a new one in front to rotate. Without one no store can be added.",
    )
    publish_timeout: PositiveFloat = Field(
        default=60.0, description="Maximum seconds for a store to answer one request."
    )
    publish_concurrency: PositiveInt = Field(
        default=2, description="Maximum number of products of one store in work at the same time."
    )
    publish_poll_seconds: PositiveFloat = Field(
        default=1.0, description="Seconds until publish runs are looked for again."
    )
