"""The runner of the public test data, on pages of our own."""

import json
from pathlib import Path

import pytest

from tests.conformance import __main__ as conformance
from tests.unit.courier import rules


def case(folder: Path, name: str, page: str, *, valid: bool) -> None:
    (folder / name).mkdir()
    (folder / name / "metrics").write_text(page)
    (folder / name / "test.json").write_text(json.dumps({"shouldParse": valid}))


def test_each_case_is_a_line_and_the_last_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case(tmp_path, "simple_gauge", f"# TYPE queue gauge\nqueue 4\n{rules.END}", valid=True)
    case(tmp_path, "bad_help_0", rules.RULES["bad_help_0"], valid=False)
    monkeypatch.setattr("sys.argv", ["conformance", str(tmp_path)])
    assert conformance.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["bad_help_0", "simple_gauge"]
    assert lines[-1] == "1 by rule, 1 agrees"


def test_a_defect_is_an_exit_code_and_a_row_of_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case(tmp_path, "simple_gauge", f"queue{{a=1}} 4\n{rules.END}", valid=True)
    monkeypatch.setattr("sys.argv", ["conformance", "--json", str(tmp_path)])
    assert conformance.main() == 1
    [row] = json.loads(capsys.readouterr().out)
    assert (row["verdict"], row["prometheus_client"]) == ("defect", "refuses")


def test_a_folder_without_cases_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["conformance", str(tmp_path)])
    assert conformance.main() == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_half_a_case_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case(tmp_path, "simple_gauge", rules.END, valid=True)
    (tmp_path / "simple_gauge" / "metrics").unlink()
    monkeypatch.setattr("sys.argv", ["conformance", str(tmp_path)])
    assert conformance.main() == 2
    assert "simple_gauge/metrics" in capsys.readouterr().err
