"""What Prometheus and Alertmanager need to close the loop, as YAML. Pure text."""

import msgspec

from concierge_backends import aggregate
from concierge_proto import metric, settings

_WORDS = ("none", "info", "warning", "average", "high", "critical")

_RULES = """\
# Alert rules of Concierge; list this file under `rule_files` of Prometheus.
# A problem closes only beyond `recovers`: while the alert fires, a second, wider condition holds it (Prometheus
# writes what fires as the series ALERTS). keep_firing_for would hold it for a time, not for a value.
# A Pushgateway keeps the last push for ever: values older than the service's `fresh` decide nothing.
groups:
"""

_RECEIVER = """\
# Alertmanager: the route and the receiver that call Concierge. As it stands it is a whole configuration;
# in one of your own put the entries of `routes` and `receivers` beside yours.
route:
  receiver: nobody
  routes:
    - receiver: concierge
      matchers: ['concierge="true"']
      group_by: ["..."] # each alert by itself
      group_wait: 0s
      group_interval: 1s # a recovery is told within a second
      repeat_interval: 1m # the shortest escalation step
receivers:
  - name: nobody
  - name: concierge
    webhook_configs:
      - url: {url}
        send_resolved: true
        max_alerts: 0
        http_config:
          authorization:
            type: Bearer
            credentials_file: {token_file} # the same text as the gateway's token_file
"""

_SCRAPE = """\
# Prometheus: the Pushgateway that Concierge pushes to. honor_labels keeps job, service and instance as pushed.
scrape_configs:
  - job_name: concierge-pushgateway
    honor_labels: true
    scrape_interval: 1s # how soon a threshold is noticed; global.evaluation_interval counts as well
    scrape_timeout: 1s
    static_configs:
      - targets: [{target}]
"""


def alerts(config: settings.Settings) -> str:
    """Return a rule file with one alert for each `[[services.NAME.triggers]]`."""
    groups = [_group(name, service) for name, service in config.services.items() if service.triggers]
    return _RULES + "".join(groups) if groups else _RULES.rstrip() + " []\n"


def receiver(url: str, token_file: str) -> str:
    """Return Alertmanager's side. `url`: of the webhook; `token_file`: on Alertmanager's machine."""
    return _RECEIVER.format(url=_quoted(url), token_file=_quoted(token_file))


def scrape(config: settings.Settings) -> str:
    """Return Prometheus's side."""
    target = config.monitoring.prometheus.pushgateway_url.partition("://")[2].rstrip("/")
    return _SCRAPE.format(target=_quoted(target))


def expression(service: str, fresh: float, threshold: settings.Threshold) -> str:
    """Return the condition of one threshold, with its hysteresis."""
    value = _selector(service, threshold)
    passed, held = _comparisons(threshold)
    condition = f"{value} {passed}"
    if held:
        firing = f'ALERTS{{alertname={_quoted(threshold.name)},alertstate="firing",service="{service}"}}'
        condition = f"({condition} or ({value} {held} and on (service) {firing}))"
    told = f'concierge_service_time_seconds{{job="concierge",service="{service}"}}'
    return f"{condition} and on (service) (time() - {told} < {fresh:g})"


def _group(name: str, service: settings.Service) -> str:
    rules = [_rule(name, service.fresh, threshold) for threshold in service.triggers]
    return f"  - name: concierge-{name}\n    rules:\n{''.join(rules)}"


def _rule(service: str, fresh: float, threshold: settings.Threshold) -> str:
    repeat = threshold.repeat_every
    lines = [
        f"- alert: {_quoted(threshold.name)}",
        f"  expr: {_quoted(expression(service, fresh, threshold))}",
        f"  for: {_duration(threshold.for_)}",
        "  labels:",
        f"    service: {service}",
        '    concierge: "true"',
        f"    severity: {_WORDS[max(0, min(threshold.severity, 5))]}",
        "  annotations:",
        f"    summary: {_quoted(_plain(f'{threshold.name} on {service}'))}",
        '    value: "{{ $value }}"',
        f"    concierge_action: {_quoted(_plain(threshold.action))}",
    ]
    if repeat:
        lines.append(f"    concierge_repeat_every: {_duration(repeat)}")
    return "".join(f"      {line}\n" for line in lines)


def _selector(service: str, threshold: settings.Threshold) -> str:
    labels = f'job="concierge",service="{service}"'
    if threshold.metric in aggregate.COUNTS:
        return f"concierge_service_{threshold.metric}{{{labels}}}"
    name = _quoted(str(metric.parse(threshold.metric)))
    return f"concierge_service_{threshold.of}{{{labels},metric={name}}}"


def _comparisons(threshold: settings.Threshold) -> tuple[str, str]:
    """Return what opens the problem, and what keeps it open ("" where that is the same)."""
    if threshold.above is not None:
        held = f">= {threshold.recovers!r}" if threshold.recovers is not None else ""
        return f"> {threshold.above!r}", held
    held = f"<= {threshold.recovers!r}" if threshold.recovers is not None else ""
    return f"< {threshold.below!r}", held


def _quoted(text: str) -> str:
    """Quote for YAML and for PromQL: a JSON string is good for both."""
    return msgspec.json.encode(text).decode()


def _plain(text: str) -> str:
    """Keep Prometheus from reading the text as a template."""
    return text.replace("{{", '{{ "{{" }}')


def _duration(seconds: float) -> str:
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{int(seconds * 1000)}ms"
