"""All that CI runs, and the demo. Environments are reused: the first call installs, the next ones don't."""

from __future__ import annotations

import re
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]
LOCKED = "fixtures/locked.txt"
TOGETHER = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
"""All tests, file by file on as many processors; what one file sets up is set up once."""


@nox.session
def demo(session: nox.Session) -> None:
    """Compress a real model at four levels, measure, judge, and show the report."""
    session.install(".[gguf]")
    session.run("python", "fixtures/demo_model.py")
    # 1 and 3 are verdicts (a rule failed, not enough evidence), not accidents: 2 bits are meant to fail.
    session.run("shrinkproof", "run", "fixtures/demo.yaml", *session.posargs, success_codes=[0, 1, 3])


@nox.session
def vendors(session: nox.Session) -> None:
    """Three vendors' formats of a real model, one with false claims, which are caught; docs/vendors.md."""
    session.install("-e", ".[gguf,bitsandbytes]")
    session.run("python", "-m", "fixtures.vendors", *session.posargs)


@nox.session
def example(session: nox.Session) -> None:
    """docs/example-report out of the demo's run; takes an installed Chromium."""
    session.install("-e", ".[gguf]", "playwright")
    session.run("python", "fixtures/demo_model.py")
    session.run("shrinkproof", "run", "fixtures/demo.yaml", success_codes=[0, 1, 3])
    session.run("python", "-m", "fixtures.example_report", "runs/demo")


@nox.session
def tests(session: nox.Session) -> None:
    """Types, who may import whom, and all tests, on a tiny model that is trained here in about a minute.

    In one environment, since installing it takes minutes; with arguments, pytest alone.
    """
    session.install("-e", ".[dev,sigstore]", "-c", LOCKED)
    if not session.posargs:
        session.run("mypy")
        session.run("lint-imports")
    session.run("pytest", *(session.posargs or TOGETHER))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install("ruff>=0.13")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def minimums(session: nox.Session) -> None:
    """The tests on the oldest versions that pyproject allows."""
    session.install("-e", ".[dev]", "-c", "fixtures/minimums.txt")
    session.run("pytest", *(session.posargs or TOGETHER))


@nox.session
def newest(session: nox.Session) -> None:
    """The tests on the newest versions that pyproject allows, whatever is locked."""
    session.install("--upgrade", "-e", ".[dev,sigstore]")
    session.run("pytest", *(session.posargs or TOGETHER))


@nox.session(reuse_venv=False)
def lock(session: nox.Session) -> None:
    """The newest versions that pyproject allows, written to fixtures/locked.txt."""
    session.install("-e", ".[dev,sigstore]")
    frozen = session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True)
    head = "# What the tests run on: `nox -s lock` writes it anew from what pyproject.toml allows that day.\n"
    # A build's own label (+cpu) is on no other index
    Path(LOCKED).write_text(head + re.sub(r"(?m)\+\w+$", "", frozen))


@nox.session(reuse_venv=False)
def supply(session: nox.Session) -> None:
    """A wheel without extras, its start, its SBOM, and known holes in what is locked; `-- --offline`."""
    session.install("build", "cyclonedx-bom>=7", "pip-audit>=2.9")
    session.run("python", "-m", "build", "--wheel", "--outdir", "dist")
    session.run("python", "-m", "fixtures.reliability.supply", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Lines and branches of audit/ that the tests run, of all processes; below 95 % it fails."""
    session.install("-e", ".[dev,sigstore]", "coverage>=7.13")
    session.run("coverage", "run", "-m", "pytest", *(session.posargs or TOGETHER))
    session.run("coverage", "combine")
    session.run("python", "-m", "fixtures.coverage_summary")
    session.run("coverage", "report", "--skip-covered", "--show-missing")


@nox.session
def mutants(session: nox.Session) -> None:
    """Which changes of the statistics and the judge no test notices; `-- --all` tries all again, an hour."""
    session.install("-e", ".[dev]", "mutmut==3.8.1")
    session.run("python", "-m", "fixtures.mutants", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The scorer's speed, memory and growth against lm-eval, written to docs/performance.md."""
    session.install("-e", ".[gguf]")
    session.run("python", "-m", "fixtures.bench", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """The gate's false passes and power, written to docs/error-rates.md; about half an hour."""
    session.install("-e", ".")
    session.run("python", "-m", "fixtures.simulate", *session.posargs)


@nox.session
def real_flips(session: nox.Session) -> None:
    """The gate on a real model's real flips, written to docs/real-flips.md; `-- --data FOLDER`."""
    session.install("-e", ".[gguf]")
    session.run("python", "fixtures/demo_model.py")
    session.run("python", "-m", "fixtures.real_flips", *session.posargs)


@nox.session
def report_size(session: nox.Session) -> None:
    """How large a large report is and how fast it opens, into docs/report-size.md; takes a Chromium."""
    session.install("-e", ".", "playwright")
    session.run("python", "-m", "fixtures.report_size")


@nox.session
def search(session: nox.Session) -> None:
    """A search against a grid of full audits on a real model, written to docs/search.md; an hour."""
    session.install("-e", ".[gguf,search]")
    session.run("python", "fixtures/demo_model.py")
    session.run("python", "-m", "fixtures.search_bench", *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Time and memory of comparing and rendering over an audit's size, into docs/scale.md; `-- SIZE ...`."""
    session.install("-e", ".")
    session.run("python", "-m", "fixtures.scale", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """200 seeded faults in real audits of a tiny model, into soak.json; `-- --only KIND:SEED` for one."""
    session.install("-e", ".[dev]")
    session.run("python", "-m", "fixtures.soak", *session.posargs)


@nox.session
def cost(session: nox.Session) -> None:
    """What an audit of a large model costs, into docs/cost.md; `-- --data FOLDER`."""
    session.install("-e", ".[gguf]")
    session.run("python", "fixtures/demo_model.py")
    session.run("python", "-m", "fixtures.cost", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """A million bad inputs into all that reads files, into fixtures/reliability/fuzz.json; an hour."""
    session.install("-e", ".[gguf,onnxruntime]", "atheris")
    session.run("python", "-m", "fixtures.fuzz", *session.posargs)


@nox.session
def acceptance(session: nox.Session) -> None:
    """Vendors' formats, made by their libraries; every standard profile on a real model, against lm-eval."""
    builders = ("auto-round>=0.15", "onnxruntime-genai>=0.14", "onnx-ir")
    session.install("-e", ".[dev,gguf,bitsandbytes,torchao,onnxruntime]", *builders)
    session.run("pytest", "tests/acceptance", *session.posargs)


@nox.session
def methods(session: nox.Session) -> None:
    """Every method on a real model, written to docs/compression.md; `-- MODEL DATA`; about two hours."""
    session.install("-e", ".[gguf,llmcompressor]")
    session.run("python", "-m", "fixtures.methods", *session.posargs)
