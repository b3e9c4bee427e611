"""The scheduler: decides what a command means, does it on a target, and proves that it took effect.

Lives here: `decide` (pure), the keeper of a target, convergence, the targets.
Must not live here: HTTP, a monitoring system's words. python-on-whales only in `targets`.
"""
