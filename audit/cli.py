"""The command line: each command parses, makes one call, and turns the result into an exit code."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from audit.disk import disk_errors
from audit.errors import ConfigError, ShrinkproofError
from audit.hidden import without_secrets
from audit.memory import enough_for
from audit.quiet import quiet
from audit.visible import visible

if TYPE_CHECKING:
    from audit.records import AuditLog

# Each command imports what it uses: scipy and the nouns would make `--help` wait a second.

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}
UNUSABLE = 2
INTERRUPTED = 130
TERMINATED = 143
DEFECT = 70
IN_A_FILE = 200
"""Characters a line where no terminal says how many there are."""

suites = typer.Typer(help="Suites of your own.", no_args_is_help=True)
app = typer.Typer(
    name="shrinkproof",
    epilog=(
        "Exit codes: 0 every rule passed, 1 a rule failed, 2 unusable config or input, 3 inconclusive; "
        "70 a defect of ours, 130 interrupted, 143 terminated."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(suites, name="suite")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shrinkproof {version('shrinkproof')}")
        raise typer.Exit


@app.callback()
def every_command(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Proves what compression did to a language model."""


@app.command()
def run(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; flags override it.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder, or org/name@revision.", show_default=False)
    ] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="Level; repeat, mildest first.", show_default=False)
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(help="Somebody's compressed model: folder, file or name; repeat.", show_default=False),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Text of the methods that look at text.", show_default=False)
    ] = None,
    suite: Annotated[list[str] | None, typer.Option(help="Suite; repeat.", show_default=False)] = None,
    profile: Annotated[
        str | None, typer.Option(help="Official tasks: quick, standard or full.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Items per task.", show_default=False)] = None,
    out: Annotated[str | None, typer.Option(help="Run folder.", show_default=False)] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Run folder of an earlier audit: what is provably the same is taken from there.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all draws.", show_default=False)] = None,
    policy: Annotated[
        str | None, typer.Option(help="strict, standard, research, or a YAML file.", show_default=False)
    ] = None,
    executor: Annotated[
        str | None, typer.Option(help="Who scores: local or ray.", show_default=False)
    ] = None,
    noise: Annotated[
        bool | None,
        typer.Option("--noise", help="Measure the original in bfloat16 as well.", show_default=False),
    ] = None,
    allow_pickle: Annotated[
        bool | None,
        typer.Option("--allow-pickle", help="Accept weights in pickle files.", show_default=False),
    ] = None,
    trust_remote_code: Annotated[
        bool | None,
        typer.Option("--trust-remote-code", help="Run code that ships with the model.", show_default=False),
    ] = None,
) -> None:
    """Compress, evaluate, compare, judge and report; go on where a killed run left off."""
    from audit.config import load_config
    from audit.console import TerminalProgress, print_verdicts
    from audit.pipeline import run_audit

    settings = load_config(
        config, model=model, levels=level or None, candidates=candidate or None,
        calibration=calibration, suites=suite or None, profile=profile, limit=limit, out=out, seed=seed,
        baseline=baseline, policy=policy, executor=executor, noise=noise, allow_pickle=allow_pickle,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    console = Console()
    # The progress holds the real stderr, since quiet() takes sys.stderr away from the libraries.
    with TerminalProgress(Console(file=sys.stderr)) as progress:
        with quiet():
            log = run_audit(settings, progress=progress, command=shlex.join(["shrinkproof", *sys.argv[1:]]))
        progress.stage("writing the report")
        report_path = _render(log, Path(settings.out), "html")
    print_verdicts(console, log)
    console.print(f"Report: {report_path}", soft_wrap=True)
    raise typer.Exit(EXIT_CODES[log.decision])


@app.command()
def compress(
    config: Annotated[Path, typer.Argument(help="YAML file of the audit.")],
    level: Annotated[
        list[str] | None, typer.Option(help="Level; repeat, mildest first.", show_default=False)
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Text of the methods that look at text.", show_default=False)
    ] = None,
    out: Annotated[str | None, typer.Option(help="Run folder.", show_default=False)] = None,
) -> None:
    """Make and check the compressed models alone; `run` goes on from them."""
    from audit.config import load_config
    from audit.console import TerminalProgress, print_variants
    from audit.pipeline import make_variants

    settings = load_config(config, levels=level or None, calibration=calibration, out=out)
    with TerminalProgress(Console(file=sys.stderr)) as progress, quiet():
        variants = make_variants(settings, progress=progress)
    print_variants(Console(), variants)


@app.command()
def search(
    config: Annotated[Path, typer.Argument(help="YAML file of the audit; `search:` narrows what is tried.")],
    size: Annotated[str | None, typer.Option(help="Bytes on disk: 100MB.", show_default=False)] = None,
    memory: Annotated[
        str | None, typer.Option(help="Bytes of weights and cache: 1GB.", show_default=False)
    ] = None,
    bits: Annotated[
        float | None, typer.Option(help="Bits a weight, of all weights.", show_default=False)
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Times as fast as the original at decoding.", show_default=False)
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(help="Text to compare levels on, and to calibrate.", show_default=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Items per task.", show_default=False)] = None,
    out: Annotated[str | None, typer.Option(help="Run folder.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all draws.", show_default=False)] = None,
) -> None:
    """Find the most compressed level that passes every rule; go on where a killed search left off.

    One quantity is made small; the number is what it is to reach. The exit code is 0 if a level does, 1 if
    none passes within it, and 3 if that is open.
    """
    from audit.config import load_config
    from audit.console import TerminalProgress, print_search
    from audit.goals import goal as search_goal
    from audit.search import search as found_by_search

    goal = search_goal(size=size, memory=memory, bits=bits, speed=speed)
    settings = load_config(config, goal=goal, calibration=calibration, limit=limit, out=out, seed=seed)
    console = Console(width=None if sys.stdout.isatty() else IN_A_FILE)
    with TerminalProgress(Console(file=sys.stderr)) as progress:
        with quiet():
            command = shlex.join(["shrinkproof", *sys.argv[1:]])
            log = found_by_search(settings, progress=progress, command=command)
        progress.stage("writing the report")
        report_path = _render(log, Path(settings.out), "html")
    print_search(console, log)
    console.print(f"Report: {report_path}", soft_wrap=True)
    raise typer.Exit(EXIT_CODES[log.decision])


@app.command()
def plan(
    config: Annotated[Path, typer.Argument(help="YAML file of the audit.")],
    flips: Annotated[float, typer.Option(help="Expected share of answers that change either way.")] = 0.1,
    pilot: Annotated[
        Path | None, typer.Option(help="Run folder whose flips to expect instead.", show_default=False)
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Items per task.", show_default=False)] = None,
) -> None:
    """Say what an audit could decide and what it would cost, before it runs.

    The exit code is 3 if a rule could only end inconclusive.
    """
    from audit.config import load_config
    from audit.console import TerminalProgress, print_plan
    from audit.plan import plan as plan_audit
    from audit.store import read_log

    if not 0 < flips <= 1:
        raise ConfigError(f"--flips {flips:g}: a share of answers, so above 0 and at most 1.")
    settings = load_config(config, limit=limit)
    with TerminalProgress(Console(file=sys.stderr)) as progress, quiet():
        found = plan_audit(settings, flips=flips, pilot=read_log(pilot) if pilot else None, progress=progress)
    print_plan(Console(), found)
    raise typer.Exit(
        EXIT_CODES["inconclusive"] if any(one.hopeless for one in (*found.rules, *found.held_out)) else 0
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Run folder, or its audit.json.")],
    format: Annotated[
        list[str] | None, typer.Option(help="Formats, by commas or repeated.", show_default="html")
    ] = None,
) -> None:
    """Render a run's report again, from its log alone."""
    from audit.store import read_log

    log = read_log(run)
    for name in ",".join(format or ["html"]).split(","):
        typer.echo(_render(log, run, name.strip()))


@app.command()
def gate(
    run: Annotated[Path, typer.Argument(help="Run folder, or its audit.json.")],
    policy: Annotated[
        str | None, typer.Option(help="Judge by this policy instead: post hoc.", show_default=False)
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="Run folder of a baseline: only what got worse since counts.", show_default=False),
    ] = None,
) -> None:
    """Judge a run again, from its log alone; the exit code is the verdict.

    Another policy than the one that was registered before the run makes the verdict exploratory. Since a
    baseline, the exit code is that of `diff`: 1 if a promise fails that did not, 3 if one is open now.
    """
    from audit.console import print_since, print_verdicts
    from audit.pipeline import gate as judge_again
    from audit.store import log_sha256

    if since and policy:
        raise ConfigError("--since holds verdicts against each other as both runs gave them: drop --policy.")
    log = judge_again(run, policy)
    if policy:
        typer.echo(
            f"Post hoc: policy '{policy}' was not fixed before the run, so this verdict is exploratory."
        )
    print_verdicts(Console(), log)
    typer.echo(f"Judged from the log with sha256 {log_sha256(run)}.")
    if since is None:
        raise typer.Exit(EXIT_CODES[log.decision])
    from audit.diff import diff as changed

    found = changed(since, run)
    print_since(Console(), found)
    raise typer.Exit(EXIT_CODES[found.decision])


@app.command()
def key(config: Annotated[Path, typer.Argument(help="YAML file of the audit.")]) -> None:
    """Print a digest of all that determines a run, as the name under which a CI keeps its results."""
    from audit.config import load_config
    from audit.key import run_key

    settings = load_config(config)
    with quiet():
        found = run_key(settings)
    typer.echo(found)


@app.command()
def comment(
    run: Annotated[Path, typer.Argument(help="Run folder, or its audit.json.")],
    since: Annotated[
        Path | None, typer.Option(help="Run folder of a baseline, to say what changed.", show_default=False)
    ] = None,
    name: Annotated[
        str, typer.Option(help="Of this audit, where several comment on one change.", show_default=False)
    ] = "",
) -> None:
    """Write the short report on the pull or merge request of this CI job, or bring it up to date."""
    from audit.comment import comment as commented

    typer.echo(commented(run, since, name))


@app.command()
def history(
    folder: Annotated[Path, typer.Argument(help="Folder that holds run folders, however deep.")],
    model: Annotated[
        str | None, typer.Option(help="Part of the original's name.", show_default=False)
    ] = None,
    level: Annotated[list[str] | None, typer.Option(help="Level; repeat.", show_default=False)] = None,
    suite: Annotated[list[str] | None, typer.Option(help="Suite; repeat.", show_default=False)] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write: .html, .csv, .parquet or .json.", show_default=False)
    ] = None,
) -> None:
    """List many audits in one table: models, releases, levels, sizes, decisions, drops by suite.

    Runs that can't be read are named on stderr and left out.
    """
    from audit.catalogue import Catalogue
    from audit.console import print_history

    with Catalogue.of(folder) as catalogue:
        for one in catalogue.skipped:
            typer.echo(visible(f"shrinkproof: left out {one}"), err=True)
        chosen = catalogue.chosen(model=model, levels=level or (), suites=suite or ())
        if out is not None:
            catalogue.write(chosen, out)
        print_history(Console(width=None if sys.stdout.isatty() else IN_A_FILE), catalogue.rows(chosen))


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="Run folder of the last release, or its audit.json.")],
    after: Annotated[Path, typer.Argument(help="The same, of this one.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write too: .html or .md.", show_default=False)
    ] = None,
) -> None:
    """Say what changed since the last release: promises, answers, artefacts, settings. Prints Markdown.

    The exit code is 1 if a promise fails that did not, and 3 if one that was kept is open now or gone.
    """
    from audit import registry
    from audit.diff import diff as changed
    from audit.store import write_file

    ending = out.suffix.removeprefix(".") if out else "md"
    render = registry.diff_format(ending).render
    found = changed(before, after)
    if out is not None:
        write_file(out, render(found))
    typer.echo(registry.diff_format("md").render(found).decode(), nl=False)
    raise typer.Exit(EXIT_CODES[found.decision])


@app.command()
def reproduce(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the repetition.", show_default="RUN-again")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Of a number below 1 so far, of a larger one this share.", show_default="0.001"),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run code and ask servers that the log names.", show_default=False)
    ] = False,
) -> None:
    """Run again what a run's log says, from nothing, and say which numbers come out the same.

    The exit code is 1 if one does not, and 3 if the answers are not there to be compared.
    """
    from audit.console import TerminalProgress, print_reproduction
    from audit.reproduce import TOLERANCE
    from audit.reproduce import reproduce as reproduced

    tolerance = TOLERANCE if tolerance is None else tolerance
    if not tolerance >= 0:
        raise ConfigError(f"--tolerance {tolerance:g}: a distance, so 0 or above.")
    with TerminalProgress(Console(file=sys.stderr)) as progress, quiet():
        found = reproduced(run, out, tolerance, progress, trust=trust)
    print_reproduction(Console(), found)
    raise typer.Exit(1 if not found.agrees else EXIT_CODES["inconclusive"] if found.unread else 0)


@app.command()
def sign(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    key: Annotated[
        Path | None, typer.Option(help="Private key, a PEM file (EC or Ed25519).", show_default=False)
    ] = None,
    keyless: Annotated[
        bool,
        typer.Option(
            "--keyless", help="As this CI job, or as you in a browser, by Sigstore.", show_default=False
        ),
    ] = False,
) -> None:
    """Sign a run's log, answers, reports and weights.

    By a key nothing leaves this machine; keyless, who signed and the digest go into Sigstore's public log.
    """
    from audit.signing import sign as signed

    if (key is None) is not keyless:
        raise ConfigError("sign by --key KEY.pem or --keyless, one of them.")
    typer.echo(signed(run, key))


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    key: Annotated[
        Path | None, typer.Option(help="Public key, a PEM file.", show_default="no such signature is checked")
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            help="Who has to have signed keyless: e-mail address, or URL of a workflow with its ref.",
            show_default="no such signature is checked",
        ),
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="URL of who vouched for the identity.", show_default=False)
    ] = None,
) -> None:
    """Check signature, log, answers, reports and weights, and name what was changed, and where.

    The exit code is 1 if something was, and 3 if something could not be checked.
    """
    from audit.signing import Who
    from audit.signing import verify as verified

    if (identity is None) is not (issuer is None):
        raise ConfigError("--identity and --issuer belong together: anybody can vouch for a name.")
    who = Who(identity, issuer) if identity and issuer else None
    found = verified(run, key, who)
    for one in found:
        if one.finding != "holds":
            typer.echo(visible(f"{one.finding.upper()}: {one.what} {one.because}"))
    held = sum(one.finding == "holds" for one in found)
    typer.echo(f"{held} of {len(found)} hold.")
    findings = {one.finding for one in found}
    raise typer.Exit(1 if "lies" in findings else EXIT_CODES["inconclusive"] if len(findings) > 1 else 0)


@app.command()
def watch(
    run: Annotated[Path, typer.Argument(help="Run folder; its run may still go on.")],
    every: Annotated[
        float | None, typer.Option(help="Seconds; print again until Ctrl-C.", show_default=False)
    ] = None,
) -> None:
    """Show the evidence so far by e-processes, which hold whenever you look and whenever you stop.

    It is no verdict: the looks that were planned decide that.
    """
    from audit.console import print_watched
    from audit.watch import watch as watched

    if every is not None and not every > 0:
        raise ConfigError(f"--every {every:g}: seconds, so above 0.")
    print_watched(Console(), watched(run))
    while every is not None:
        time.sleep(every)
        print_watched(Console(), watched(run))


@app.command()
def compare(
    before: Annotated[
        str, typer.Argument(help="Run folder (runs/x or runs/x:level), or lm-eval's --output_path.")
    ],
    after: Annotated[str, typer.Argument(help="The same, of the changed model.")],
    metric: Annotated[
        str | None, typer.Option(help="lm-eval's name of a metric per item.", show_default="acc")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Task; repeat.", show_default="all in both")] = None,
    margin: Annotated[float | None, typer.Option(help="Non-inferiority margin.", show_default="0.03")] = None,
    alpha: Annotated[float | None, typer.Option(help="Error of a false pass.", show_default="0.05")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.", show_default=False)] = None,
) -> None:
    """Compare two results that exist already: runs of ours, or what lm-eval wrote with --log_samples."""
    from audit.console import print_side_by_side
    from audit.side_by_side import compare_existing

    found = compare_existing(before, after, metric=metric, tasks=task or (), margin=margin, alpha=alpha)
    if out is not None:
        found.write(out)
    print_side_by_side(Console(width=None if sys.stdout.isatty() else IN_A_FILE), found)
    raise typer.Exit(EXIT_CODES[found.decision])


@suites.command("new")
def new_suite(
    name: Annotated[str, typer.Argument(help="What it is called in configs and reports.")],
    items: Annotated[
        Path, typer.Argument(help="CSV, JSON lines or parquet: question, choices, answer, group.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder to make.", show_default="its name")] = None,
) -> None:
    """Check your own questions, and make a suite of them that any config can name."""
    from audit.suite_entry import write_suite

    folder, count = write_suite(name, items, out or Path(name))
    typer.echo(
        f"{count} questions in {folder}. Audit by --suite {folder}, or `suites: [{folder}]` in a config."
    )


@app.command("list")
def list_parts(
    what: Annotated[str, typer.Argument(help="levels, suites, perturbations, formats or frameworks")],
) -> None:
    """List what can be named in a config."""
    from audit import registry
    from audit.frameworks import installed

    if what == "levels":
        for name, level in registry.presets().items():
            typer.echo(f"{name:18} {registry.compressor(level.method).TITLE} {level.options or ''}")
    elif what == "suites":
        for name in registry.names("audit.suites"):
            typer.echo(f"{name:16} {registry.suite(name).question}")
    elif what == "perturbations":
        for name, what_it_does in registry.perturbations().items():
            typer.echo(f"{name:19} {what_it_does}")
    elif what == "formats":
        for name in registry.names("audit.report_formats"):
            typer.echo(f"{name:12} {registry.report_format(name).FILE}")
    elif what == "frameworks":
        for one in installed():
            typer.echo(f"{one.id:16} {one.title}: {one.version}, as of {one.as_of}")
    else:
        known = ["levels", "suites", "perturbations", "formats", "frameworks"]
        raise ConfigError(registry.unknown("list", what, known))


def _render(log: AuditLog, run: Path, name: str) -> Path:
    """Write a report; what it lacks is said on stderr and changes no exit code, which is the verdict's."""
    from audit import registry
    from audit.store import write_report

    made = registry.report_format(name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        path = write_report(run, made.FILE, made.render(log))
    for one in said:
        typer.echo(visible(f"shrinkproof: {one.message}"), err=True)
    return path


def main() -> None:
    """Entry point of `shrinkproof`: an unusable input is one line on stderr and exit code 2."""
    terminated: list[int] = []
    try:
        with _stopping(terminated), disk_errors(None), enough_for("shrinkproof"):
            app()
    except ShrinkproofError as error:
        typer.echo(visible(f"shrinkproof: {error}"), err=True)
        sys.exit(UNUSABLE)
    except Exception:
        # A crash must not exit with 1, which says that a rule failed.
        typer.echo(visible(without_secrets(traceback.format_exc())), err=True)
        typer.echo(
            "shrinkproof: this is a defect of ours. Finished cells are kept; please report it.", err=True
        )
        sys.exit(DEFECT)
    except SystemExit as leave:
        if leave.code == INTERRUPTED:
            typer.echo(
                "shrinkproof: stopped. The same command goes on from the last finished cell.", err=True
            )
        if leave.code == INTERRUPTED and terminated:
            sys.exit(TERMINATED)
        raise


@contextlib.contextmanager
def _stopping(terminated: list[int]) -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does, and is noted; a second one ends the process at once."""

    def stop(number: int, _: Any) -> None:
        terminated.append(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt("SIGTERM")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
