"""The monitoring system that needs nothing: memory, thresholds, and a signed call of the gateway.

Lives here: what the port asks, the evaluation of thresholds, the webhook of kind `generic` both ways.
Must not live here: another vendor, the bus.
"""
