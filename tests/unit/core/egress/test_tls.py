"""A certificate is verified against the name in the URL, whatever address it resolves to."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.egress.addresses import Address, read_address
from core.egress.client import EgressClient, EgressError, EgressResponse
from core.egress.policy import EgressPolicy
from core.settings import Settings
from tests.receiver import receiving

NAME = "shop.example"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key and certificate of one name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[tuple[int, list[str | None]]]:
    """A server with that certificate: its port, and the names that it was asked for."""
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with receiving(context) as receiver:
        yield int(urlsplit(receiver.url).port or 0), asked


def post(url: str) -> EgressResponse:
    async def here(_host: str, _port: int) -> Sequence[Address]:
        return [read_address("127.0.0.1")]

    async def run() -> EgressResponse:
        settings = Settings(_env_file=None, outbound_allow="127.0.0.1", outbound_ports="1-65535")
        async with EgressClient(EgressPolicy.of(settings), here, timeout_seconds=20) as client:
            return await client.post(url, {}, b"hello")

    return asyncio.run(run())


def test_the_name_is_asked_for_and_its_certificate_is_good(server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port, asked = server
    assert post(f"https://{NAME}:{port}/").status == 204
    assert asked == [NAME]


def test_another_names_certificate_is_refused(server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port, asked = server
    with pytest.raises(EgressError, match="Hostname mismatch"):
        post(f"https://other.example:{port}/")
    assert asked == ["other.example"]


def test_a_certificate_that_nobody_vouches_for_is_refused(server):
    port, _ = server
    with pytest.raises(EgressError, match="certificate verify failed"):
        post(f"https://{NAME}:{port}/")
