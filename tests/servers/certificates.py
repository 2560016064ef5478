"""A certificate that was signed by itself, for tests of TLS, and the other end of TLS without any reactor's help."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

from tests.sockets.reactors import Client


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a key and a certificate for localhost; gives their paths."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    certificate = builder.sign(key, hashes.SHA256())
    paths = folder / "key.pem", folder / "certificate.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    paths[0].write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    paths[1].write_bytes(certificate.public_bytes(pem))
    return paths


class TlsClient(Client):
    """A client that speaks TLS, and keeps all bytes that came over the wire.

    With `plain_until`, TLS begins when those bytes have come in the clear.
    """

    def __init__(self, plain_until: bytes = b"") -> None:
        super().__init__()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)
        self._plain_until = plain_until
        self._unsent = b""
        self._agreed = False
        self.wire = b""

    def connectionMade(self) -> None:
        if not self._plain_until:
            self._proceed()

    def send(self, data: bytes) -> None:
        self._unsent += data
        self._proceed()

    def dataReceived(self, data: bytes) -> None:
        if self._plain_until:
            assert data == self._plain_until, data
            self._plain_until = b""
        else:
            self.wire += data
            self._incoming.write(data)
        self._proceed()

    def _proceed(self) -> None:
        """Do whatever can be done by now."""
        try:
            if not self._agreed:
                self._tls.do_handshake()
                self._agreed = True
            if self._unsent:
                self._tls.write(self._unsent)
                self._unsent = b""
            while piece := self._tls.read(65_536):
                super().dataReceived(piece)
            self._tls.unwrap()  # the other side has ended it, and waits for us to agree
            self.transport.write(self._outgoing.read())
            self.transport.loseConnection()
        except ssl.SSLWantReadError:
            pass
        self.transport.write(self._outgoing.read())


def records(wire: bytes) -> list[int]:
    """Give the kinds of the TLS records that bytes consist of; fails where a byte belongs to none."""
    kinds = []
    at = 0
    while at < len(wire):
        kind, major = wire[at], wire[at + 1]
        assert (20 <= kind <= 23, major) == (True, 3), f"not TLS at byte {at}: {wire[at : at + 20]!r}"
        kinds.append(kind)
        at += 5 + int.from_bytes(wire[at + 3 : at + 5], "big")
    assert at == len(wire), "the last record is cut"
    return kinds


def context_factory(folder: Path) -> Any:
    """Give the server's side of TLS, for Twisted."""
    from twisted.internet.ssl import DefaultOpenSSLContextFactory

    key, certificate = write_certificate(folder)
    return DefaultOpenSSLContextFactory(str(key), str(certificate))
