"""What the scheduler counts."""

from prometheus_client import Counter, Gauge, Histogram

from concierge_proto import messages

COMMANDS = Counter("concierge_scheduler_commands_total", "Commands taken in", ["target", "verb"])
DECISIONS = Counter("concierge_scheduler_decisions_total", "Decisions", ["target", "verdict", "reason"])
OUTCOMES = Counter("concierge_scheduler_outcomes_total", "Changes that ended", ["target", "result"])
DURATION = Histogram(
    "concierge_scheduler_change_seconds",
    "From the call of Docker to convergence or giving up",
    ["target"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
HOLDING = Gauge("concierge_scheduler_holding", "1 where this scheduler holds the target's lease", ["target"])
INSTANCES = Gauge("concierge_scheduler_instances", "Instances that the target strives for", ["service"])
WAITING = Gauge("concierge_scheduler_waiting", "Commands that wait for a gate to open", ["service"])


def count(event: messages.Decision | messages.Outcome | messages.Control) -> None:
    """Count an event that was published."""
    if isinstance(event, messages.Decision):
        DECISIONS.labels(event.target, event.verdict, event.reason).inc()
    if isinstance(event, messages.Outcome):
        OUTCOMES.labels(event.target, event.result).inc()
        DURATION.labels(event.target).observe(event.duration_ms / 1000)
