"""What lm-eval's own command left behind with `--log_samples` → Samples.

lm-eval writes `<output_path>/<model>/samples_<task>_<date>.jsonl`, one line an item and filter, and beside
it `results_<date>.json` with versions, few-shot numbers and the direction of each metric. Read from
`lm_eval/loggers/evaluation_tracker.py` and `lm_eval/evaluator.py` of 0.4.13; the lines of 0.4.3 to 0.4.7,
which lack the keys `filter` and `metrics`, are read as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.bounded import MOST_LINE, json_of, read_bytes
from audit.errors import ConfigError, StoreError
from audit.harness.samples import SHOWN_CHARACTERS
from audit.records import Metric, Sample

if TYPE_CHECKING:
    import pandas as pd

_FILE = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?)\.jsonl")
PERPLEXITIES = frozenset({"perplexity", "word_perplexity", "byte_perplexity"})
"""Metrics of which an item holds a log-likelihood, with the number of words or bytes that it sums over."""
_HASHES = ("doc_hash", "prompt_hash", "target_hash")
_NO_METRICS = frozenset(
    {*_HASHES, "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
)


@dataclass(frozen=True)
class TaskResult:
    """One task as somebody scored it."""

    name: str
    version: str | None
    """None: not known."""
    num_fewshot: int | None
    """None: not known."""
    lower_is_better: frozenset[str]
    """The metrics, by lm-eval's name, whose smaller values are better."""
    samples: pd.DataFrame
    """One row an item and metric, with the columns of `Sample`."""
    declared: Mapping[str, Metric] = field(default_factory=dict)
    """What an audit of ours says of its scores, perplexities and ratios, by lm-eval's name."""


@dataclass(frozen=True)
class LoggedRun:
    """The samples of one model, where lm-eval wrote them."""

    folder: Path
    files: Mapping[str, Path]
    """The newest file of each task, tasks in alphabetical order."""
    _results: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> str:
        """The model's name as lm-eval was given it; else the folder's, which lm-eval names after it."""
        names = (self._results_of(file).get("model_name") for file in self.files.values())
        return next((name for name in names if isinstance(name, str) and name), self.folder.resolve().name)

    def read(self, task: str) -> TaskResult:
        """One task's samples; raises StoreError naming the file and the line that can't be read."""
        import pandas as pd

        file = self.files[task]
        known = self._results_of(file)
        directions = _of_task(known, "higher_is_better", task)
        directions = directions if isinstance(directions, dict) else {}
        rows = [sample.model_dump() for sample in _samples(file, task)]
        return TaskResult(
            name=task,
            version=as_version(_of_task(known, "versions", task)),
            num_fewshot=_of_task(known, "n-shot", task),
            lower_is_better=frozenset(name for name, higher in directions.items() if higher is False),
            samples=pd.DataFrame(rows, columns=list(Sample.model_fields)),
        )

    def _results_of(self, file: Path) -> Mapping[str, Any]:
        """What lm-eval wrote of the same date about the whole run; empty if it is gone or unreadable."""
        date = _parts(file)["date"]
        if date not in self._results:
            try:
                found = json_of(read_bytes(file.parent / f"results_{date}.json"))
            except (OSError, ValueError):
                found = {}
            self._results[date] = found if isinstance(found, dict) else {}
        return self._results[date]


def find_logged(path: Path) -> LoggedRun:
    """The run that lies in a folder of lm-eval's, in its only subfolder with samples, or is that one file.

    Raises ConfigError where there is none, or several models between which the user has to choose.
    """
    if path.is_file():
        if not _FILE.fullmatch(path.name):
            raise ConfigError(
                f"{path} is not named as lm-eval names its samples, samples_<task>_<date>.jsonl. "
                "Name such a file, or the folder that holds it."
            )
        return LoggedRun(path.parent, {_parts(path)["task"]: path})
    files = [file for file in sorted(path.rglob("samples_*.jsonl")) if _FILE.fullmatch(file.name)]
    direct = [file for file in files if file.parent == path]
    folders = sorted({file.parent for file in direct or files})
    if not folders:
        raise ConfigError(
            f"{path} holds neither an audit.json of ours nor any samples_<task>_<date>.jsonl of lm-eval. "
            "Run lm-eval with --log_samples and name its --output_path."
        )
    if len(folders) > 1:
        raise ConfigError(
            f"{path} holds the samples of several models. Name one of them: {', '.join(map(str, folders))}."
        )
    return LoggedRun(folders[0], _newest(direct or files))


def as_version(value: Any) -> str | None:
    """A task's version in one spelling, so that 1 and 1.0 are the same; None where it says nothing.

    >>> as_version(1.0), as_version("2"), as_version("N/A")
    ('1', '2', None)
    """
    if value is None or value == "N/A":
        return None
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def _parts(file: Path) -> dict[str, str]:
    """Task and date of a file of samples, from its name."""
    match = _FILE.fullmatch(file.name)
    assert match is not None
    return match.groupdict()


def _newest(files: list[Path]) -> dict[str, Path]:
    """The newest file of each task; ISO dates sort as they follow each other."""
    by_date = sorted(files, key=lambda file: _parts(file)["date"])
    newest = {_parts(file)["task"]: file for file in by_date}
    return dict(sorted(newest.items()))


def _of_task(results: Mapping[str, Any], key: str, task: str) -> Any:
    """An entry of the results that lm-eval keeps by task; None where it is missing."""
    table = results.get(key)
    return table.get(task) if isinstance(table, dict) else None


def _samples(file: Path, task: str) -> Iterator[Sample]:
    """The samples of a file, line by line.

    The metrics of the task's first filter have their plain names, those of the others are called as in
    lm-eval's results: `exact_match,flexible-extract`.
    """
    first_filter: Any = None
    for number, entry in _entries(file):
        where = f"{file}, line {number}"
        filter_name = entry.get("filter", "none")
        first_filter = first_filter or filter_name
        suffix = "" if filter_name == first_filter else f",{filter_name}"
        missing = [key for key in _HASHES if not isinstance(entry.get(key), str)]
        if missing:
            raise StoreError(
                f"{where} has no {missing[0]}, without which items can't be paired. lm-eval writes it since "
                "0.4.3: evaluate again with a newer lm-eval."
            )
        try:
            common, outcomes = _common(entry, task), _outcomes(entry)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise StoreError(f"{where} is no sample as lm-eval logs it: {_said(error)}.") from None
        if any(math.isnan(score) for score in common["scores"]):
            raise StoreError(
                f"{where}: a log-likelihood is NaN: the model computed no numbers there. "
                "Evaluate again, with dtype=float32 if it was another."
            )
        if not all(map(math.isfinite, common["scores"])):
            common["scores"] = ()
        for metric, (outcome, weight) in outcomes.items():
            yield Sample(metric=metric + suffix, outcome=outcome, weight=weight, **common)


def _entries(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a file, numbered from 1, parsed; blank ones are skipped."""
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(iter(lambda: stream.readline(MOST_LINE), b""), start=1):
                if len(line) == MOST_LINE:
                    raise StoreError(f"{file}, line {number} is longer than {MOST_LINE:,} bytes.")
                if not line.strip():
                    continue
                try:
                    entry = json_of(line)
                except ValueError as error:
                    raise StoreError(
                        f"{file}, line {number} is not JSON: {error}. Was the file cut or edited?"
                    ) from None
                if not isinstance(entry, dict):
                    raise StoreError(
                        f"{file}, line {number} is no sample as lm-eval logs it: no JSON object."
                    )
                yield number, entry
    except OSError as error:
        raise StoreError(f"{file} can't be read: {error.strerror}.") from error


def _outcomes(entry: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The metrics of which the item has a number of its own, each with its weight."""
    names = entry.get("metrics") or [key for key in entry if key not in _NO_METRICS]
    values = {name: _outcome(name, entry.get(name)) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _outcome(metric: str, value: Any) -> tuple[float, float] | None:
    """A finite number and its weight; None for what a corpus metric is made of."""
    parts = value if metric in PERPLEXITIES and isinstance(value, list) else [value, 1.0]
    if len(parts) != 2 or not all(isinstance(part, bool | int | float) for part in parts):
        return None
    outcome, weight = map(float, parts)
    return (outcome, weight) if math.isfinite(outcome) and math.isfinite(weight) else None


def _common(entry: Mapping[str, Any], task: str) -> dict[str, Any]:
    """What all Samples of one item share."""
    return {
        "task": task,
        "doc_id": int(entry["doc_id"]),
        **{key: entry[key] for key in _HASHES},
        "group": None,
        "pair": None,
        **_shown(entry),
    }


def _shown(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Question, choices, target, answer and scores, as a reader wants to see them."""
    calls = entry["arguments"]
    calls = calls.values() if isinstance(calls, dict) else calls
    asked = [list(call.values()) if isinstance(call, dict) else list(call) for call in calls]
    responses, target = entry["filtered_resps"], str(entry["target"])
    question = str(asked[0][0])[-SHOWN_CHARACTERS:]
    answers_are_given = all(len(call) > 1 and isinstance(call[1], str) for call in asked)
    if answers_are_given and len(asked) > 1:
        return _shown_choices(asked, responses, target, mutual="acc_mutual_info" in _outcomes(entry))
    if answers_are_given:
        score, greedy = _scored(responses[0])
        answer = target if greedy else "(something else)"
        return {"question": question, "choices": (), "target": target, "answer": answer, "scores": (score,)}
    answer = str(responses[0])[:SHOWN_CHARACTERS]
    return {"question": question, "choices": (), "target": target, "answer": answer, "scores": ()}


def _shown_choices(asked: list[list[Any]], responses: Any, target: str, *, mutual: bool) -> dict[str, Any]:
    if mutual:  # each choice was asked for again without the question, after all of them
        asked = asked[: len(asked) // 2]
    contexts = {call[0] for call in asked}
    one_question = len(contexts) == 1
    choices = tuple(str(call[1] if one_question else call[0]).strip() for call in asked)
    question = (
        str(asked[0][0]) if one_question else f"After which of them is “{asked[0][1].strip()}” likelier?"
    )
    scores = tuple(_scored(responses[place])[0] for place in range(len(asked)))
    is_number = target.isdecimal() and int(target) < len(choices)
    return {
        "question": question[-SHOWN_CHARACTERS:],
        "choices": choices,
        "target": choices[int(target)] if is_number and one_question else target,
        "answer": choices[max(range(len(scores)), key=scores.__getitem__)],
        "scores": scores,
    }


def _scored(response: Any) -> tuple[float, bool]:
    """Log-likelihood and whether greedy decoding gives the same; lm-eval logs both as texts."""
    if isinstance(response, list):
        return float(response[0]), str(response[1]) == "True"
    return float(response), False


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)
