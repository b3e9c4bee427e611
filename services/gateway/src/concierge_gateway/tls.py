"""HTTPS, and callers' certificates, in uvicorn's words."""

import ssl
from pathlib import Path
from typing import Any

from concierge_proto import errors, settings


def options(gateway: settings.Gateway) -> dict[str, Any]:
    """Return what uvicorn needs; raise Permanent with the setting that can't be used."""
    if not gateway.tls_cert_file:
        for name in ("tls_key_file", "tls_client_ca_file"):
            if getattr(gateway, name):
                raise errors.Permanent(f"gateway.{name} needs gateway.tls_cert_file beside it")
        return {}
    _check(gateway)
    found: dict[str, Any] = {
        "ssl_certfile": gateway.tls_cert_file,
        "ssl_keyfile": gateway.tls_key_file or None,
    }
    if gateway.tls_client_ca_file:
        found |= {"ssl_ca_certs": gateway.tls_client_ca_file, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return found


def _check(gateway: settings.Gateway) -> None:
    """Load everything once, since uvicorn would not say which file is wrong."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in ("tls_cert_file", "tls_key_file", "tls_client_ca_file"):
        path = getattr(gateway, name)
        if path and not Path(path).is_file():
            raise errors.Permanent(f"gateway.{name}: {path} is no file")
    try:
        probe.load_cert_chain(gateway.tls_cert_file, gateway.tls_key_file or None, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise errors.Permanent(f"gateway.tls_cert_file: {gateway.tls_cert_file}: {_words(error)}") from error
    try:
        if gateway.tls_client_ca_file:
            probe.load_verify_locations(gateway.tls_client_ca_file)
    except (OSError, ssl.SSLError) as error:
        path = gateway.tls_client_ca_file
        raise errors.Permanent(f"gateway.tls_client_ca_file: {path}: {_words(error)}") from error


def _words(error: OSError) -> str:
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    return f"{reason}: it must be PEM, and key and certificate a pair, the key without a password"
