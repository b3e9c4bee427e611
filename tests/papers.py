"""Certificates for a test: a CA of its own, and what it signed."""

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple


class Papers(NamedTuple):
    """Files of a CA and of what it signed."""

    ca: Path
    cert: Path
    key: Path

    def server(self, *, asks: bool = False) -> ssl.SSLContext:
        """Return the TLS of a server; `asks`: of one that wants to see a certificate of this CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if asks:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make(folder: Path, address: str = "IP:127.0.0.1") -> Papers:
    """Write a CA and a certificate for an address into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Papers(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    _openssl(*new, "-subj", "/CN=ca", "-keyout", str(folder / "ca.key"), "-out", str(made.ca))
    signed = ("-CA", str(made.ca), "-CAkey", str(folder / "ca.key"), "-addext", f"subjectAltName={address}")
    _openssl(*new, "-subj", "/CN=app", *signed, "-keyout", str(made.key), "-out", str(made.cert))
    return made


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)
