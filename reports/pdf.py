"""The report as PDF: the HTML page, printed by a browser that is installed.

The one format that is not the same to the byte for the same log: browsers write the time and their version
into what they print, and lay text out as they please.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from audit.errors import ConfigError, ShrinkproofError
from audit.records import AuditLog
from reports import html

FILE = "report.pdf"
REPEATABLE = False
"""Whether the same log gives the same bytes."""
SECONDS = 120
"""After which the browser is ended: the page asks nobody for anything, so it hangs."""
COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
"""Where macOS keeps them, since they are not on the path there."""
VARIABLE = "CHROME_PATH"
"""Names the browser where it is none of those."""
_LAST_WORDS = 300
"""Characters of what a browser said before it failed."""


def render(log: AuditLog) -> bytes:
    """The file. Raises ConfigError where no browser is found, ShrinkproofError where it prints nothing."""
    browser = find_browser()
    # The browser may still write into its profile while the folder goes.
    with tempfile.TemporaryDirectory(prefix="shrinkproof-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        page, printed = folder / html.FILE, folder / FILE
        page.write_bytes(html.render(log))
        _print(_command(browser, page, printed, folder / "profile"), folder / "said.txt")
        if not printed.is_file():
            raise ShrinkproofError(
                f"{browser} printed no PDF: {_said(folder / 'said.txt')}. A browser from a snap or a flatpak "
                f"may not read temporary folders: name another one by {VARIABLE}, or print {html.FILE} from "
                "a browser."
            )
        return printed.read_bytes()


def find_browser() -> str:
    """Path of the browser that prints."""
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise ConfigError(
                f"{VARIABLE}={named}: no such program. Name a Chromium, Chrome or Edge, or unset it."
            )
        return found
    for candidate in (*COMMANDS, *APPLICATIONS):
        if found := shutil.which(candidate):
            return found
    raise ConfigError(
        "A PDF is printed by a browser, and none was found. Install Chromium, Chrome or Edge, name one by "
        f"{VARIABLE}, or open {html.FILE} in a browser and print it."
    )


def _command(browser: str, page: Path, printed: Path, profile: Path) -> list[str]:
    flags = [
        "--headless",
        "--disable-gpu",
        "--disable-dev-shm-usage",  # containers have little of it
        "--no-first-run",
        "--no-pdf-header-footer",
        f"--user-data-dir={profile}",
        f"--print-to-pdf={printed}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # as root Chromium starts in no other way
    return [browser, *flags, page.as_uri()]


def _print(command: list[str], said: Path) -> None:
    """Run the browser to its end. What it says goes to a file: its children would keep a pipe open."""
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise ShrinkproofError(
                f"{command[0]} did not print the report within {SECONDS} s and was ended. Print {html.FILE} "
                f"from a browser, or name another one by {VARIABLE}."
            ) from None
        finally:
            if process.poll() is None:
                _end(process)
    if code:
        raise ShrinkproofError(
            f"{command[0]} ended with {code} and printed no report: {_said(said)}. Print {html.FILE} from a "
            f"browser, or name another one by {VARIABLE}."
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser with all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _said(file: Path) -> str:
    """The end of what the browser said."""
    text = " ".join(file.read_text(encoding="utf-8", errors="replace").split())
    return text[-_LAST_WORDS:] or "it said nothing"
