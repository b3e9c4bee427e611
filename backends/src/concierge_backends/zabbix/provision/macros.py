"""Global macros of the pull side: where the gateway is, and the token that its ping asks for."""

from concierge_backends.zabbix.provision import ledger, media
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import identity

GATEWAY, TOKEN = "{$CONCIERGE.GATEWAY}", "{$CONCIERGE.PING.TOKEN}"
PLAIN = ledger.Kind("global macro", "usermacro", "globalmacroid", "macro", suffix="global")


def gateway(url: str) -> Doc:
    return {
        "macro": GATEWAY,
        "value": url,
        "type": 0,
        "description": "Where Zabbix reaches Concierge's gateway.",
    }


def token(secret: str) -> Doc:
    """It can't be read back: its fingerprint in the description shows whether it is the right one."""
    fingerprint = identity.derive("ping token", secret)[:12]
    about = f"Lets Zabbix ping instances through Concierge's gateway. Fingerprint {fingerprint}"
    return {"macro": TOKEN, "value": secret, "type": 1, "description": about}


async def settle(book: ledger.Ledger, url: str, secret: str) -> None:
    """`secret`: "" where the gateway lets nobody ping; then there is no macro either."""
    params = {"globalmacro": True, "filter": {"macro": [GATEWAY, TOKEN]}}
    found = await book.find("usermacro.get", params)
    await book.settle(PLAIN, [gateway(url)], found)
    await book.settle(media.MACRO, [token(secret)] if secret else [], found)
