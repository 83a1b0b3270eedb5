"""A chain of certificates that may sign C2PA claims, made on the spot."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.pictures.certificate import Certificate
from core.pictures.credentials import Credentials


def name_of(text: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A shop"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def certificate(subject: str, key, issuer: str, issuer_key, *, authority: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "crl_sign", "encipher_only", "decipher_only"),
        False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(subject))
        .issuer_name(name_of(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not authority:
        usages = [ExtendedKeyUsageOID.EMAIL_PROTECTION]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def make_chain() -> tuple[str, str, str]:
    """Give the signing certificate, its key, and the root that issued it, as PEM."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("Root", root_key, "Root", root_key, authority=True)
    leaf = certificate("Signer", key, "Root", root_key, authority=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    written = [one.public_bytes(pem).decode() for one in (leaf, root)]
    return written[0], private.decode(), written[1]


def signing(chain: str, key: str) -> Credentials:
    """Give what signs with a certificate, or the error that it cannot."""
    credentials = Credentials(lambda: Certificate(chain=chain, key=key))
    credentials.load()
    return credentials


def verified(body: bytes, content_type: str, root: str) -> tuple[str, dict[str, Any]]:
    """Read a file's credentials with C2PA's own reader; give their state and the manifest."""
    trust = {"trust": {"user_anchors": root}, "verify": {"verify_trust": True}}
    context = c2pa.Context(c2pa.Settings.from_dict(trust))
    with c2pa.Reader(content_type, BytesIO(body), context=context) as reader:
        store = json.loads(reader.json())
        return reader.get_validation_state(), store["manifests"][store["active_manifest"]]
