"""The demo's numbers: no step but those of the story."""

from concierge_cli.demo import play, scene


def test_a_rush_is_too_much_for_one_and_fine_for_two() -> None:
    assert play.RUSH > scene.HIGH
    assert scene.BUSY < play.RUSH / 2 < scene.RECOVERED


def test_an_old_value_beside_a_new_one_is_no_second_rush() -> None:
    """The first instance's last value from before counts until its next one, beside the second's first."""
    assert (play.RUSH + play.RUSH / 2) / 2 < scene.HIGH


def test_a_quiet_hour_is_fine_for_one_and_too_little_for_two() -> None:
    assert scene.BUSY < play.QUIET < scene.RECOVERED
    assert play.QUIET / 2 < scene.LOW
