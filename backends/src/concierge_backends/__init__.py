"""The monitoring systems: one folder a vendor, each in both directions, and the forwarder that feeds them.

Lives here: the port, the registry, the forwarder, the aggregates; per vendor deliver, webhook, provision.
Must not live here: scaling policy, HTTP routes, Docker. A vendor's library only in its own folder.
"""
