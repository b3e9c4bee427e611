"""HTTPS, and callers' certificates, in uvicorn's words; renewed files count without a restart."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, NoReturn

from concierge_gateway import renewal
from concierge_proto import errors, settings

log = logging.getLogger(__name__)

_FILES = ("tls_cert_file", "tls_key_file", "tls_client_ca_file")


def options(gateway: settings.Gateway) -> dict[str, Any]:
    """Return what uvicorn needs; raise Permanent with the setting that can't be used."""
    if not gateway.tls_cert_file:
        for name in _FILES[1:]:
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


async def renew(gateway: settings.Gateway, context: ssl.SSLContext) -> NoReturn:
    """Look for ever: who calls after the files have changed is shown the new certificate.

    Files that can't be used, or are not a pair yet, change nothing.
    """
    marks = _marks(gateway)
    while True:
        await asyncio.sleep(renewal.PERIOD)
        found = _marks(gateway)
        if found != marks:
            marks = found
            _reload(gateway, context)


def _reload(gateway: settings.Gateway, context: ssl.SSLContext) -> None:
    try:
        _check(gateway)
        _load(gateway, context)
    except (errors.Permanent, OSError) as error:
        log.error("%s; the certificate that was shown goes on being shown", error)
        return
    log.info("gateway.tls_cert_file: %s is shown from now on", gateway.tls_cert_file)


def _marks(gateway: settings.Gateway) -> list[renewal.Mark | None]:
    return [renewal.mark(path) for path in (getattr(gateway, name) for name in _FILES) if path]


def _load(gateway: settings.Gateway, context: ssl.SSLContext) -> None:
    context.load_cert_chain(gateway.tls_cert_file, gateway.tls_key_file or None, password=lambda: "")
    if gateway.tls_client_ca_file:
        context.load_verify_locations(gateway.tls_client_ca_file)


def _check(gateway: settings.Gateway) -> None:
    """Load everything once, since uvicorn would not say which file is wrong."""
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in _FILES:
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
