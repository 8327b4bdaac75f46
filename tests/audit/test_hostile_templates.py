"""Chat templates of strangers: they write a prompt, in bounds, and do nothing else."""

from __future__ import annotations

import resource
import signal
import threading
from pathlib import Path

import pytest

from audit.errors import EvaluationError
from audit.harness import chat
from audit.harness.chat import ChatTemplate
from audit.loading import load_tokenizer
from audit.memory import STATUS

HISTORY = [{"role": "user", "content": "Hello"}]


def written(tiny: Path, template: str) -> str:
    tokenizer = load_tokenizer(tiny)
    tokenizer.chat_template = template
    return ChatTemplate(tokenizer).write(HISTORY)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('touch pwned') }}",
        "{{ messages.append(messages[0]) }}",
        "{% for _ in range(10**9) %}x{% endfor %}",
        "{% include '/etc/passwd' %}",
        "{{ raise_exception('no user here') }}",
        "{{ 1 / 0 }}",
        "{% for",
    ],
)
def test_what_the_sandbox_forbids_is_an_error_of_ours(tiny: Path, template: str) -> None:
    with pytest.raises(EvaluationError, match="chat template can't write a prompt"):
        written(tiny, template)


def test_loops_in_loops_are_stopped(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "SECONDS", 0.2)
    loop = "{% for _ in range(99999) %}"
    with pytest.raises(EvaluationError, match=r"TimeoutError: it takes more than 0\.2 seconds"):
        written(tiny, f"{3 * loop}{3 * '{% endfor %}'}")


@pytest.mark.skipif(not STATUS.exists(), reason="this system doesn't count what a process takes")
@pytest.mark.parametrize(
    "template", ["{{ 'x' * 10**11 }}", "{{ '%100000000000d' % 1 }}", "{{ 'x' | center(10**11) }}"]
)
def test_one_operation_takes_no_more_memory_than_a_prompt_may(tiny: Path, template: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(EvaluationError, match="takes more than 1 GiB for one prompt"):
        written(tiny, template)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_one_operation_that_takes_hours_is_stopped(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "SECONDS", 0.2)
    with pytest.raises(EvaluationError, match=r"TimeoutError: it takes more than 0\.2 seconds"):
        written(tiny, "{{ 10**(10**9) }}")


def test_a_prompt_without_end_is_refused(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST", 1000)
    with pytest.raises(EvaluationError, match="writes 1,001 characters"):
        written(tiny, "{{ 'x' * 1001 }}")


def test_an_alarm_that_runs_already_runs_on(tiny: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert written(tiny, "{{ messages[0].content }}") == "Hello"
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 0 < left <= 1000
        signal.raise_signal(signal.SIGALRM)
        assert heard == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_writes_in_another_thread_too(tiny: Path) -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(written(tiny, "{{ messages[0].content }}")))
    thread.start()
    thread.join()
    assert found == ["Hello"]
