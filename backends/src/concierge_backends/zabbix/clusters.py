"""Further Zabbix clusters: whoever looks at one alone finds it where `monitoring.zabbix` is."""

from msgspec import structs

from concierge_proto import errors, settings


def of(config: settings.Settings, name: str) -> settings.Settings:
    """Return the configuration as that cluster sees it, "" being the first; raise Permanent where there is none."""
    if not name:
        return config
    found = config.monitoring.clusters
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise errors.Permanent(f"monitoring.clusters: no {name!r}: there is {known}")
    return structs.replace(config, monitoring=structs.replace(config.monitoring, zabbix=found[name]))
