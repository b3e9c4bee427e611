"""Certificates for a test: a CA of its own, and what it signed."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Papers(NamedTuple):
    """Files of a CA and of what it signed."""

    ca: Path
    cert: Path
    key: Path


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
