"""Stored images."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr


class StorageSettings(BaseModel):
    """Images in S3, and how they are signed."""

    s3_endpoint_url: str | None = Field(
        default=None, description="Address of the S3 service. Leave it empty for AWS."
    )
    s3_public_url: str | None = Field(
        default=None,
        description="Address at which callers reach the same S3, for presigned URLs. Leave it "
        "empty if it is the endpoint.",
    )
    s3_bucket: str = Field(
        default="packshot", description="Name of the bucket that holds images and photographs."
    )
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: str | None = Field(
        default=None,
        description="Access key of S3. Leave it empty to use the machine's own credentials.",
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None,
        description="Secret key of S3. Leave it empty to use the machine's own credentials.",
    )
    s3_timeout: PositiveFloat = Field(
        default=10.0,
        description="Maximum seconds for which S3 may be silent while it answers. The API waits "
        "for 5 at most.",
    )
    presigned_url_seconds: PositiveInt = Field(
        default=3600, description="Seconds for which a presigned image URL is valid."
    )
    inspection_bytes: int = Field(
        default=16 * 2**20,
        ge=0,
        description="Bytes of stored images, renditions and photographs that housekeeping reads "
        "in each pass (`PACKSHOT_JANITOR_SECONDS`) to find damaged ones. 0 turns this off.",
    )
    watermark: bool = Field(
        default=True,
        description="Whether images that a model drew, wholly or in part, get an imperceptible "
        "watermark.",
    )
    watermark_secret: SecretStr | None = Field(
        default=None,
        description="Secret that the watermark's key is derived from, the same for all processes: "
        "who does not know it cannot read the marks. Without one anybody can.",
    )
    content_credentials: bool = Field(
        default=True,
        description="Whether images carry signed content credentials (C2PA).",
    )
    c2pa_certificate: str = Field(
        default="",
        description="PEM file of the certificates with which images are signed, the signing one "
        "first. Empty: one that this deployment makes for itself and keeps in Postgres.",
    )
    c2pa_key: str = Field(
        default="", description="PEM file of the P-256 key of the signing certificate."
    )
