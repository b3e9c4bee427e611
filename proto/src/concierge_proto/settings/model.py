"""Every setting, grouped by concern, documented where it is declared."""

from typing import Annotated, Literal

import msgspec

from concierge_proto.settings.units import Duration, Size

Count = Annotated[int, msgspec.Meta(ge=0)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. Unknown keys are refused."""


class Nats(_Section, frozen=True, kw_only=True):
    """`[nats]`: the bus."""

    url: str = ""
    """`nats://host:4222`, several with commas. Empty: `concierge up` starts an embedded server."""
    user: str = ""
    """With `password_file`, when the server asks for both."""
    password_file: str = ""
    """Holds the password of `user`."""
    token_file: str = ""
    """Holds a token, when the server asks for that."""
    creds_file: str = ""
    """A NATS credentials file (JWT and nkey). Needs a library: `pip install 'nats-py[nkeys]'`."""
    ca_file: str = ""
    """Verify the server against this CA. Implies TLS."""
    cert_file: str = ""
    """Our own certificate, when the server asks for one."""
    key_file: str = ""
    """The key of `cert_file`."""
    store_dir: str = ""
    """Where the embedded server keeps its streams. Empty: `$XDG_STATE_HOME/concierge/nats`."""
    port: int = 0
    """Port of the embedded server; 0: a free one."""
    listen: str = "127.0.0.1"
    """Address of the embedded server; containers reach it at the address of Docker's bridge."""


class Zabbix(_Section, frozen=True, kw_only=True):
    """`[monitoring.zabbix]`: `[monitoring.clusters.NAME]` is one more of these, called `zabbix-NAME` in `backends`.

    Each cluster has its own queue and its own receipts, and one that is away delays no other.
    """

    servers: tuple[str, ...] = ("127.0.0.1:10051",)
    """Trapper addresses `host:port`; with several, nodes of one cluster, tried in order."""
    api_url: str = ""
    """Base of the front end, e.g. `https://zabbix.example/`."""
    api_token_file: str = ""
    """Read by the API at run time. Empty: no API."""
    keeper_token_file: str = ""
    """Of the host keeper, who makes, disables and removes the hosts of instances. Empty: they come by auto-registration, and stay."""
    remove_after: Duration = Duration(86400)
    """How long the disabled host of a stopped instance is kept for post-mortem. Needs `keeper_token_file`."""
    ca_file: str = ""
    """Verify the servers against this CA. Implies TLS."""
    cert_file: str = ""
    """Our own certificate, when the servers ask for one."""
    key_file: str = ""
    """The key of `cert_file`."""
    psk_identity: str = ""
    """TLS by a pre-shared key instead of a certificate; needs Python 3.13."""
    psk_file: str = ""
    """Holds the key of `psk_identity`, hexadecimal as Zabbix writes it."""
    timeout: Duration = Duration(5)
    """Over connect, send and reply of one packet."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 2
    """At once; no more than half of the server's `StartTrappers`, of which there are 5 as shipped."""
    host_group: str = "Concierge/{service}"
    """Group of a service's instances."""
    instance_host: str = "{instance}"
    """Name of an instance's host."""
    service_host: str = "service {service}"
    """Name of the host that stands for the service and carries its aggregates."""


class Prometheus(_Section, frozen=True, kw_only=True):
    """`[monitoring.prometheus]`."""

    pushgateway_url: str = "http://127.0.0.1:9091"
    """Where the metrics are pushed, one group an instance."""
    url: str = ""
    """Of Prometheus itself; only `doctor` and open problems need it."""
    alertmanager_url: str = ""
    """Asked for open problems."""
    timeout: Duration = Duration(5)
    """Of one request."""


class Monitoring(_Section, frozen=True, kw_only=True):
    """`[monitoring]`: which systems hear the metrics and decide."""

    backends: tuple[str, ...] = ("embedded",)
    """One, or several side by side while you migrate. The first is the primary one."""
    zabbix: Zabbix = Zabbix()
    prometheus: Prometheus = Prometheus()
    clusters: dict[str, Zabbix] = {}


class Source(_Section, frozen=True, kw_only=True):
    """`[gateway.sources.NAME]`: who may call `POST /webhooks/NAME`."""

    kind: Literal["zabbix", "alertmanager", "grafana", "generic"]
    """Whose webhook it is."""
    secret_file: str = ""
    """HMAC key, one a line (several while you rotate). Standard Webhooks form; `whsec_` is understood."""
    token_file: str = ""
    """Bearer token, one a line; for senders that cannot sign (Alertmanager, Grafana)."""
    tolerance: Duration = Duration(300)
    """How far the signature's timestamp may be from now."""
    max_age: Duration = Duration(600)
    """A problem that began longer ago is refused, unless it is a further step."""
    rate: float = 100.0
    """Requests a second, with as much burst."""
    services: tuple[str, ...] = ()
    """Only these services; empty: all."""
    fields: dict[str, str] = {}
    """generic: where each of its fields stands in somebody else's JSON, e.g. `event_id = "alerts[0].id"`; `=web` is the text `web`."""
    each: str = ""
    """generic: path of the list whose elements are the events. Empty: the body is one event."""
    problem: tuple[str, ...] = ("problem", "firing", "open", "down", "critical", "1", "true")
    """generic with `fields`: words of `status` that mean a problem."""
    resolved: tuple[str, ...] = ("resolved", "ok", "closed", "up", "recovered", "0", "false")
    """generic with `fields`: words of `status` that mean its end."""


class Operator(_Section, frozen=True, kw_only=True):
    """`[gateway.operators.NAME]`: who may use the HTTP API under `/v1`; the name stands in the audit log."""

    token_file: str
    """Bearer token, one a line (several while you rotate)."""
    role: Literal["viewer", "operator"] = "viewer"
    """A viewer reads; an operator gives commands and holds too."""
    services: tuple[str, ...] = ()
    """Only these services; empty: all."""


class Gateway(_Section, frozen=True, kw_only=True):
    """`[gateway]`: HTTP in, messages out."""

    listen: str = "127.0.0.1:8080"
    """Address of the webhooks, of `/metrics`, `/healthz` and `/readyz`."""
    public_url: str = ""
    """How the monitoring system reaches it. Empty: `listen`, with `http://` or `https://`."""
    tls_cert_file: str = ""
    """Certificate chain (PEM): from then on it speaks HTTPS only."""
    tls_key_file: str = ""
    """Its key. Empty: in the same file."""
    tls_client_ca_file: str = ""
    """Only callers with a certificate of this CA come in, and still need their signature or token."""
    max_body: Size = Size(1024 * 1024)
    """A webhook with a larger body is refused."""
    command_ttl: Duration = Duration(300)
    """A command is never executed later than this after its webhook."""
    ping_token_file: str = ""
    """Bearer token, one a line, of who may ask `GET /v1/ping/SERVICE/INSTANCE`. Empty: nobody."""
    sources: dict[str, Source] = {}
    operators: dict[str, Operator] = {}

    @property
    def base_url(self) -> str:
        """How it is reached, without a slash at the end."""
        scheme = "https" if self.tls_cert_file else "http"
        return (self.public_url or f"{scheme}://{self.listen}").rstrip("/")


class Target(_Section, frozen=True, kw_only=True):
    """`[targets.NAME]`: a Docker endpoint."""

    kind: Literal["compose", "swarm", "process"]
    """Who starts and stops the instances; `process`: Concierge itself, as local processes."""
    host: str = ""
    """`unix://…`, `tcp://…`, `ssh://…`; empty: the local engine."""
    context: str = ""
    """A docker context instead of a host."""
    docker_config: str = ""
    """Folder of the docker client's own configuration: contexts, credentials. Empty: `~/.docker`."""
    tls_ca_file: str = ""
    """`tcp://` with TLS: the engine's certificate must be of this CA."""
    tls_cert_file: str = ""
    """`tcp://` with TLS: what we show to the engine."""
    tls_key_file: str = ""
    """The key of `tls_cert_file`."""
    ssh_key_file: str = ""
    """`ssh://`: the private key, without a passphrase. Empty: what the user's own ssh would take."""
    ssh_known_hosts_file: str = ""
    """`ssh://`: the keys of the hosts, as ssh-keyscan prints them. Empty: the user's own."""
    project: str = ""
    """compose: the project's name."""
    files: tuple[str, ...] = ()
    """compose: its files, from `project_directory`."""
    project_directory: str = ""
    """compose: as `--project-directory`. Empty: where the first file is."""
    env_files: tuple[str, ...] = ()
    """compose: as `--env-file`."""
    profiles: tuple[str, ...] = ()
    """compose: as `--profile`."""
    directory: str = ""
    """process: where locks and logs live. Empty: `$XDG_STATE_HOME/concierge/NAME`."""
    timeout: Duration = Duration(60)
    """Of one call of Docker."""
    labels: bool = False
    """compose, swarm: services with the label `concierge.enable=true` bring their policy with them, in further labels."""
    labels_max: Annotated[int, msgspec.Meta(ge=1)] = 10
    """The largest `concierge.max` that a label may ask for."""


class Process(_Section, frozen=True, kw_only=True):
    """`[services.NAME.process]`: how the process target starts an instance."""

    command: tuple[str, ...]
    """`{port}` is the instance's own free port, `{instance}` its name."""
    sources: tuple[str, ...] = ()
    """The courier's sources, e.g. `dropwizard=http://127.0.0.1:{port}/metrics`."""
    interval: Duration = Duration(1)
    """How often its courier collects."""


class Rule(_Section, frozen=True, kw_only=True):
    """`[[services.NAME.rules]]`: what to do when a trigger carries no action of its own. The first match wins."""

    trigger: str = "*"
    """Glob over the trigger's name."""
    tags: dict[str, str] = {}
    """All of these, as globs."""
    severity: int = 0
    """At least this one."""
    action: str
    """`scale_out N`, `scale_in N`, `scale_to N`, `restart`, `signal NAME`, `resize cpus=N memory=SIZE`."""
    repeat_every: Duration = Duration(0)
    """Step again while the problem stays open; 0: the sender's own steps only."""


class Threshold(_Section, frozen=True, kw_only=True):
    """`[[services.NAME.triggers]]`: a trigger that Concierge sets up in the monitoring system of your choice."""

    name: str
    """What the trigger is called there."""
    metric: str
    """`KIND[NAME,FIELD]`, e.g. `gauge[load,value]`; or `heard`, `running`."""
    of: Literal["avg", "max", "min", "sum"] = "avg"
    """Over the service's fresh instances."""
    above: float | None = None
    """A problem while the value is above this; give `above` or `below`."""
    below: float | None = None
    """A problem while the value is below this."""
    recovers: float | None = None
    """Hysteresis: the problem closes only beyond this. Empty: at the threshold itself."""
    for_: Duration = msgspec.field(default=Duration(0), name="for")
    """How long it must last."""
    severity: int = 4
    """0 not classified, 1 information, 2 warning, 3 average, 4 high, 5 disaster."""
    action: str
    """`scale_out N`, `scale_in N`, `scale_to N`, `restart`, `signal NAME`, `resize cpus=N memory=SIZE`."""
    repeat_every: Duration = Duration(60)
    """The escalation step: act again while the problem stays open. Zabbix allows no less than 60s."""


class Observed(_Section, frozen=True, kw_only=True):
    """`[services.NAME.aggregates]`: further aggregates that are delivered as metrics of the service."""

    metrics: tuple[str, ...] = ()
    """`KIND[NAME,FIELD]`; each gives avg, sum and max over fresh instances."""


class Limit(_Section, frozen=True, kw_only=True):
    """`[services.NAME.limit_out]` and `[services.NAME.limit_in]`: how many instances may come, or go, within a time."""

    instances: Count = 0
    """At most so many; 0: no such bound."""
    percent: Count = 0
    """At most this share of what ran when the time began, rounded up; 0: no such bound. Of both the smaller counts."""
    per: Duration = Duration(600)
    """The time, at most a day; it slides."""


class Room(_Section, frozen=True, kw_only=True):
    """`[services.NAME.resize]`: how far `resize` may go. Without it there is none."""

    min_cpus: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    """An instance never gets less."""
    max_cpus: Annotated[float, msgspec.Meta(ge=0)] = 0
    """Nor more; 0: its CPUs are never changed."""
    min_memory: Size = Size(64 * 1024 * 1024)
    """An instance never gets less."""
    max_memory: Size = Size(0)
    """Nor more; 0: its memory is never changed."""


class Items(_Section, frozen=True, kw_only=True):
    """`[services.NAME.items]`: which of the discovered metrics get items in Zabbix. Regular expressions over names."""

    matches: str = ""
    """Only such names; empty: all."""
    skips: str = ""
    """No such names; empty: none are left out."""


class Service(_Section, frozen=True, kw_only=True):
    """`[services.NAME]`: what is scaled, and how far."""

    target: str
    """NAME of a `[targets.NAME]`: where its instances run."""
    name: str = ""
    """What Docker calls it; empty: the same."""
    min: Count = 1
    """Never fewer instances than this."""
    max: Annotated[int, msgspec.Meta(ge=1)]
    """Never more instances than this."""
    cooldown_out: Duration = Duration(30)
    """Pause before the next step out, counted from convergence."""
    cooldown_in: Duration = Duration(300)
    """Pause before the next step in, counted from convergence."""
    limit_out: Limit | None = None
    limit_in: Limit | None = None
    cooldown_act: Duration = Duration(300)
    """Pause before the same `restart`, `signal` or `resize` again, counted from its end."""
    fresh: Duration = Duration(30)
    """An instance that was silent for longer is not counted."""
    heard: bool = True
    """Its instances carry couriers: scale in only when all are heard, and converge only when they are."""
    converge: Duration = Duration(120)
    """How long a change may take until it is called timed out."""
    settle: Duration = Duration(1)
    """How long the right count must hold."""
    drift_hold: Duration = Duration(900)
    """How long to leave alone what somebody else changed."""
    dry_run: bool = False
    """Decide and say so, but leave Docker alone."""
    process: Process | None = None
    resize: Room | None = None
    rules: tuple[Rule, ...] = ()
    triggers: tuple[Threshold, ...] = ()
    aggregates: Observed = Observed()
    items: Items = Items()


class Forwarder(_Section, frozen=True, kw_only=True):
    """`[forwarder]`: bus to monitoring system."""

    listen: str = "127.0.0.1:8081"
    """Its `/metrics`, `/healthz`, `/readyz` when it runs alone; under `concierge up` the gateway's show everything."""


class Scheduler(_Section, frozen=True, kw_only=True):
    """`[scheduler]`: commands to Docker."""

    listen: str = "127.0.0.1:8082"
    """As for the forwarder."""


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file. While a service runs, `services` also holds what labels say: it grows and shrinks."""

    nats: Nats = Nats()
    monitoring: Monitoring = Monitoring()
    gateway: Gateway = Gateway()
    forwarder: Forwarder = Forwarder()
    scheduler: Scheduler = Scheduler()
    targets: dict[str, Target] = {}
    services: dict[str, Service] = {}
