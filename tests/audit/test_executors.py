"""Cells on Ray: the same log as from one process, whatever happens to the workers."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from by_hand import variant

from audit import AuditLog, load_config, run_audit, weights
from audit.cells import Wanted
from audit.errors import ConfigError, EvaluationError
from audit.executors.ray import Options, RayCrew
from audit.executors.ray_worker import Asked, Worker, Workplace
from audit.harness import tasks_of
from audit.progress import Silent
from audit.store import Store, config_digest
from fixtures.untimed import untimed

OWN = """
import os
import time
from pathlib import Path

HERE = Path(__file__).parent

def judge(doc, results):
    if (HERE / "deadly").exists():
        os._exit(1)
    if (HERE / "slow-once").exists():
        (HERE / "slow-once").unlink()
        (HERE / "pid.half").write_text(str(os.getpid()))
        (HERE / "pid.half").rename(HERE / "pid")
        time.sleep(120)
    return {"acc": float(max(results)[0] == results[doc["y"]][0])}
"""
"""Of a task whose answers are judged in the worker, where a test can reach in by files beside it."""
SECONDS = 100
"""To wait for a worker on a busy machine."""


class Stages(Silent):
    """What was said while it ran."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, what: str) -> None:
        """Keep it."""
        self.said.append(what)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    rows = [{"q": f"The number after {n} is", "c": [str(n + 1), str(n + 3)], "y": n % 2} for n in range(24)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    spec = {
        "task": "sums", "dataset_path": "json", "test_split": "test", "output_type": "multiple_choice",
        "dataset_kwargs": {"data_files": {"test": str(folder / "rows.jsonl")}}, "doc_to_text": "q",
        "doc_to_choice": "c", "doc_to_target": "y", "metric_list": [{"metric": "acc"}],
        "process_results": "FUNCTION", "metadata": {"version": 1},
    }  # fmt: skip
    text = yaml.safe_dump(spec).replace("FUNCTION", "!function own.judge")
    (folder / "sums.yaml").write_text(text)
    (folder / "own.py").write_text(OWN)
    return folder


def settings(tiny: Path, tasks: Path, out: Path, **changes: Any) -> dict[str, Any]:
    own = {"name": "sums", "tasks": ["sums"], "metric": "acc", "include_path": str(tasks)}
    return {
        "model": str(tiny), "levels": ["control", "int2"], "suites": ["accuracy", own, "safety"],
        "limit": 24, "looks": 2, "threads": 1, "out": str(out), "cache": f"{out}-cache", **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def log(tiny: Path, tasks: Path, tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """The audit in one process."""
    return run_audit(load_config(settings(tiny, tasks, tmp_path_factory.mktemp("local") / "run")))


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of one node with two CPUs."""
    pytest.importorskip("ray", reason="the executor `ray` takes Ray: pip install 'shrinkproof[ray]'")
    from ray.cluster_utils import Cluster

    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "include_dashboard": False, "object_store_memory": 100 * 2**20},
    )
    yield found.address
    found.shutdown()


def test_two_workers_of_which_one_is_killed_in_the_middle_give_the_same_log(
    log: AuditLog, tiny: Path, tasks: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="the executor `ray` takes Ray: pip install 'shrinkproof[ray]'")
    (tasks / "slow-once").touch()
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + SECONDS
        while not (tasks / "pid").exists() and time.monotonic() < end:
            time.sleep(0.1)
        killed.append(int((tasks / "pid").read_text()))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    stages = Stages()
    asked = settings(tiny, tasks, tmp_path / "run", executor={"name": "ray", "workers": 2})
    found = run_audit(load_config(asked), progress=stages)
    killer.join()
    assert killed[0] != os.getpid()
    assert untimed(found) == untimed(log)
    assert found.provenance.executor.startswith("ray ")
    assert sum("was lost at original: sums: sums" in said for said in stages.said) == 1
    cells = Counter(f"{run.variant}: {run.suite}: {cell.task}" for run in found.runs for cell in run.cells)
    assert Counter(said for said in stages.said if said in cells) == cells + Counter(["original: sums: sums"])


def test_a_cell_that_kills_every_worker_is_left_out_and_the_rest_goes_on(
    tiny: Path, tasks: Path, tmp_path: Path, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.executors.ray.ATTEMPTS", 2)
    (tasks / "deadly").touch()
    changes = {"executor": {"name": "ray", "address": cluster, "workers": 1}, "levels": ["control"]}
    config = load_config(settings(tiny, tasks, tmp_path / "run", **changes))
    stages = Stages()
    try:
        log = run_audit(config, progress=stages)
    finally:
        (tasks / "deadly").unlink()
    assert f"joining Ray at {cluster}" in stages.said
    left_out = {(run.variant, one.task): one.reason for run in log.runs for one in run.unscored}
    assert left_out.keys() == {("original", "sums"), ("control", "sums")}
    assert left_out["original", "sums"].startswith("2 workers died of it, the last so: ")
    assert left_out["control", "sums"] == "the original was not scored on these items"
    kept = {(run.variant, cell.task) for run in log.runs for cell in run.cells}
    assert kept
    assert not kept & {("original", "sums"), ("control", "sums")}
    assert log.decision == "inconclusive"
    # The next start tries again
    again = run_audit(config)
    assert not [one for run in again.runs for one in run.unscored]


def test_a_worker_that_no_node_has_room_for_is_an_error(
    tiny: Path, tasks: Path, tmp_path: Path, cluster: str
) -> None:
    executor = {"name": "ray", "address": cluster, "memory_gib": 1e6}
    config = load_config(settings(tiny, tasks, tmp_path / "run", levels=["control"], executor=executor))
    with pytest.raises(EvaluationError, match=r"asks for 1 CPU, 1e\+06 GiB of memory, and no node"):
        run_audit(config)


def test_an_address_where_nobody_answers_is_an_error(tiny: Path, tasks: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the executor `ray` takes Ray: pip install 'shrinkproof[ray]'")
    executor = {"name": "ray", "address": "127.0.0.1:1"}
    config = load_config(settings(tiny, tasks, tmp_path / "run", levels=["control"], executor=executor))
    with pytest.raises(EvaluationError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        run_audit(config)


def test_a_run_folder_belongs_to_its_config_whatever_the_executor(
    tiny: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.registry.version", lambda library: "2.60.0")
    asked = settings(tiny, tasks, tmp_path / "run")
    local, spread = (load_config({**asked, "executor": one}) for one in ("local", "ray"))
    assert local.executor != spread.executor
    assert config_digest(local) == config_digest(spread)
    for config in (local, spread):
        with Store.open(config) as store:
            assert store.root == tmp_path / "run"


def test_without_ray_the_error_says_what_to_install(
    tiny: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_ray(library: str) -> str:
        if library == "ray":
            raise PackageNotFoundError(library)
        return version(library)

    monkeypatch.setattr("audit.registry.version", without_ray)
    with pytest.raises(ConfigError, match=r"executor 'ray' needs ray.* pip install 'shrinkproof\[ray\]'"):
        load_config(settings(tiny, tasks, tmp_path, executor="ray", levels=["control"]))


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("rey", "No executor named 'rey'. Did you mean 'ray'?"),
        ({"name": "ray", "works": 2}, "option works: .* It takes: address, workers"),
        ({"name": "local", "workers": 2}, "executor 'local': option workers: .* It takes: nothing"),
        ({"workers": 2}, "a mapping needs `name:`"),
    ],
)
def test_what_is_no_executor_is_refused(
    executor: Any, said: str, tiny: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.registry.version", lambda library: "2.60.0")
    with pytest.raises(ConfigError, match=said):
        load_config(settings(tiny, tasks, tmp_path, executor=executor))


class Handed:
    """A worker that keeps what it was handed."""

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.score = SimpleNamespace(remote=self._keep)

    def _keep(self, asked: Any, original: Any) -> object:
        self.cells.append(f"{asked.variant.name} {asked.key}")
        return object()


def test_a_worker_is_handed_cells_of_the_variant_it_holds_then_of_one_that_nobody_holds(
    tiny: Path, tasks: Path, tmp_path: Path
) -> None:
    crew = RayCrew(load_config(settings(tiny, tasks, tmp_path)), Options(), Silent())
    task: Any = SimpleNamespace(suite=SimpleNamespace(name="s"), name="t", digest="d")
    waiting = [Wanted(variant(of), task, 1, f"{n}", f"{n}") for of in ("b", "a", "c") for n in (1, 2)]
    one, two = Handed(), Handed()
    crew._holds = {one: "b", two: "z"}
    for _ in range(3):
        crew._running = {}
        crew._hand_out(waiting, lambda key: {})
    assert one.cells == ["b 1", "b 2", "c 1"]
    assert two.cells == ["a 1", "a 2", "c 2"]


@pytest.fixture
def elsewhere(tiny: Path, tasks: Path, tmp_path: Path) -> tuple[Workplace, Asked]:
    """What a worker on another machine is told, and a cell of the original."""
    config = load_config(settings(tiny, tasks, tmp_path / "run"))
    held = weights.digest(weights.digests(weights.weight_files(tiny)))
    original = variant("original").model_copy(update={"path": str(tiny), "digest": held, "level": None})
    task = next(one for one in tasks_of(config) if one.name == "sums")
    asked = Asked.of(Wanted(original, task, 1, "key", "key"))
    return replace(Workplace.of(config), host="who-asks"), asked


def test_a_worker_on_another_machine_plans_what_is_the_same_there(elsewhere: tuple[Workplace, Asked]) -> None:
    at, asked = elsewhere
    assert Worker(at).begin([asked])["key"] > 0


@pytest.mark.parametrize(
    ("at_changes", "asked_changes", "said"),
    [
        ({"source": "0" * 64}, {}, "another version of Shrinkproof is installed there"),
        ({"packages": {"torch": "1.0"}}, {}, r"torch is \d\S* there and 1\.0 here"),
        ({}, {"digest": "0" * 64}, "task 'sums' of suite 'sums' reads other items there"),
        ({}, {"variant": {"digest": "0" * 64}}, "does not hold the weights of 'original'"),
        ({}, {"variant": {"path": "/nowhere"}}, "/nowhere does not hold the weights of 'original'"),
    ],
)
def test_what_is_otherwise_on_another_machine_is_an_error_that_names_it(
    elsewhere: tuple[Workplace, Asked], at_changes: Any, asked_changes: Any, said: str
) -> None:
    at, asked = elsewhere
    if "variant" in asked_changes:
        asked_changes = {"variant": asked.variant.model_copy(update=asked_changes["variant"])}
    with pytest.raises(EvaluationError, match=f"^on {socket.gethostname()}: .*{said}"):
        Worker(replace(at, **at_changes)).begin([replace(asked, **asked_changes)])


def test_a_cluster_of_ours_tells_nobody_of_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from ray._common.usage.usage_lib import usage_stats_enabled

    from audit.executors.ray import _start

    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    seen: list[bool] = []
    monkeypatch.setattr(ray, "init", lambda *_, **__: seen.append(usage_stats_enabled()))
    _start(2, 1)
    assert seen == [False]


def test_a_cluster_without_a_node_is_not_waited_for(
    tiny: Path, tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray itself would wait for a new node for ever."""
    ray = pytest.importorskip("ray")
    crew = RayCrew(load_config(settings(tiny, tasks, tmp_path)), Options(), Silent())
    crew._asks, crew._running = {"num_cpus": 1, "num_gpus": 0, "memory": 1}, {"a reference": (Handed(), None)}
    looks = iter([[{"Alive": True, "Resources": {"CPU": 1, "memory": 1}}], [{"Alive": False}]])
    monkeypatch.setattr(ray, "wait", lambda references, timeout: ([], references))
    monkeypatch.setattr(ray, "nodes", lambda: next(looks))
    with pytest.raises(EvaluationError, match=r"no node of the Ray cluster is left.*finished cells are kept"):
        crew._next()
    assert next(looks, None) is None, "a node that lives was given up"
