"""`concierge zabbix`: sets a Zabbix server up for the loop. A command, or a few of one kind, a file."""

import typer

from concierge_cli.zabbix import backup, doctor, provision, templates

app = typer.Typer(help="Zabbix.", no_args_is_help=True)


@app.callback()
def zabbix() -> None:
    """Set Zabbix up: templates, groups, hosts, triggers, the media type that signs, actions."""


app.command()(provision.plan)
app.command()(provision.apply)
app.command()(provision.destroy)
app.command()(backup.export)
app.command("import")(backup.restoring)
app.command()(templates.templates)
app.command()(doctor.doctor)
