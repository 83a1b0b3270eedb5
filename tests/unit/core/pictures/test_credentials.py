"""Content credentials: signed by one's own certificate, verified by C2PA's own reader."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.errors import InvalidSettingError
from core.pictures.credentials import Credentials, credentials_of
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import source_type_of
from core.settings import Settings
from tests.pictures import TRAINED, product, source_type


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


@pytest.fixture(scope="module")
def chain() -> tuple[str, str, str]:
    """The signing certificate with its issuer, the key, and the root."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = certificate("Root", root_key, "Root", root_key, authority=True)
    leaf = certificate("Signer", key, "Root", root_key, authority=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    written = [one.public_bytes(pem).decode() for one in (leaf, root)]
    return written[0], private.decode(), written[1]


@pytest.mark.parametrize("format_", Format)
def test_c2pa_verifies_what_was_signed_against_the_root(chain, format_, tmp_path):
    leaf, key, root = chain
    plain = encode(product(), format_)
    signed = encode(product(), format_, credentials=Credentials(leaf, key))
    assert len(signed) - len(plain) < 20_000
    trust = {"trust": {"user_anchors": root}, "verify": {"verify_trust": True}}
    context = c2pa.Context(c2pa.Settings.from_dict(trust))
    with c2pa.Reader(format_.content_type, BytesIO(signed), context=context) as reader:
        state = reader.get_validation_state()
        manifest = reader.get_active_manifest()
    assert state == "Trusted"
    assert manifest.get("thumbnail") is None
    (actions,) = (one for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    assert actions["data"]["actions"][0]["digitalSourceType"] == TRAINED
    # The older mark is still there, for those who read only that.
    assert source_type_of(signed) == TRAINED
    file = tmp_path / f"signed.{format_.extension}"
    file.write_bytes(signed)
    assert source_type(file) == TRAINED


def test_a_changed_pixel_breaks_the_signature(chain):
    leaf, key, _ = chain
    signed = bytearray(encode(product(), Format.JPEG, credentials=Credentials(leaf, key)))
    signed[-100] ^= 1
    with c2pa.Reader("image/jpeg", BytesIO(bytes(signed))) as reader:
        assert reader.get_validation_state() == "Invalid"
        assert "dataHash" in json.dumps(reader.get_validation_results())


def test_settings_name_the_certificate_and_the_key(chain, tmp_path):
    leaf, key, _ = chain
    (tmp_path / "chain.pem").write_text(leaf)
    (tmp_path / "key.pem").write_text(key)
    named = {"c2pa_certificate": str(tmp_path / "chain.pem")}
    assert credentials_of(Settings(_env_file=None)) is None
    with pytest.raises(InvalidSettingError, match="go together"):
        credentials_of(Settings(_env_file=None, **named))
    with pytest.raises(InvalidSettingError, match=r"gone.pem cannot be read as PEM"):
        credentials_of(Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "gone.pem")))
    both = Settings(_env_file=None, **named, c2pa_key=str(tmp_path / "key.pem"))
    assert credentials_of(both) is not None


def test_a_key_that_does_not_sign_is_found_out_at_the_start(chain):
    leaf, key, _ = chain
    with pytest.raises(InvalidSettingError, match=r"cannot sign .* P-256"):
        Credentials(leaf, "no key")
    with pytest.raises(InvalidSettingError, match="cannot sign"):
        Credentials("no certificate", key)
