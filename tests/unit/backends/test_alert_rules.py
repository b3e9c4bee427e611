"""The YAML for Prometheus and Alertmanager, as text; real servers load it in the contract suite."""

from typing import Any

from concierge_backends.prometheus import rules
from concierge_proto import settings


def config(*thresholds: settings.Threshold) -> settings.Settings:
    service = settings.Service(target="shop", max=3, fresh=settings.Duration(10), triggers=thresholds)
    return settings.Settings(services={"web": service, "other": settings.Service(target="shop", max=1)})


def threshold(**rest: Any) -> settings.Threshold:
    values: dict[str, Any] = {
        "name": "High load",
        "metric": "gauge[load,value]",
        "above": 5.0,
        "action": "scale_out 1",
    }
    return settings.Threshold(**{**values, **rest})


def test_a_plain_threshold() -> None:
    assert rules.expression("web", 10, threshold()) == (
        'concierge_service_avg{job="concierge",service="web",metric="gauge[load,value]"} > 5.0 '
        'and on (service) (time() - concierge_service_time_seconds{job="concierge",service="web"} < 10)'
    )


def test_hysteresis_is_held_by_what_fires() -> None:
    text = rules.expression("web", 10, threshold(above=None, below=1.0, recovers=2.0, of="max"))
    value = 'concierge_service_max{job="concierge",service="web",metric="gauge[load,value]"}'
    firing = 'ALERTS{alertname="High load",alertstate="firing",service="web"}'
    assert text.startswith(f"({value} < 1.0 or ({value} <= 2.0 and on (service) {firing})) and")


def test_counts_have_a_family_of_their_own() -> None:
    text = rules.expression("web", 10, threshold(metric="running", above=None, below=1.0))
    assert text.startswith('concierge_service_running{job="concierge",service="web"} < 1.0')


def test_a_rule_carries_what_closes_the_loop() -> None:
    text = rules.alerts(config(threshold(for_=settings.Duration(1.5), severity=2)))
    for line in (
        "  - name: concierge-web\n",
        '      - alert: "High load"\n',
        "        for: 1500ms\n",
        "          service: web\n",
        '          concierge: "true"\n',
        "          severity: warning\n",
        '          concierge_action: "scale_out 1"\n',
        "          concierge_repeat_every: 60s\n",
    ):
        assert line in text
    assert "concierge-other" not in text


def test_without_repeat_there_is_no_step() -> None:
    assert "repeat_every" not in rules.alerts(config(threshold(repeat_every=settings.Duration(0))))


def test_text_is_no_template_and_breaks_no_quotes() -> None:
    text = rules.alerts(config(threshold(name='a "b" {{ c }}')))
    assert r'- alert: "a \"b\" {{ c }}"' in text
    assert r'summary: "a \"b\" {{ \"{{\" }} c }} on web"' in text


def test_no_thresholds_is_still_a_rule_file() -> None:
    assert rules.alerts(config()).endswith("groups: []\n")


def test_receiver_and_scrape_name_their_places() -> None:
    receiver = rules.receiver("http://gateway:8080/webhooks/am", "/run/token")
    assert 'url: "http://gateway:8080/webhooks/am"' in receiver
    assert 'credentials_file: "/run/token"' in receiver
    assert 'targets: ["127.0.0.1:9091"]' in rules.scrape(settings.Settings())
    assert "honor_labels: true" in rules.scrape(settings.Settings())
