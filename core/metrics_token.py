"""Who may read metrics: they count every tenant's work, so no tenant's key opens them."""

import secrets

from pydantic import SecretStr

HINT = (
    "Send the token of PACKSHOT_METRICS_TOKEN: `Authorization: Bearer <token>`. While it is not "
    "set, nobody can read the metrics."
)


def opens_metrics(authorization: str, token: SecretStr | None) -> bool:
    """Tell whether an Authorization header has the token; without a token none does."""
    wanted = token.get_secret_value() if token else ""
    sent = authorization.removeprefix("Bearer ")
    return bool(wanted) and secrets.compare_digest(sent.encode(), wanted.encode())
