"""Two models in turn: the order, what is left out, and what a known pace gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit.records import Conditions, NotMeasured, Speed
from audit.speed import Costs, Pass, interleaved

CONDITIONS = Conditions(
    device="cpu", processor="x", threads=1, dtype="float32", batch=2, prompt_tokens=100, decode_tokens=10,
    rounds=8,
)  # fmt: skip
UNREAD = NotMeasured("no counter")


def paced(calls: list[str], name: str, prefill: float, decode: float | None) -> Callable[[], Pass]:
    """A model that takes so long, more by a tenth from call to call of either."""

    def one_pass() -> Pass:
        calls.append(name)
        drift = 1.1 ** (len(calls) // 2)
        return Pass(prefill * drift, None if decode is None else decode * drift)

    return one_pass


def measured(decode: float | None = 3.0) -> tuple[Costs, list[str]]:
    calls: list[str] = []
    before, after = paced(calls, "original", 2.0, 1.0), paced(calls, "variant", 1.0, decode)
    return interleaved(before, after, CONDITIONS, UNREAD), calls


def test_a_ratio_is_the_variants_time_over_the_originals() -> None:
    prefill, decode, _ = interleaved(lambda: Pass(2.0, 1.0), lambda: Pass(1.0, 3.0), CONDITIONS, UNREAD)
    assert isinstance(prefill, Speed)
    assert isinstance(decode, Speed)
    assert (prefill.latency_ratio, prefill.interval.lower, prefill.interval.upper) == (0.5, 0.5, 0.5)
    assert decode.latency_ratio == 3.0


def test_tokens_a_second_are_those_of_all_sequences() -> None:
    prefill, decode, _ = interleaved(lambda: Pass(2.0, 1.0), lambda: Pass(1.0, 4.0), CONDITIONS, UNREAD)
    assert isinstance(prefill, Speed)
    assert isinstance(decode, Speed)
    assert (prefill.tokens_per_second, prefill.original_tokens_per_second) == (200, 100)
    assert (decode.tokens_per_second, decode.original_tokens_per_second) == (5, 20)


def test_the_models_take_turns_and_who_begins_changes() -> None:
    _, calls = measured()
    rounds = [tuple(calls[at : at + 2]) for at in range(0, len(calls), 2)]
    assert len(rounds) == 1 + CONDITIONS.rounds
    assert all(set(both) == {"original", "variant"} for both in rounds)
    assert [both[0] for both in rounds[1:]] == ["original", "variant"] * 4


def test_a_drift_of_the_machine_favours_neither() -> None:
    (prefill, *_), _ = measured()
    assert isinstance(prefill, Speed)
    assert prefill.interval.lower <= 0.5 <= prefill.interval.upper


def test_the_first_pass_of_each_does_not_count() -> None:
    passes = {"original": 0, "variant": 0}

    def slow_at_first(name: str) -> Callable[[], Pass]:
        def one_pass() -> Pass:
            passes[name] += 1
            return Pass(1000.0 if passes[name] == 1 else 1.0, 1.0)

        return one_pass

    prefill, *_ = interleaved(slow_at_first("original"), slow_at_first("variant"), CONDITIONS, UNREAD)
    assert isinstance(prefill, Speed)
    assert (prefill.interval.lower, prefill.interval.upper) == (1.0, 1.0)
    assert prefill.tokens_per_second == 200


def test_without_a_cache_decoding_is_not_measured() -> None:
    (prefill, decode, _), _ = measured(decode=None)
    assert isinstance(prefill, Speed)
    assert isinstance(decode, NotMeasured)


@pytest.mark.parametrize("rounds", [5, 11])
def test_as_many_rounds_as_the_conditions_say(rounds: int) -> None:
    calls: list[str] = []
    conditions = CONDITIONS.model_copy(update={"rounds": rounds})
    interleaved(paced(calls, "original", 1, 1), paced(calls, "variant", 1, 1), conditions, UNREAD)
    assert len(calls) == 2 * (rounds + 1)
