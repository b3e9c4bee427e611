"""Prometheus: pushed to a Pushgateway, decided by alert rules, told by Alertmanager's webhook.

Lives here: the exposition format, the push, the reader of Alertmanager's webhook, rules and snippets.
Must not live here: another vendor, the bus.
"""
