"""`make bench` says what it cannot measure, and fails."""

import pytest

from benchmarks import __main__ as bench
from benchmarks import figures


def test_an_unknown_name_fails_with_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["courrier"]) == 1
    said = capsys.readouterr().err
    assert "no benchmark named 'courrier'" in said
    assert all(figure.name in said for figure in figures.ALL)


def test_what_is_not_built_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(figures, "ALL", (figures.Figure("warp", "speed", "9", "light"),))
    assert bench.main(["warp"]) == 1
    assert bench.main([]) == 1
    assert "warp is not built yet" in capsys.readouterr().err


def test_what_is_built_decides_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures.Figure, "built", True)
    monkeypatch.setattr(figures.Figure, "measure", lambda figure: int(figure.name == "zabbix"))
    assert bench.main(["zabbix"]) == 1
    assert bench.main(["control"]) == 0
    assert bench.main([]) == 1
