"""The one door to NATS. Nobody else imports nats-py."""

from concierge_proto.bus.access import check
from concierge_proto.bus.connect import Bus, connect
from concierge_proto.bus.kv import Conflict, Entry, Store
from concierge_proto.bus.lease import Lease
from concierge_proto.bus.publish import Ack, Message
from concierge_proto.bus.streams import BUCKETS, STREAMS, provision
from concierge_proto.bus.worker import Delivery, Handle, Worker

__all__ = [
    "BUCKETS",
    "STREAMS",
    "Ack",
    "Bus",
    "Conflict",
    "Delivery",
    "Entry",
    "Handle",
    "Lease",
    "Message",
    "Store",
    "Worker",
    "check",
    "connect",
    "provision",
]
