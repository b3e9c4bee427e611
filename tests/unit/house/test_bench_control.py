"""The figures of `make bench ONLY=control`: pairs are judged by their medians, and a miss is called one."""

from pathlib import Path

from benchmarks.control_lab import idle, part, start, webhook
from concierge_proto import settings


def flood(rate: float, cpu: float) -> webhook.Flood:
    return webhook.Flood(rate, cpu)


def turn(ours: float, cpu: float) -> webhook.Round:
    return webhook.Round(flood(ours, cpu), flood(1000, 0.1), flood(700, 0.2))


def test_a_webhook_is_judged_by_the_middle_round() -> None:
    rate, cost, floor = webhook.throughput([turn(100, 1), turn(600, 0.125), turn(900, 0.1)])
    assert (rate.holds, rate.ratio, rate.ours, rate.rival) == (True, 0.6, 600, 1000)
    assert (cost.holds, cost.ratio) == (True, 0.8)
    assert (floor.reach, floor.ratio) == ("", 0.7)
    slow, dear, _ = webhook.throughput([turn(590, 0.2)])
    assert (slow.holds, dear.holds) == (False, False)


def test_the_delay_has_a_limit_of_its_own() -> None:
    assert webhook.delay([(2, 9), (2, 10), (2, 99)]).holds
    assert not webhook.delay([(2, 10.1)]).holds


def test_a_start_is_judged_by_its_percentiles() -> None:
    middle, last = start.rows([10.0] * 98 + [80.0] * 2)
    assert (middle.ours, middle.holds, last.ours, last.holds) == (10.0, True, 80.0, True)
    middle, last = start.rows([31.0] * 98 + [81.0] * 2)
    assert (middle.holds, last.holds) == (False, False)


def test_a_thousand_services_are_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "concierge.toml"
    file.write_text(idle.text(nats="nats://127.0.0.1:1", listen=part.free(), folder=str(tmp_path)))
    assert len(settings.load(file).services) == idle.SERVICES
