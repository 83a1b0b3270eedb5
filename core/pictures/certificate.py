"""Certificates that sign content credentials: one's own, or one that packshot makes for itself."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

VALID_DAYS = 3650
BACKDATED = timedelta(hours=1)
"""Clocks of other machines may be behind."""
ORGANISATION, NAME = "packshot (self-issued)", "packshot"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What signs."""

    chain: str
    """PEM, the signing certificate first, without the root."""
    key: str = field(repr=False)
    """PEM (PKCS #8), of a P-256 certificate: ES256 is what signs."""


def make_certificate() -> Certificate:
    """Make a certificate for a deployment, issued by an authority whose key nobody keeps.

    It shows that files come from the same signer and are as they were signed; who that is, no
    list of trusted authorities says. C2PA 2.2, section 14.5.1, says what it must hold.
    """
    # Only those who make one need it.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    begin = datetime.now(UTC) - BACKDATED
    subject, issuer = (
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        for name in (NAME, f"{NAME} authority")
    )
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Certificate(
        chain=certificate.public_bytes(serialization.Encoding.PEM).decode(), key=private.decode()
    )
