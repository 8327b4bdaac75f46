"""Sections as their packages draw them; one that fails costs its own place and not the page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from dataclasses import replace

from audit import registry
from audit.records import AuditLog
from reports.section import Section
from reports.templating import draw
from reports.wording import anchor

GROUP = "audit.report_sections"


class SectionLost(UserWarning):
    """A section could not be drawn: the page has the reason in its place."""


def own(name: str, log: AuditLog) -> Section:
    """A section of ours."""
    return _or_why(name, name, lambda: _drawn(name, log))


def foreign(name: str, log: AuditLog, taken: Collection[str]) -> Section:
    """A section of another package, which it names; `taken` are the anchors of the others."""

    def marked() -> Section:
        made = _drawn(name, log)
        if made.id in taken:
            raise ValueError(f"its id '{made.id}' is taken by another section: choose one of your own")
        package = registry.packages(GROUP, name)
        return replace(made, html=draw("foreign.html.j2", package=package, html=made.html))

    return _or_why(name, f"failed-{anchor(name)}", marked)


def _drawn(name: str, log: AuditLog) -> Section:
    made = registry.report_section(name)(log)
    if not isinstance(made, Section):
        raise TypeError(f"it gives a {type(made).__name__}: give a reports.section.Section")
    for part in (made.id, made.title, made.html):
        if not isinstance(part, str):
            raise TypeError(f"its id, title or html is a {type(part).__name__}: give text")
        part.encode()  # a lone surrogate would be found when the page is written, and cost all of it
    return made


def _or_why(name: str, id_: str, made: Callable[[], Section]) -> Section:
    """The section, or one that says why there is none: nothing that was computed may be lost by it."""
    try:
        return made()
    except Exception as error:
        package = registry.packages(GROUP, name) or "no package"
        reason = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"Section '{name}' of {package} is missing from the report: {reason}", SectionLost, stacklevel=2
        )
        return Section(id_, name, draw("lost.html.j2", package=package, reason=reason))
