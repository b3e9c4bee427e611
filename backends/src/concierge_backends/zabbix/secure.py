"""TLS as Zabbix speaks it: by certificate, or by a pre-shared key."""

import ssl

from concierge_backends.zabbix import traits
from concierge_proto import errors, settings

_PSK = "monitoring.zabbix.psk_file"


def context(own: settings.Zabbix) -> ssl.SSLContext | None:
    """Return what is needed to speak TLS; None where nothing of it is set. Raises Permanent with the remedy."""
    if own.psk_identity or own.psk_file:
        return _shared(own)
    if own.cert_file and not own.ca_file:
        raise errors.Permanent(
            "monitoring.zabbix.cert_file needs ca_file: the CA of the servers' certificates"
        )
    return _certified(own) if own.ca_file else None


def way(own: settings.Zabbix) -> int:
    """Return how we connect, as a bit of a host's `tls_accept`."""
    if own.psk_identity:
        return traits.SHARED
    return traits.CERTIFIED if own.ca_file else traits.PLAIN


def _certified(own: settings.Zabbix) -> ssl.SSLContext:
    try:
        found = ssl.create_default_context(cafile=own.ca_file)
        if own.cert_file:
            found.load_cert_chain(own.cert_file, own.key_file or None)
    except OSError as error:
        files = ", ".join(filter(None, (own.ca_file, own.cert_file, own.key_file)))
        raise errors.Permanent(f"monitoring.zabbix: cannot use {files}: {error}") from error
    found.check_hostname = False  # Zabbix's certificates name a role, not an address; the CA is what counts
    return found


def _shared(own: settings.Zabbix) -> ssl.SSLContext:
    if own.ca_file or not (own.psk_identity and own.psk_file):
        raise errors.Permanent("monitoring.zabbix: set psk_identity and psk_file together, and no ca_file")
    key = _key(own.psk_file)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    install = getattr(found, "set_psk_client_callback", None)
    if install is None:
        raise errors.Permanent(
            "monitoring.zabbix.psk_identity: Python can speak TLS by a pre-shared key from 3.13 on: "
            "use 3.13, or certificates (ca_file, cert_file, key_file)",
        )
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE  # the key proves both sides; there is no certificate
    found.maximum_version = ssl.TLSVersion.TLSv1_2  # there both sides agree on a suite with PSK by its name
    found.set_ciphers("PSK")
    install(lambda _: (own.psk_identity, key))
    return found


def _key(file: str) -> bytes:
    text = settings.read_secret(file, _PSK)[0]
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise errors.Permanent(
            f"{_PSK}: {file} holds no hexadecimal key, as `openssl rand -hex 32` makes"
        ) from error
