from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from audit.errors import ConfigError, StoreError
from audit.provenance import collect
from audit.records import (
    AuditConfig,
    AuditLog,
    Cell,
    Level,
    Metric,
    ModelRef,
    NotMeasured,
    Sample,
    Suite,
    Task,
    Variant,
)
from audit.store import Store, config_digest, read_log, write_report


def config(out: Path, **changes: Any) -> AuditConfig:
    model = ModelRef(name="m", path="/somewhere/m", digest="d" * 64)
    return AuditConfig(model=model, levels=(), suites=(), rules=(), out=str(out), **changes)


def sample(doc_id: int = 0) -> Sample:
    return Sample(
        task="t", doc_id=doc_id, doc_hash=f"d{doc_id}", prompt_hash="p", target_hash="g", group=None,
        pair=None,
        metric="acc", outcome=1.0, question="q", choices=("a", "b"), target="a", answer="a",
        scores=(-1.0, -2.0),
    )  # fmt: skip


def cell(key: str = "k") -> Cell:
    return Cell(
        task="t", key=key, path="", sha256="", n_items=0, task_version="1", num_fewshot=0, seconds=0.0,
        started="now", scorer="none", divergence=NotMeasured("a test"),
    )  # fmt: skip


def variant(folder: Path, weights: bytes = b"") -> Variant:
    from audit.weights import digest, digests, weight_files

    (folder / "config.json").write_text("{}")
    save_file({"w": np.frombuffer(weights or b"1234", np.uint8).copy()}, folder / "model.safetensors")
    files = digests(weight_files(folder))
    return Variant(
        name="int8", level=Level(name="int8", method="rtn"), path=str(folder),
        files=files, digest=digest(files), parent="p", size_bytes=1, parameters=1, bits_per_weight=8.0,
        compressed_parameters=0, compressed_bits_per_weight=NotMeasured("x"), sparsity=0.0, stored_as="s",
        evaluated_as="e", made_by="m", reload_error=0.0, seconds=1.0,
    )  # fmt: skip


def test_a_cell_reads_back_as_it_was_written(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        written = store.add_cell(cell(), [sample(0), sample(1)])
        assert written.n_items == 2
        assert store.cell("k") == written
        assert list(store.read(written)["doc_id"]) == [0, 1]
        assert list(store.read(written)["scores"][0]) == [-1.0, -2.0]


def test_a_run_goes_on_where_the_tasks_lie_elsewhere_and_not_under_other_suites(tmp_path: Path) -> None:
    """A new Python has another folder for packages; its tasks are the same by the keys of the cells."""

    def asks(place: str, title: str = "A") -> AuditConfig:
        suite = Suite(
            name="a", title=title, question="?", tasks=(Task(name="t"),), include_path=place,
            metrics=(Metric(name="acc", source="lm-evaluation-harness"),),
        )  # fmt: skip
        return config(tmp_path / "run").model_copy(update={"suites": (suite,)})

    with Store.open(asks("/old/'site\"packages\\")):
        pass
    moved = asks("/new")
    with Store.open(moved):
        held = (tmp_path / "run" / "config.json").read_bytes()
    assert hashlib.sha256(held).hexdigest() == config_digest(moved)
    other = asks("/new", title="B")
    with pytest.raises(StoreError, match=r"another config \(differs in: suites\)"), Store.open(other):
        pass


@pytest.mark.parametrize("held", ["[]", "{", ""])
def test_a_config_that_cannot_be_read_is_named(tmp_path: Path, held: str) -> None:
    (tmp_path / "config.json").write_text(held)
    with pytest.raises(StoreError, match=r"config\.json can't be read"), Store.open(config(tmp_path)):
        pass


def test_half_of_a_character_is_written_spelled_out_and_read_back(tmp_path: Path) -> None:
    answers = ["\ud800", "\udc00", "both"]
    with Store.open(config(tmp_path / "run")) as store:
        # As a server answers, in JSON, or a tokenizer decodes with errors="surrogateescape"
        samples = [
            Sample.model_validate({**sample(place).model_dump(), "answer": answer})
            for place, answer in enumerate(answers)
        ]
        written = store.add_cell(cell(), samples)
        assert list(store.read(written)["answer"]) == [r"\ud800", r"\udc00", "both"]


def test_a_finished_audit_is_not_lost_by_half_of_a_character(tmp_path: Path) -> None:
    told = collect(command="run --out m\udce9", device="cpu", threads=1, config_sha256="c", started="now")
    with Store.open(config(tmp_path / "run")) as store:
        log = AuditLog(status="stopped", error="no \ud800", config=config(tmp_path / "run"), provenance=told)
        path = store.write_log(log)
    found = read_log(tmp_path / "run")
    assert (found.error, found.provenance.command) == (r"no \ud800", r"run --out m\udce9")
    assert found.to_json() == path.read_bytes()
    assert log.model_copy(update={"status": "finished"}).to_json()  # which raised


def test_a_config_that_no_file_can_hold_is_refused_before_the_audit(tmp_path: Path) -> None:
    asked = config(tmp_path / "run")
    with (
        pytest.raises(ConfigError, match=r"out '.*run.*udce9' holds half of a character"),
        Store.open(asked.model_copy(update={"out": f"{tmp_path}/run\udce9"})),
    ):
        pass


def test_a_cell_whose_samples_were_changed_is_not_believed(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        written = store.add_cell(cell(), [sample()])
        path = store.root / written.path
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert store.cell("k") is None


def test_a_cell_without_its_record_is_not_believed(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        store.add_cell(cell(), [sample()])
        (store.root / "cells" / "k" / "cell.json").write_text('{"task": "t", "ke')
        assert store.cell("k") is None


def test_a_number_that_turned_in_a_record_is_not_believed(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        store.add_cell(cell(), [sample()])
        record = store.root / "cells" / "k" / "cell.json"
        told = record.read_text()
        record.write_text(told.replace('"num_fewshot": 0', '"num_fewshot": 4'))
        assert store.cell("k") is None
        record.write_text(told)
        (record.parent / "cell.json.sha256").unlink()  # as older versions wrote it
        assert store.cell("k") is not None


def test_a_file_that_is_damaged_while_the_audit_runs_is_not_counted(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        written = store.add_cell(cell(), [sample()])
        assert len(store.read(written)) == 1
        path = store.root / written.path
        path.write_bytes(path.read_bytes()[:-1] + b"X")
        with pytest.raises(StoreError, match="was damaged while the audit ran"):
            store.read(written)


def test_a_variant_whose_settings_were_changed_or_that_lost_files_is_made_again(tmp_path: Path) -> None:
    from audit.weights import companions_digest

    with Store.open(config(tmp_path / "run")) as store:
        for name, spoil in [
            ("of-settings", lambda folder: (folder / "config.json").write_text('{"rms_norm_eps": 1}')),
            ("of-weights", lambda folder: (folder / "model.safetensors").unlink()),
            ("of-a-config", lambda folder: (folder / "config.json").unlink()),
        ]:
            with store.new_variant(name) as folder:
                made = variant(folder).model_copy(
                    update={"name": name, "companions_sha256": companions_digest(folder)}
                )
                store.add_variant(made, folder)
            assert store.variant(name) is not None
            spoil(store.root / "variants" / name)
            assert store.variant(name) is None


def test_a_variant_whose_weights_were_changed_is_not_believed(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        with store.new_variant("int8") as folder:
            store.add_variant(variant(folder), folder)
        assert store.variant("int8") is not None
        save_file({"w": np.ones(4, np.uint8)}, store.root / "variants" / "int8" / "model.safetensors")
        assert store.variant("int8") is None


def test_an_error_while_filling_leaves_nothing_behind(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        with contextlib.suppress(RuntimeError), store.new_variant("int8") as folder:
            (folder / "half").write_text("half")
            raise RuntimeError
        assert list((store.root / "variants").iterdir()) == []


def test_what_a_killed_run_left_half_written_is_cleared_away(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")) as store:
        store.add_cell(cell(), [sample()])
    rubbish = [tmp_path / "run" / "cells" / ".half-xyz", tmp_path / "run" / "efficiency" / ".half-abc"]
    rubbish[0].mkdir()
    rubbish[1].parent.mkdir()
    rubbish[1].write_text('{"variant"')
    with Store.open(config(tmp_path / "run")) as store:
        assert not any(path.exists() for path in rubbish)
        assert store.cell("k") is not None


def test_a_run_killed_while_it_claimed_its_folder_can_begin_again(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".half-config").write_text('{"mod')
    with Store.open(config(tmp_path / "run")) as store:
        assert not (store.root / ".half-config").exists()


def test_a_run_folder_of_another_config_is_refused_and_says_where_they_differ(tmp_path: Path) -> None:
    with Store.open(config(tmp_path / "run")):
        pass
    with (
        pytest.raises(StoreError, match=r"differs in: limit\)"),
        Store.open(config(tmp_path / "run", limit=3)),
    ):
        pass


def test_a_folder_that_is_no_run_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="no run folder"), Store.open(config(tmp_path)):
        pass


def test_a_run_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be made"), Store.open(config(tmp_path / "file" / "run")):
        pass


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        Store.open(config(tmp_path / "run")),
        pytest.raises(StoreError, match=rf"in use by another run \(process {os.getpid()} on .+\)"),
        Store.open(config(tmp_path / "run")),
    ):
        pass


@pytest.mark.parametrize("left", [b"", b'{"limit": 3', None])
def test_a_config_file_that_was_damaged_is_written_again_for_its_own_config_alone(
    tmp_path: Path, left: bytes | None
) -> None:
    with Store.open(config(tmp_path / "run")):
        pass
    path = tmp_path / "run" / "config.json"
    whole = path.read_bytes()
    (tmp_path / "run" / "cells").mkdir()
    path.unlink() if left is None else path.write_bytes(left)
    with pytest.raises(StoreError), Store.open(config(tmp_path / "run", limit=3)):
        pass
    with Store.open(config(tmp_path / "run")):
        assert path.read_bytes() == whole


def test_where_the_run_lies_is_no_part_of_the_config(tmp_path: Path) -> None:
    assert config_digest(config(tmp_path / "a")) == config_digest(config(tmp_path / "b"))
    assert config_digest(config(tmp_path)) != config_digest(config(tmp_path, seed=9))


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/the/file")


def test_a_full_disk_says_what_to_do_and_keeps_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pandas as pd

    with Store.open(config(tmp_path / "run")) as store:
        finished = store.add_cell(cell("one"), [sample()])
        monkeypatch.setattr(pd.DataFrame, "to_parquet", full_disk)
        with pytest.raises(StoreError, match="disk is full"):
            store.add_cell(cell("two"), [sample()])
        assert store.cell("one") == finished
        assert store.cell("two") is None


def test_a_full_disk_that_safetensors_reports_in_its_own_words_is_recognised(tmp_path: Path) -> None:
    from safetensors import SafetensorError

    with Store.open(config(tmp_path / "run")) as store:
        with pytest.raises(StoreError, match="disk is full"), store.new_variant("int8"):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        assert store.variant("int8") is None


def test_a_folder_without_a_log_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no audit\.json"):
        read_log(tmp_path)


def test_a_cut_log_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "audit.json").write_text('{"schema_version": 1, "st')
    with pytest.raises(StoreError, match="no audit log") as caught:
        read_log(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_number_that_turned_in_a_log_is_refused_by_all_who_read_it(tmp_path: Path) -> None:
    told = collect(command="run", device="cpu", threads=1, config_sha256="c", started="now")
    with Store.open(config(tmp_path / "run")) as store:
        path = store.write_log(AuditLog(status="finished", config=config(tmp_path / "run"), provenance=told))
    log = read_log(tmp_path / "run")
    path.write_bytes(path.read_bytes().replace(b'"threads":1', b'"threads":3', 1))
    with pytest.raises(
        StoreError, match=r"not what was written: its sha256 is not that of audit.json.sha256"
    ):
        read_log(tmp_path / "run")
    assert read_log(tmp_path / "run", as_it_is=True) != log


def test_a_disk_that_fails_is_named_with_the_way_out(tmp_path: Path) -> None:
    for code, said in [
        (errno.EIO, "the disk fails"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
    ]:
        with pytest.raises(StoreError, match=said), Store.open(config(tmp_path / "run")):
            raise OSError(code, "why", str(tmp_path / "run" / "cells"))
    with (
        pytest.raises(StoreError, match=r"cells: gone\. Was it changed"),
        Store.open(config(tmp_path / "run")),
    ):
        raise FileNotFoundError(errno.ENOENT, "gone", str(tmp_path / "run" / "cells"))
    with pytest.raises(FileNotFoundError), Store.open(config(tmp_path / "run")):
        raise FileNotFoundError(errno.ENOENT, "gone", "/elsewhere")


def test_a_report_lands_in_the_run_folder(tmp_path: Path) -> None:
    assert write_report(tmp_path, "report.html", b"<p>").read_bytes() == b"<p>"
