"""Webhooks."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, field_validator


class WebhookSettings(BaseModel):
    """Webhooks, and the addresses that callers may name."""

    webhook_timeout: PositiveFloat = Field(
        default=20.0, description="Maximum seconds for a receiver to answer."
    )
    webhook_concurrency: PositiveInt = Field(
        default=256,
        description="Maximum number of messages that one webhook process sends at the same time.",
    )
    webhook_endpoint_concurrency: PositiveInt = Field(
        default=8,
        description="Maximum number of messages that one webhook process sends to one endpoint at "
        "the same time.",
    )
    webhook_poll_seconds: PositiveFloat = Field(
        default=0.5, description="Seconds until the outbox is read again after nothing was due."
    )
    webhook_disable_seconds: PositiveFloat = Field(
        default=5 * 24 * 3600.0,
        description="Seconds without a success after which an endpoint is disabled.",
    )
    webhook_overlap_seconds: int = Field(
        default=24 * 3600,
        ge=0,
        description="Seconds for which a replaced secret goes on signing beside the new one.",
    )
    webhook_retention_seconds: PositiveFloat = Field(
        default=30 * 24 * 3600.0,
        description="Seconds for which events and their deliveries are kept.",
    )
    outbound_allow: str = Field(
        default="",
        description="Hosts, addresses and networks that callers' URLs may lead to although they "
        "are not public, for example erp.internal,10.1.0.0/16. A host may resolve to any address.",
    )
    outbound_ports: str = Field(
        default="80,443",
        pattern=r"^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$",
        description="Ports that callers' URLs may name, for example 80,443,8000-8999.",
    )

    @field_validator("outbound_ports")
    @classmethod
    def _ports_are_ports(cls, ports: str) -> str:
        """Check ranges of ports.

        Raises:
            ValueError: A port is above 65535, or a range ends before it begins.
        """
        for part in ports.split(","):
            first, _, last = part.partition("-")
            if not 1 <= int(first) <= int(last or first) <= 65535:
                raise ValueError(f"{part} is neither a port from 1 to 65535 nor a range of ports")
        return ports
