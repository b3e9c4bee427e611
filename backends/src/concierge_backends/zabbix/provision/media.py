"""The media type: a webhook whose script signs what it posts."""

from importlib import resources

from concierge_backends.zabbix import problems
from concierge_backends.zabbix.provision import ledger
from concierge_backends.zabbix.provision.ledger import Doc
from concierge_proto import errors, identity, signature

NAME = "Concierge"
SECRET = "{$CONCIERGE.WEBHOOK.SECRET}"  # noqa: S105 - the name of a macro
PARAMETERS = {
    "event_id": "{EVENT.ID}",
    "event_value": "{EVENT.VALUE}",
    "event_update": "{EVENT.UPDATE.STATUS}",
    "event_name": "{EVENT.NAME}",
    "event_severity": "{EVENT.NSEVERITY}",
    "event_tags": "{EVENT.TAGSJSON}",
    "event_started": "{EVENT.DATE} {EVENT.TIME}",
    "host": "{HOST.HOST}",
    "value": "{FUNCTION.VALUE1}",
    "subject": "{ALERT.SUBJECT}",
    "message": "{ALERT.MESSAGE}",
    "action_id": "{ACTION.ID}",
    "sent": "{DATE} {TIME}",
}
"""What `webhook.Post` reads. Expanded once an alert and sent again byte for byte."""
LINK = '{EVENT.TAGS."concierge.link"}'
"""A tag that the script returns: Zabbix offers the link in the menu of the event."""
ATTEMPTS, PAUSE, TIMEOUT = 5, 5, 5
"""Seconds: 5 x 5 + 4 x 5 = 45, less than the shortest escalation step."""

MEDIA = ledger.Kind("media type", "mediatype", "mediatypeid", "name")
MACRO = ledger.Kind("global macro", "usermacro", "globalmacroid", "macro", hidden=("value",), suffix="global")


def media(gateway: str, front_end: str) -> Doc:
    parameters = {
        **PARAMETERS,
        "url": problems.event_url(front_end, "{TRIGGER.ID}", "{EVENT.ID}"),
        "gateway": gateway,
        "secret": SECRET,
    }
    return {
        "name": NAME,
        "type": 4,
        "status": 0,
        "script": script(),
        "timeout": f"{TIMEOUT}s",
        "maxsessions": 0,
        "maxattempts": ATTEMPTS,
        "attempt_interval": f"{PAUSE}s",
        "process_tags": 1,
        "show_event_menu": 1,
        "event_menu_name": "Concierge: this incident",
        "event_menu_url": LINK,
        "parameters": [{"name": name, "value": value} for name, value in parameters.items()],
        "message_templates": [
            {"eventsource": 0, "recovery": recovery, "subject": "{EVENT.NAME}", "message": "{EVENT.NAME}"}
            for recovery in (0, 1, 2)
        ],
        "description": "Tells Concierge's gateway of problems. Made by `concierge zabbix apply`.",
    }


def script() -> str:
    return resources.files(__package__).joinpath("webhook.js").read_text("utf-8").strip()


def key_text(secret: str) -> str:
    """Return the key as the text that Zabbix's `hmac()` can take; raise Permanent where it is none."""
    key = signature.key_of(secret)
    if not key.isascii() or not key.decode("ascii").isprintable():
        raise errors.Permanent(
            "the webhook secret holds bytes that Zabbix cannot sign with: make one of letters and digits, "
            "e.g. `openssl rand -hex 32`"
        )
    return key.decode("ascii")


def macro(secret: str) -> Doc:
    """The key can't be read back: its fingerprint in the description shows whether it is the right one."""
    return {
        "macro": SECRET,
        "value": secret,
        "type": 1,
        "description": f"Signs webhooks to Concierge. Fingerprint {identity.derive('webhook key', secret)[:12]}",
    }


async def settle(book: ledger.Ledger, gateway: str, front_end: str, secret: str) -> str:
    """Make the secret macro and the media type; return the id of the latter."""
    macros = await book.find("usermacro.get", {"globalmacro": True, "filter": {"macro": [SECRET]}})
    await book.settle(MACRO, [macro(key_text(secret))], macros)
    found = await book.find("mediatype.get", {"filter": {"name": [NAME]}, "selectMessageTemplates": "extend"})
    ids = await book.settle(MEDIA, [media(gateway, front_end)], found)
    return ids[NAME]
