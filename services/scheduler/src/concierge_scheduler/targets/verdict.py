"""What an engine thinks of our certificate: with TLS 1.3 its refusal follows the handshake, and docker may miss it."""

import socket
import ssl
import urllib.parse

from concierge_proto import settings

PATIENCE = 5.0
"""Seconds for each of the call, the handshake and the verdict."""
PORT = 2376
"""Docker's own for TLS."""


def refusal(target: settings.Target) -> str:
    """Return the engine's refusal as Go words it, "" if there is none, or none is heard. Blocks."""
    if not (target.tls_cert_file and target.host.startswith("tcp://")):
        return ""
    try:
        _listen(target)
    except ssl.SSLError as error:
        _, alert, words = (error.reason or "").partition("_ALERT_")
        return f"remote error: tls: {words.replace('_', ' ').lower()}" if alert else ""
    except (OSError, ValueError):  # docker has said that itself
        return ""
    return ""


def _listen(target: settings.Target) -> None:
    """Say nothing: who writes may learn of the closed connection before the reason. One who is welcome hears nothing."""
    url = urllib.parse.urlsplit(target.host)
    context = _context(target)
    with (
        socket.create_connection((url.hostname or "", url.port or PORT), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=url.hostname) as secured,
    ):
        secured.recv(1)


def _context(target: settings.Target) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=target.tls_ca_file or None)
    context.load_cert_chain(target.tls_cert_file, target.tls_key_file or None, password=lambda: "")
    return context
