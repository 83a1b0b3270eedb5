"""Messages that outlive one redirect: "The batch was cancelled."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

MESSAGE_COOKIE = "packshot_message"


def seal_message(text: str, secret: str) -> str:
    """Write a message as a cookie's value that nobody without the secret can write."""
    return f"{urlsafe_b64encode(text.encode()).decode()}.{_seal(text, secret)}"


def open_message(value: str | None, secret: str) -> str | None:
    """Read such a value; None: there is none, or somebody else wrote it."""
    encoded, _, seal = (value or "").partition(".")
    try:
        text = urlsafe_b64decode(encoded).decode()
    except (Base64Error, ValueError):
        return None
    is_ours = bool(text) and hmac.compare_digest(seal.encode(), _seal(text, secret).encode())
    return text if is_ours else None


def _seal(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"message {text}".encode(), "sha256").hexdigest()
