"""The steps of action.yml and the script of the GitLab template, run as their runners would."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
REAL = f'#!/bin/sh\nexec "{sys.executable}" -c "from audit.cli import main; main()" "$@"\n'
"""The program itself, as a script in the environment that a job makes."""
RECORDED = """#!/bin/bash
printf '%s\\0' "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"
case "$1" in
  key) echo abc ;;
  run)
    while [[ "$1" != --out ]]; do shift; done
    mkdir -p "$2/variants" "$2/cells" && cd "$2"
    [[ "$CODE_OF_RUN" == 2 ]] || echo '{}' > audit.json
    echo '{}' > config.json; touch variants/weights cells/answers
    exit "$CODE_OF_RUN" ;;
  report) touch "$2"/report.{md,html,sarif} "$2/annotations.txt" "$2/junit.xml" ;;
  gate) exit "$CODE_OF_GATE" ;;
esac
"""
"""In its place: notes how it was called, and ends as it is told."""


def program(folder: Path, text: str) -> None:
    """Put a program in the place of what the job would install, and of what installs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, said in {
        "shrinkproof": text,
        "pip": '#!/bin/bash\nprintf "%s\\n" "$@" >> "$PIP_CALLS"\n',
    }.items():
        (folder / name).write_text(said)
        (folder / name).chmod(0o755)


@dataclass
class Workflow:
    """GitHub Actions: a checkout, the cache that outlives jobs, and the artefacts of the last one."""

    folder: Path
    text: str = REAL
    cache: dict[str, Path] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    """Names of the steps of the last job, in order."""

    def job(
        self,
        inputs: Mapping[str, str],
        *,
        event: str = "push",
        ref: str = "refs/heads/main",
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:
        """One job: exit code, outputs of the action, and what it printed."""
        checkout, temp = self.folder / "checkout", self.folder / "temp"
        shutil.rmtree(checkout / "shrinkproof-runs", ignore_errors=True)  # each job has a fresh checkout
        checkout.mkdir(parents=True, exist_ok=True)
        program(temp / "shrinkproof-venv" / "bin", self.text)
        program(self.folder / "bin", "")
        (self.folder / "bin" / "python").write_text("#!/bin/sh\n")
        (self.folder / "bin" / "python").chmod(0o755)
        self.uploaded, self.ran, said = [], [], ""
        asked = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | dict(inputs)
        asked["token"] = inputs.get("token", "")
        known: dict[str, Any] = {f"inputs.{name}": value for name, value in asked.items()}
        known |= {
            "github.action_path": str(ROOT), "github.event_name": event, "github.ref": ref,
            "github.event.repository.default_branch": "main", "runner.os": "Linux",
        }  # fmt: skip
        failed = 0
        for step in ACTION["runs"]["steps"]:
            if failed or not evaluated(step.get("if", "${{ true }}"), known):
                continue
            self.ran.append(step["name"])
            if "uses" in step:
                told = {key: filled(str(value), known) for key, value in step["with"].items()}
                known |= self._used(step["uses"], step.get("id", ""), told, checkout)
                continue
            output, summary = self.folder / "output", self.folder / "summary"
            output.write_text("")
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=checkout, capture_output=True, text=True, check=False, timeout=600,
                env={
                    **os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                    "RUNNER_TEMP": str(temp), "GITHUB_OUTPUT": str(output),
                    "CALLS": str(self.folder / "calls"), "GITHUB_STEP_SUMMARY": str(summary),
                    "PIP_CALLS": str(self.folder / "pip"),
                    **{key: filled(str(value), known) for key, value in step.get("env", {}).items()},
                    **(env or {}),
                },
            )  # fmt: skip
            said += done.stdout + done.stderr
            for line in output.read_text().splitlines():
                key, _, value = line.partition("=")
                known[f"steps.{step['id']}.outputs.{key}"] = value
            failed = 0 if step.get("continue-on-error") else done.returncode
        outputs = {name: filled(one["value"], known) for name, one in ACTION["outputs"].items()}
        return failed, outputs, said

    def _used(self, uses: str, step: str, told: Mapping[str, str], checkout: Path) -> dict[str, Any]:
        """What other people's actions do, as far as this one sees it."""
        action = uses.partition("@")[0]
        if action == "actions/cache/restore":
            keys = [told["key"], *told["restore-keys"].split()]
            found = next(
                (name for key in keys for name in reversed(self.cache) if name.startswith(key)), None
            )
            if found:
                shutil.copytree(self.cache[found], checkout, dirs_exist_ok=True)
            return {f"steps.{step}.outputs.cache-hit": str(found == told["key"]).lower()}
        if action == "actions/cache/save":
            kept = self.folder / "cache" / told["key"]
            for path in chosen(checkout, told["path"].split()):
                target = kept / path.relative_to(checkout)
                target.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
            self.cache[told["key"]] = kept
        if action == "actions/upload-artifact":
            self.uploaded = [path.name for path in chosen(checkout, told["path"].split())]
        return {}


def chosen(root: Path, patterns: list[str]) -> list[Path]:
    """Paths by patterns, of which later ones with ! leave out, as @actions/glob takes them."""
    found: list[Path] = []
    for pattern in patterns:
        if pattern.startswith("!"):
            left_out = str(root / pattern[1:])
            found = [path for path in found if not fnmatch.fnmatch(str(path), left_out)]
        else:
            found += sorted(root.glob(pattern))
    return found


def filled(text: str, known: Mapping[str, Any]) -> str:
    """A text with its ${{ expressions }}."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(_value(found[1], known)), text)


def evaluated(condition: str, known: Mapping[str, Any]) -> bool:
    """A step's `if`."""
    return bool(_value(condition.removeprefix("${{").removesuffix("}}"), known))


def _value(expression: str, known: Mapping[str, Any]) -> Any:
    named = re.sub(
        r"'[^']*'|\b(?:inputs|steps|github|runner)\.[\w.-]+",
        lambda found: found[0] if found[0].startswith("'") else repr(known.get(found[0], "")),
        expression.strip(),
    )
    python = named.replace("&&", " and ").replace("||", " or ").replace("true", "True")
    python = re.sub(r"'True'", "'true'", python)
    return eval(python, {"format": lambda text, *values: text.format(*values)})


def gitlab_job(inputs: Mapping[str, str]) -> dict[str, Any]:
    """The one job of the template, with inputs in their places."""
    header, body = (ROOT / "templates" / "shrinkproof.yml").read_text().split("\n---\n")
    spec = yaml.safe_load(header)["spec"]["inputs"]
    asked = {name: one.get("default") for name, one in spec.items()} | dict(inputs)
    assert None not in asked.values()

    def given(found: re.Match[str]) -> str:
        value = asked[found[1]]
        return str(value).lower() if isinstance(value, bool) else str(value)

    text = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", given, body)
    (job,) = yaml.safe_load(text).values()
    assert isinstance(job, dict)
    return job


def run_gitlab(folder: Path, inputs: Mapping[str, str], text: str, env: Mapping[str, str]) -> Any:
    """Run the job's script in a checkout; what lies in `shrinkproof-runs/kept` is its cache."""
    job = gitlab_job(inputs)
    program(folder / ".shrinkproof-venv" / "bin", text)
    script = "\n".join(["set -eo pipefail", *job["before_script"][1:], *job["script"]])
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env={
            **os.environ, "CALLS": str(folder / "calls"), "PIP_CALLS": str(folder / "pip"),
            **{key: str(value) for key, value in job["variables"].items()}, **env,
        },
    )  # fmt: skip
