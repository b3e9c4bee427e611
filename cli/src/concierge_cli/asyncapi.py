"""`concierge asyncapi`: the contract on the bus, generated from the Structs that encode it."""

from importlib.metadata import version
from typing import Any

import msgspec
import typer

from concierge_proto import bus, messages, subjects
from concierge_proto.bus import journal

_BODIES: dict[str, tuple[str, type[msgspec.Struct]]] = {
    "snapshot": ("<service>.<instance>", messages.Snapshot),
    "discovery": ("<service>.<instance>", messages.Discovery),
    "heartbeat": ("<service>.<instance>", messages.Heartbeat),
    "receipt": ("<service>.<instance>", messages.Receipt),
    "ping": ("<service>.<instance>", messages.Ping),
    "command": ("<target>.<service>", messages.Command),
    **{f"event.<service>.{kind}": ("", body) for kind, body in journal.KINDS.items()},
}


def asyncapi() -> None:
    """Print the AsyncAPI 3.0 document of every subject and message, as JSON.

    concierge asyncapi > concierge.asyncapi.json
    """
    typer.echo(msgspec.json.format(msgspec.json.encode(document()), indent=2).decode())


def document() -> dict[str, Any]:
    """Return the document."""
    bodies = [body for _, body in _BODIES.values()]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Concierge on the bus", "version": version("concierge-proto")},
        "defaultContentType": "application/json",
        "channels": {_name(kind): _channel(kind) for kind in _BODIES},
        "operations": {f"receive-{_name(kind)}": _operation(kind) for kind in _BODIES},
        "components": {"schemas": schemas, "messages": {body.__name__: _message(body) for body in bodies}},
    }


def _name(kind: str) -> str:
    return kind.replace(".<service>.", "-")


def _channel(kind: str) -> dict[str, Any]:
    tokens, body = _BODIES[kind]
    address = (
        ".".join(part for part in (subjects.ROOT, kind, tokens) if part).replace("<", "{").replace(">", "}")
    )
    parameters = [part.strip("{}") for part in address.split(".") if part.startswith("{")]
    return {
        "address": address,
        "messages": {body.__name__: {"$ref": f"#/components/messages/{body.__name__}"}},
        "parameters": {name: {"description": f"Name of the {name}."} for name in parameters},
        "x-jetstream": _stream(address),
    }


def _stream(address: str) -> str:
    """Return the stream that stores a subject; empty: none does."""
    for name, config in bus.STREAMS.items():
        if any(address.startswith(subject.rstrip(">")) for subject in config.subjects or ()):
            return name
    return ""


def _operation(kind: str) -> dict[str, Any]:
    return {"action": "receive", "channel": {"$ref": f"#/channels/{_name(kind)}"}}


def _message(body: type[msgspec.Struct]) -> dict[str, Any]:
    packed = body is messages.Snapshot
    return {
        "name": body.__name__,
        "summary": (body.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/msgpack" if packed else "application/json",
        "headers": _HEADERS,
        "payload": {"$ref": f"#/components/schemas/{body.__name__}"},
    }


_HEADERS: dict[str, Any] = {
    "type": "object",
    "required": ["ce-id", "ce-type", "ce-source", "ce-time", "ce-specversion", "Nats-Msg-Id"],
    "properties": {
        name: {"type": "string"}
        for name in (
            "ce-id",
            "ce-type",
            "ce-source",
            "ce-subject",
            "ce-time",
            "ce-specversion",
            "ce-correlationid",
            "ce-causationid",
            "ce-expirytime",
            "traceparent",
            "content-type",
            "content-encoding",
            "Nats-Msg-Id",
        )
    },
}
