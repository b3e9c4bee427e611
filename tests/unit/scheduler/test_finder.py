"""What labels come to, and what of it is news."""

from datetime import UTC, datetime

from concierge_proto import messages, settings
from concierge_scheduler import finder

TREE = {
    "targets": {"shop": {"kind": "compose", "labels": True, "labels_max": 5}},
    "services": {"own": {"target": "shop", "name": "shop_own", "max": 2}},
}
CONFIG = settings.parse(TREE, "test")
TAKEN = {"own": "[services.own] of the file wins"}


def said(**more: str) -> dict[str, str]:
    return {
        "concierge.enable": "true",
        "concierge.max": "3",
        **{f"concierge.{k}": v for k, v in more.items()},
    }


def judged(**seen: dict[str, str]) -> messages.Found:
    return finder.judge("shop", CONFIG, seen, TAKEN)


def reasons(one: messages.Found) -> dict[str, str]:
    return {refused.called: refused.words for refused in one.refused}


def news(old: messages.Found, new: messages.Found) -> list[tuple[str, str]]:
    return sorted((one.service, one.what) for one in finder.news(old, new))


NOTHING = messages.Found(target="shop", at=datetime.now(UTC))


def test_who_does_not_ask_is_not_found() -> None:
    quiet = {"concierge.max": "3"}
    assert judged(web=said(), other=quiet, off=said(enable="false"), plain={}).services.keys() == {"web"}


def test_labels_of_others_are_not_published() -> None:
    (one,) = judged(web={**said(), "com.example.password": "secret"}).services.values()
    assert one.labels == said()


def test_a_bad_label_refuses_the_whole_policy_and_nobody_else() -> None:
    found = judged(web=said(), api=said(max="99"))
    assert found.services.keys() == {"web"}
    assert reasons(found) == {
        "api": "api: concierge.max=99: the file allows 5: lower it, or raise `targets.shop.labels_max`"
    }


def test_the_file_wins_also_under_the_name_that_docker_has() -> None:
    found = judged(own=said(), shop_own=said())
    assert not found.services
    assert set(reasons(found)) == {"own", "shop_own"}
    assert "[services.own] of the file wins" in reasons(found)["shop_own"]


def test_two_of_one_name_are_both_refused() -> None:
    found = judged(a=said(service="web"), b=said(service="web"), c=said())
    assert found.services.keys() == {"c"}
    assert "another service here has this name" in reasons(found)["a"]
    assert set(reasons(found)) == {"a", "b"}


def test_one_that_is_switched_off_takes_no_name() -> None:
    assert judged(a=said(service="web"), b=said(service="web", enable="false")).services.keys() == {"web"}


def test_news_are_what_changed() -> None:
    first, second = judged(web=said(), api=said()), judged(web=said(min="2"), cron=said(max="x"))
    assert news(NOTHING, first) == [("api", "labels_found"), ("web", "labels_found")]
    assert news(first, first) == []
    assert news(first, second) == [
        ("api", "labels_gone"),
        ("cron", "labels_refused"),
        ("web", "labels_changed"),
    ]


def test_a_refusal_stands_under_the_name_that_it_was_found_by() -> None:
    good = judged(shop_web=said(service="web"))
    bad = judged(shop_web=said(service="web", max="x"))
    assert news(good, bad) == [("web", "labels_gone"), ("web", "labels_refused")]
    assert news(NOTHING, judged(shop_web=said())) == [("_", "labels_refused")]
