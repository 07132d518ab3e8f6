"""This city's own certificate for talking OPC UA in private, made once."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import socket
from pathlib import Path
from typing import Final

from pintu.kernel.errors import DiskFull

YEARS: Final = 10


def certificate(data: Path, application: str) -> tuple[Path, Path]:
    """The files of the certificate (DER) and its private key (PEM, 0600), made when absent.

    Self-signed, RSA 2048, for OPC UA part 6, 6.2.2: the application's URI is an alternative name.
    """
    folder = data / "keys" / "opcua"
    made, key_file = folder / "certificate.der", folder / "key.pem"
    if not (made.is_file() and key_file.is_file()):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(made, key_file, application)
        except OSError as error:
            raise DiskFull(f"The OPC UA certificate cannot be written: {error}") from error
    return made, key_file


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate in hex digits."""
    return hashlib.sha256(der).hexdigest()


def _make(made: Path, key_file: Path, application: str) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pintu")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(application),
        x509.DNSName(socket.gethostname()),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(usage, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(text)
    made.write_bytes(built.public_bytes(serialization.Encoding.DER))
