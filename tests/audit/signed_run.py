"""A small finished run with answers of two models, as a run folder, and keys to sign it by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from test_store import cell, config, variant

from audit import registry
from audit.compare import compare
from audit.judge import judge
from audit.provenance import collect
from audit.records import (
    AuditConfig,
    AuditLog,
    Cell,
    Conditions,
    Efficiency,
    Level,
    Metric,
    NotMeasured,
    RecoveryClaim,
    Registration,
    Rule,
    Run,
    Sample,
    Suite,
    Task,
    Variant,
)
from audit.recovery import recoveries
from audit.store import Store, config_digest, read_log, write_report

ITEMS = 40
LOST = (3, 17)
"""Items that the compressed model gets wrong."""


def make_run(root: Path) -> Path:
    """The folder of a run: two models, one task, one rule, and a report."""
    asked = _config(root)
    with Store.open(asked) as store:
        with store.new_variant("int8") as folder:
            made = variant(folder)
            (folder / "tokenizer.json").write_text('{"version": "1.0"}')
            store.add_variant(made, folder)
        original = Variant(
            **made.model_dump(exclude={"name", "level", "files"}), name="original", level=None, files={}
        )
        variants = (original, store.located(made))
        cells = {one.name: _answered(store, one.name) for one in variants}
        runs = tuple(Run(variant=name, suite="s", cells=(one,)) for name, one in cells.items())
        store.note_runs(runs)
        store.register(Registration(policy_sha256=asked.policy_sha256, items_sha256="i", at="now"))
        cost = _cost()
        store.add_efficiency(cost)
        comparisons = compare(runs, asked.suites, store.read, asked.seed)
        told = collect(
            command="c", device="cpu", threads=1, config_sha256=config_digest(asked), started="now"
        )
        log = AuditLog(
            status="finished", config=asked, provenance=told, registered=store.registration(),
            variants=variants, runs=runs, comparisons=comparisons,
            verdicts=judge(comparisons, asked.rules, variants, asked.suites), efficiency=(cost,),
            recoveries=recoveries(runs, asked, store.read),
        )  # fmt: skip
        store.write_log(log)
        page = registry.report_format("html")
        write_report(store.root, page.FILE, page.render(read_log(root)))
    return root


def kept_run(folder: Path) -> Path:
    """A run to copy: it lies elsewhere than its log says, so that no copy finds the files of another one."""
    return make_run(folder / "made").rename(folder / "kept")


def new_key(path: Path) -> Path:
    """A new private EC key in a PEM file, its public one beside it: `key.pem`, `key.pub.pem`."""
    private = ec.generate_private_key(ec.SECP256R1())
    kinds = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
    pem = serialization.Encoding.PEM
    path.write_bytes(private.private_bytes(pem, kinds[0], serialization.NoEncryption()))
    path.with_suffix(".pub.pem").write_bytes(private.public_key().public_bytes(pem, kinds[1]))
    return path


def _config(root: Path) -> AuditConfig:
    suite = Suite(
        name="s", title="Sums", question="Can it count?", tasks=(Task(name="t"),), group_by="half",
        metrics=(Metric(name="accuracy", source="none"),),
    )  # fmt: skip
    bare = config(root).model_dump(exclude={"levels", "suites", "rules"})
    claim = RecoveryClaim(suite="s", metric="accuracy", at_least=0.99, source="a card")
    level = Level(name="int8", method="rtn", recoveries=(claim,))
    return AuditConfig.model_validate(
        {**bare, "levels": (level,), "suites": (suite,), "rules": (Rule(suite="s", margin=0.2),)}
    )


def _answered(store: Store, name: str) -> Cell:
    wrong = () if name == "original" else LOST
    samples = [_sample(place, place not in wrong) for place in range(ITEMS)]
    return store.add_cell(cell(f"of-{name}"), samples, {"entropies": np.ones(ITEMS, np.float32)})


def _cost() -> Efficiency:
    nothing = NotMeasured("a test")
    conditions = Conditions(
        device="cpu", processor="p", threads=1, dtype="float32", batch=1, prompt_tokens=1, decode_tokens=1,
        rounds=1,
    )  # fmt: skip
    return Efficiency(
        variant="int8", digest=nothing, conditions=conditions, load_seconds=1.5, peak_memory_bytes=1000,
        runtime_bytes=10, prefill=nothing, decode=nothing,
    )  # fmt: skip


def _sample(place: int, right: bool) -> Sample:
    return Sample(
        task="t", doc_id=place, doc_hash=f"d{place}", prompt_hash="p", target_hash="g",
        group="first" if place < ITEMS // 2 else "second", pair=None, metric="acc", outcome=float(right),
        question=f"{place} and one more?", choices=("right", "wrong"), target="right",
        answer="right" if right else "wrong", scores=(-1.0, -2.0) if right else (-2.0, -1.0),
    )  # fmt: skip
