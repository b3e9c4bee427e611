"""The words of Concierge: what its services say to one another, and nothing else.

Lives here: messages, subjects, the envelope, the codec, ids, the settings, and `bus`, the one door to NATS.
Must not live here: decisions, a vendor's words, HTTP. Imports msgspec; nats-py only inside `bus`.
"""
