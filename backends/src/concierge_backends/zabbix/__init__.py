"""Zabbix 6.0 and 7.0, both directions.

The way out:  `backend` → `packets` (values, with `keys`) → `trapper` → `framing`; what new hosts miss waits in `parked`.
The way back: `webhook` reads what our media type posts; `problems` asks the API (`api`) for the same.
The set-up:   `provision` makes hosts, items, triggers, actions and the media type, again and again to the same end.

Nothing here is imported until it is asked for: a webhook needs no zabbix-utils.
"""
