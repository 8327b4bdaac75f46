"""Where in a file a change is: the byte, the path, the row, or that it can't be known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import rfc8785
from safetensors.numpy import save_file
from signed_run import LOST, kept_run, new_key

from audit.signing import sign, verify
from audit.signing.differing import first_byte, first_unlike


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key.pem")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(tmp_path: Path, key: Path, kept: Path) -> Path:
    """A small finished run, signed."""
    folder = Path(shutil.copytree(kept, tmp_path / "run"))
    sign(folder, key)
    return folder


@pytest.mark.parametrize(
    ("found", "honest", "place"),
    [
        (b'{"a":[1,{"b":"x,]}"}],"c":2}', b'{"a":[1,{"b":"x,]}"}],"c":3}', "byte 26 (from 0), in c"),
        (b'{"a":[1,{"b":"x"}]}', b'{"a":[1,{"b":"y"}]}', "byte 14 (from 0), in a.1.b"),
        ('{"ä":1}'.encode(), '{"ä":2}'.encode(), "byte 6 (from 0), in ä"),
        (b'{"a":1}\n', b'{"a":1}', "byte 7 (from 0)"),
        (b"one\ntwo\n", b"one\ntow\n", "byte 5 (from 0), line 2"),
        (b"one\ntwo\n", b"one\ntwo\nthree\n", "byte 8 (from 0), line 3"),
        (b"\xff\x00\x01", b"\xff\x00\x02", "byte 2 (from 0)"),
    ],
)
def test_the_first_byte_that_differs_is_named_by_where_a_reader_finds_it(
    found: bytes, honest: bytes, place: str
) -> None:
    assert first_byte(found, honest) == f"first differs at {place}"


@pytest.mark.parametrize(
    ("one", "other", "unlike"),
    [
        ({"a": [1, 2]}, {"a": [1, 2]}, None),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ("a.0.b", 1, 2)),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", None, 2)),
        ({"a": [1]}, {"a": [1, 2]}, ("a", [1], [1, 2])),
        ({"a": True}, {"a": 1}, ("a", True, 1)),
    ],
)
def test_the_first_value_that_differs_is_named_by_its_path(one: Any, other: Any, unlike: Any) -> None:
    assert first_unlike(one, other) == unlike


def test_a_report_is_rendered_again_to_find_the_byte(run: Path, key: Path) -> None:
    page = (run / "report.html").read_bytes()
    at = page.index(b"int8", len(page) // 2)
    (run / "report.html").write_bytes(page[:at] + b"int4" + page[at + 4 :])
    line = page.count(b"\n", 0, at) + 1
    assert _because(run, key)["report.html"].startswith(
        f"first differs at byte {at + 3:,} (from 0), line {line}"
    )


def test_a_report_that_another_version_rendered_is_not_compared(
    run: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports import html

    (run / "report.html").write_bytes(b"<p>better</p>")
    monkeypatch.setattr(html, "render", lambda log: b"<p>as another version renders it</p>")
    because = _because(run, key)["report.html"]
    assert "which byte can't be known from a digest, since version 0.1.0 does not render" in because
    assert sha256(b"<p>better</p>").hexdigest() in because


@pytest.mark.parametrize(
    ("name", "old", "new", "path"),
    [
        ("config.json", b'"margin":0.2', b'"margin":0.9', "rules.0.margin"),
        ("registration.json", b'"now"', b'"old"', "at"),
        ("cells/of-int8/cell.json", b'"task_version": "1"', b'"task_version": "2"', "task_version"),
        ("variants/int8/variant.json", b'"size_bytes": 1', b'"size_bytes": 2', "size_bytes"),
        ("efficiency/int8.json", b'"load_seconds": 1.5', b'"load_seconds": 0.5', "load_seconds"),
        ("runs.json", b'"suite":"s"', b'"suite":"t"', "0.suite"),
    ],
)
def test_a_record_is_written_again_from_the_log_to_find_the_byte(
    run: Path, key: Path, name: str, old: bytes, new: bytes, path: str
) -> None:
    data = (run / name).read_bytes()
    assert old in data
    (run / name).write_bytes(data.replace(old, new, 1))
    at = next(place for place, (one, other) in enumerate(zip(data, data.replace(old, new, 1), strict=True))
              if one != other)  # fmt: skip
    assert _because(run, key)[name].startswith(f"first differs at byte {at:,} (from 0), in {path}")


@pytest.mark.parametrize("signed", [True, False])
def test_white_space_in_the_log_is_found_to_the_byte(run: Path, key: Path, signed: bool) -> None:
    if not signed:
        (run / "attestation.dsse.json").unlink()
    data = (run / "audit.json").read_bytes()
    at = data.index(b'"status"')
    (run / "audit.json").write_bytes(data[:at] + b" " + data[at:])
    assert f"first differs at byte {at:,} (from 0)" in _because(run, key)["audit.json"]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(
    ("edit", "what", "because"),
    [
        (
            lambda log: log["comparisons"][0].update(after=1.0),
            "comparisons.0.after",
            "says 1.0, and the answers give 0.95 (int8, s, accuracy)",
        ),
        (
            lambda log: log["comparisons"][1].update(n_pairs=7),
            "comparisons.1.n_pairs",
            "says 7, and the answers give 20 (int8, s, accuracy, first)",
        ),
        (
            lambda log: log["comparisons"].pop(2),
            "comparisons",
            "has none of int8, s, accuracy, second, and there are answers",
        ),
        (
            lambda log: log["verdicts"][0].update(decision="fail"),
            "verdicts.0.decision",
            "says fail, and the numbers give pass (int8)",
        ),
        (lambda log: log["verdicts"].clear(), "verdicts", "are 0, and the numbers give 1"),
        (
            lambda log: log["recoveries"][0].update(outcome="held up"),
            "recoveries.0.outcome",
            "says held up, and the answers give undecided (int8, s)",
        ),
        (lambda log: log["recoveries"].clear(), "recoveries", "are 0, and the cards claim 1"),
    ],
)
def test_a_number_of_the_log_is_held_against_the_answers(
    run: Path, key: Path, edit: Callable[[Any], None], what: str, because: str, signed: bool
) -> None:
    if not signed:
        (run / "attestation.dsse.json").unlink()
    _rewrite(run, edit)
    found = _because(run, key)
    assert found[f"audit.json, {what}"] == because
    assert ("audit.json" in found) is signed


@pytest.mark.parametrize(
    ("edit", "path", "name"),
    [
        (lambda log: log["config"]["rules"][0].update(margin=0.9), "config.rules.0.margin", "config.json"),
        (lambda log: log["registered"].update(at="then"), "registered.at", "registration.json"),
        (
            lambda log: log["variants"][1].update(size_bytes=9),
            "variants.1.size_bytes",
            "variants/int8/variant.json",
        ),
        (
            lambda log: log["runs"][1]["cells"][0].update(num_fewshot=5),
            "runs.1.cells.0.num_fewshot",
            "cells/of-int8/cell.json",
        ),
        (
            lambda log: log["efficiency"][0].update(peak_memory_bytes=1),
            "efficiency.0.peak_memory_bytes",
            "efficiency/int8.json",
        ),
    ],
)
def test_a_value_of_the_log_is_held_against_the_records(
    run: Path, key: Path, edit: Callable[[Any], None], path: str, name: str
) -> None:
    _rewrite(run, edit)
    assert f"where {name}, which holds, says" in _because(run, key)[f"audit.json, {path}"]


def test_a_log_of_another_version_whose_numbers_come_out_otherwise_is_no_lie(run: Path) -> None:
    (run / "attestation.dsse.json").unlink()
    (run / "report.html").unlink()

    def edit(log: Any) -> None:
        log["provenance"]["shrinkproof_version"] = "9.9"
        log["comparisons"][0]["after"] = 0.96

    _rewrite(run, edit)
    found = {one.what: one for one in verify(run)}
    assert not [one for one in found.values() if one.finding == "lies"]
    assert found["audit.json, comparisons.0.after"].because == (
        "says 0.96, and the answers give 0.95 (int8, s, accuracy); version 9.9 computed it, and this is 0.1.0"
    )


@pytest.mark.parametrize("scored", [True, False])
def test_a_stopped_audit_did_not_come_to_compare_its_answers(run: Path, key: Path, scored: bool) -> None:
    (run / "attestation.dsse.json").unlink()
    (run / "report.html").unlink()

    def stop(log: Any) -> None:
        log.update(status="stopped", error="Ctrl-C")
        log["verdicts"].clear()
        log["comparisons"].pop()
        if not scored:
            log.update(runs=[], comparisons=[], recoveries=[])

    _rewrite(run, stop)
    assert not _because(run, key)


def _target(rows: pd.DataFrame) -> None:
    rows.loc[5, "target"] = "wrong"


def _outcome(rows: pd.DataFrame) -> None:
    rows.loc[LOST[0], "outcome"] = 1.0


def _without_scores(rows: pd.DataFrame) -> None:
    del rows["scores"]


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_target, "has in row 5 (from 0) another target than cell of-original of the same item"),
        (_outcome, f"contradicts itself in row {LOST[0]} (from 0): outcome, answer and scores"),
        (_without_scores, "has other columns than the same items of another model"),
    ],
)
def test_the_row_that_was_changed_is_named_where_other_rows_tell(
    run: Path, key: Path, edit: Callable[[pd.DataFrame], None], told: str
) -> None:
    _edit_rows(run, edit)
    because = _because(run, key)["cells/of-int8/samples.parquet"]
    assert because.startswith(
        f"was changed; which byte can't be known from a digest, but it {told}; its sha256"
    )


def test_rows_that_are_gone_are_counted_against_those_of_another_model(run: Path, key: Path) -> None:
    path = run / "cells/of-int8/samples.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
    because = _because(run, key)["cells/of-int8/samples.parquet"]
    assert "it has 39 rows, where another model has 40 for the same items" in because


def test_a_row_that_was_changed_soundly_shows_in_the_rates(run: Path, key: Path) -> None:
    def mend(rows: pd.DataFrame) -> None:
        for name in ("outcome", "answer", "scores"):
            rows.at[LOST[0], name] = rows.at[0, name]

    _edit_rows(run, mend)
    found = _because(run, key)
    assert "but" not in found["cells/of-int8/samples.parquet"]
    assert found["audit.json, comparisons.0.after"] == (
        "says 0.95, and the answers give 0.975 (int8, s, accuracy)"
    )


def test_a_table_that_is_none_any_more_is_said_to_be_none(run: Path, key: Path) -> None:
    (run / "cells/of-int8/samples.parquet").write_bytes(b"made up")
    found = {one.what: one for one in verify(run, key)}
    assert "but it is no table any more" in found["cells/of-int8/samples.parquet"].because
    assert found["audit.json, comparisons"].finding == "not checked"


def test_of_weights_only_the_digests_are_known(run: Path, key: Path) -> None:
    path = run / "variants/int8/model.safetensors"
    signed = sha256(path.read_bytes()).hexdigest()
    save_file({"w": pd.Series([4, 3, 2, 1], dtype="uint8").to_numpy()}, path)
    assert _because(run, key) == {
        "int8/model.safetensors": "was changed; which byte can't be known from a digest; its sha256 is "
        f"{sha256(path.read_bytes()).hexdigest()}, in the log is {signed}"
    }


def _because(run: Path, key: Path) -> dict[str, str]:
    """Of each thing that lies, why."""
    return {one.what: one.because for one in verify(run, key) if one.finding == "lies"}


def _rewrite(run: Path, edit: Callable[[Any], None]) -> None:
    """Change the log, and leave it in canonical form."""
    log = json.loads((run / "audit.json").read_bytes())
    edit(log)
    (run / "audit.json").write_bytes(rfc8785.dumps(log))


def _edit_rows(run: Path, edit: Callable[[pd.DataFrame], None]) -> None:
    path = run / "cells/of-int8/samples.parquet"
    rows = pd.read_parquet(path)
    edit(rows)
    rows.to_parquet(path, index=False)
