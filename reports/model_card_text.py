"""What a model card says under its metadata."""

from __future__ import annotations

from audit.records import AuditLog, Comparison, Level, NotMeasured, Suite, Variant
from reports import reading
from reports.badge import WORDS
from reports.disclaimer import DISCLAIMER, OF_A_MODEL
from reports.markdown_text import bits_and_size, code, head, inline, row
from reports.proof import contradictions
from reports.sections.compressed import method
from reports.sections.limits import POST_HOC, absent, unmeasured
from reports.sections.verdict import overall
from reports.units import Unit
from reports.wording import count


def body(log: AuditLog) -> str:
    """The card's Markdown."""
    parts = [_verdict(log), _artefacts(log), _results(log), _limits(log), _verify(log), ["", DISCLAIMER]]
    return "\n".join(line for part in parts for line in part) + "\n"


def _verdict(log: AuditLog) -> list[str]:
    title = inline(reading.model_title(log))
    lines = [f"# {title}, compressed", "", f"**{WORDS[log.decision]}.** {inline(overall(log))}"]
    if log.status == "stopped":
        lines += ["", f"The audit stopped: {inline(log.error or 'the log gives no reason')}"]
    if reading.post_hoc(log):
        lines += ["", POST_HOC]
    if note := log.config.model.note:
        lines += ["", f"Of the original: {inline(note)}"]
    return [*lines, "", "The licence and the terms of the original hold for what was made from it."]


def _artefacts(log: AuditLog) -> list[str]:
    """What was compressed, and how."""
    titles = (
        "Level",
        "Verdict",
        "Stored as",
        "Bits a weight",
        "Size",
        "Method, and the text that it looked at",
    )
    rows = [row(_artefact(log, level)) for level in reading.products(log)]
    lines = ["", "## What was compressed, and how", "", *head(titles, ("Bits a weight", "Size")), *rows]
    wrong = [sentence for variant in log.variants for sentence in contradictions(variant)]
    return [*lines, *(["", *(f"- {inline(one)}" for one in wrong)] if wrong else [])]


def _artefact(log: AuditLog, level: Level) -> list[str]:
    variant = reading.variant_of(log, level)
    verdict = f"**{WORDS[reading.decision_on(log, level)]}**"
    if variant is None:
        return [code(level.name), verdict, *["not made"] * 4]
    stored, made = inline(variant.stored_as), inline(method(variant))
    return [code(level.name), verdict, stored, *bits_and_size(variant), made]


def _results(log: AuditLog) -> list[str]:
    lines = ["", "## Results, each against the original on the same items"]
    for suite in log.config.suites:
        rows = [
            row(_result(log, one)) for level in log.config.levels for one in reading.wholes(log, suite, level)
        ]
        lines += ["", f"### {inline(suite.title)}", "", inline(suite.question), ""]
        lines += [*_head(suite), *rows] if rows else ["It was not compared."]
    return lines


def _head(suite: Suite) -> list[str]:
    numeric = ("Original", "Compressed", "Drop", "Its 90 % interval", "Margin", "Pairs")
    return head(("Level", "Metric", *numeric, "Decision"), numeric)


def _result(log: AuditLog, one: Comparison) -> list[str]:
    verdict = reading.verdict_on(log, one)
    both = reading.two_sided(log, one.suite, one.metric)
    margin = verdict.rule.margin if verdict else None
    unit = Unit(reading.kind_of(log, one.suite, one.metric), margin, two_sided=both)
    percent = " %" if unit.kind == "binary" else ""
    levels = [unit.level(value) for value in (one.before, one.after)]
    drop = unit.drop(one.difference)
    return [
        code(one.variant),
        inline(one.metric),
        *(inline(level) if isinstance(level, NotMeasured) else f"{level}{percent}" for level in levels),
        inline(drop) if isinstance(drop, NotMeasured) else f"{drop}{unit.name}",
        inline(unit.interval(one.interval)),
        "no rule" if margin is None else f"{unit.margin(margin)}{unit.name}",
        count(one.n_pairs),
        "no rule" if verdict is None else WORDS[verdict.decision],
    ]


def _limits(log: AuditLog) -> list[str]:
    lines = [f"- {inline(one.title)}: {inline(one.limits)}" for one in log.config.suites if one.limits]
    lines += [f"- {inline(line)}" for line in absent(log)]
    reasons = dict.fromkeys(gap.reason for _, gap in unmeasured(log))
    missing = ["", "Numbers that could not be had:", "", *(f"- {inline(reason)}" for reason in reasons)]
    return ["", "## Limits", "", OF_A_MODEL, "", *lines, *(missing if reasons else [])]


def _verify(log: AuditLog) -> list[str]:
    """How a reader gets the same digests and the same numbers."""
    lines = [
        "",
        "## How to verify",
        "",
        "`sha256sum` of each weight file has to give what stands here; the digest of an artefact is the "
        "sha256 over the lines `name NUL sha256 LF` of its files, sorted by name.",
        "",
        *head(("Artefact", "File", "sha256")),
    ]
    lines += [row(cells) for variant in log.variants for cells in _files(variant)]
    return [
        *lines,
        "",
        f"The log of the audit is `audit.json`, sha256 `{reading.log_sha256(log)}`; its policy "
        f"{code(log.config.policy)} has the sha256 `{log.config.policy_sha256}`. "
        f"Shrinkproof {inline(log.provenance.shrinkproof_version)} computes it again by "
        f"{code(log.provenance.command)}, and renders reports from the log alone by `shrinkproof report`.",
    ]


def _files(variant: Variant) -> list[list[str]]:
    own = [[code(variant.name), code(name), code(sha)] for name, sha in sorted(variant.files.items())]
    digest = variant.digest
    whole = inline(digest) if isinstance(digest, NotMeasured) else code(digest)
    return [*own, [code(variant.name), "all of them", whole]]
