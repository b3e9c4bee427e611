"""Sets a Zabbix server up for the loop, again and again to the same end.

From bottom to top: `ledger` compares and writes; `library` holds the templates as Zabbix imports them, and `imports`
brings them in; `services` (of `elements`), `media`, `people` and `actions` say what else is wanted; this module
walks through them in the order in which one needs the other's id.
Only the API is used: what it returns is what is compared, on an empty server and on a used one.
"""

import contextlib
from collections.abc import AsyncIterator

from concierge_backends.zabbix import api, names
from concierge_backends.zabbix.provision import (
    actions,
    groups,
    imports,
    ledger,
    macros,
    media,
    people,
    removal,
    services,
    tokens,
    turns,
)
from concierge_backends.zabbix.provision.backup import restore as backup
from concierge_backends.zabbix.provision.backup import save
from concierge_backends.zabbix.provision.backup.save import Saved
from concierge_backends.zabbix.provision.ledger import Change
from concierge_backends.zabbix.provision.library import service
from concierge_proto import errors, settings

__all__ = ["Change", "Saved", "apply", "destroy", "export", "restore"]


async def apply(  # noqa: PLR0913 - the options of `concierge zabbix apply`
    config: settings.Settings,
    *,
    url: str = "",
    user: str = "",
    password: str = "",
    token: str = "",
    gateway_url: str,
    source: str = "zabbix",
    secret: str,
    asks: bool = True,
    dry_run: bool = False,
) -> list[Change]:
    """Make the server as the configuration wants it; with `dry_run` only say what would change.

    Args:
        config: The settings; services, their thresholds and names in Zabbix count.
        url: The front end; empty: `monitoring.zabbix.api_url`.
        user: A super admin, with `password`; or none, with `token`.
        password: See `user`.
        token: An API token of a super admin.
        gateway_url: Where Zabbix reaches the gateway, e.g. `http://10.0.0.5:8080`.
        source: The gateway's source: webhooks go to `/webhooks/NAME`.
        secret: What signs them, as in the source's `secret_file`; must be text.
        asks: Whether its problems ask for steps; not those of a further cluster, which only hears the same values.
        dry_run: Write nothing.

    Raises:
        Temporary: Zabbix is away; what was done stays, and the next call goes on from there.
        Permanent: It refused, or the configuration asks for what cannot be.

    While somebody else does the same, it waits for the end of that.
    """
    own = config.monitoring.zabbix
    login = api.Login(token=token) if token else api.Login(user=user, password=password)
    gateway = gateway_url.rstrip("/")
    attempt = tokens.trier(url or own.api_url, own.ca_file)
    named = {people.RUNTIME: own.api_token_file, people.KEEPER: own.keeper_token_file}
    files = {who: file for who, file in named.items() if file}

    async def work(book: ledger.Ledger) -> None:
        await macros.settle(book, gateway, _ping_token(config))
        media_id = await media.settle(book, f"{gateway}/webhooks/{source}", own.api_url or url, secret)
        users = await _walk(book, config, media_id, asks=asks)
        for who, file in files.items():
            await tokens.settle(book, who.name, users[who.user], file, attempt)

    async with _in(url or own.api_url, login, own.ca_file) as door:
        await tokens.spare(files.values(), url or own.api_url, own.api_url, attempt)
        return await turns.take(door, work, dry_run=dry_run)


async def destroy(
    config: settings.Settings, *, url: str = "", login: api.Login, dry_run: bool = False
) -> list[Change]:
    """Take away everything that `apply` made, and the hosts of instances; with `dry_run` only say what.

    Raises Temporary, Permanent as `apply` does; what is gone is gone, and the next call takes the rest.
    """
    own = config.monitoring.zabbix
    async with _in(url or own.api_url, login, own.ca_file) as door:
        return await turns.take(door, removal.everything, dry_run=dry_run)


async def export(
    config: settings.Settings, *, url: str = "", login: api.Login, everything: bool = False
) -> Saved:
    """Return a back-up of what is ours, or of all there is. Raises Temporary, Permanent."""
    own = config.monitoring.zabbix
    async with _in(url or own.api_url, login, own.ca_file) as door:
        book = ledger.Ledger(door, dry_run=True)
        return await (save.everything(book) if everything else save.ours_alone(book))


async def restore(
    config: settings.Settings, saved: Saved, *, url: str = "", login: api.Login, dry_run: bool = False
) -> list[Change]:
    """Bring a back-up into a server, this one or another; with `dry_run` only say what would change.

    Raises Temporary, Permanent as `apply` does; what was done stays, and the next call goes on from there.
    """
    own = config.monitoring.zabbix

    async def work(book: ledger.Ledger) -> None:
        await backup.everything(book, saved)

    async with _in(url or own.api_url, login, own.ca_file) as door:
        return await turns.take(door, work, dry_run=dry_run)


@contextlib.asynccontextmanager
async def _in(url: str, login: api.Login, ca_file: str) -> AsyncIterator[api.Api]:
    """Let nobody in who is shown a part only: what he may not see would be made again, or not be saved."""
    async with api.connect(url, login, ca_file) as door:
        try:
            await door.call("autoregistration.get", {})
        except errors.Permanent as error:
            raise errors.Permanent(
                f"{error} This needs a user, or the token of one, who is a Super admin"
            ) from error
        yield door


async def _walk(
    book: ledger.Ledger, config: settings.Settings, media_id: str, *, asks: bool
) -> dict[str, str]:
    made = await groups.settle(book, config)
    shared = await imports.settle(book, config)
    await actions.prune(book, config, asks=asks)
    triggers = await services.settle(book, config, made[groups.SERVICES], shared[service.NAME])
    of_instances = list(dict.fromkeys(names.host_group(config, name) for name in config.services))
    users = await people.settle(book, made, of_instances, media_id)
    user_id = users[people.USER]
    docs = [actions.on_tag(media_id, user_id)] if asks else []
    for name, own in config.services.items():
        docs += [
            actions.on_trigger(name, threshold, triggers[name, threshold.name], media_id, user_id)
            for threshold in own.triggers
            if asks
        ]
        group = made[names.host_group(config, name)]
        docs.append(actions.on_registration(name, group, shared[names.instance_template(name)]))
    await actions.settle(book, docs)
    return users


def _ping_token(config: settings.Settings) -> str:
    file = config.gateway.ping_token_file
    return settings.read_secret(file, "gateway.ping_token_file")[0] if file else ""
