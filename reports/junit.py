"""The verdicts as JUnit XML, for any CI: a test case a rule, a test suite a level.

The file holds a failure or an error exactly when the audit does not pass.
"""

from __future__ import annotations

from io import BytesIO

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from audit.records import AuditLog, CheckedRecovery, Level, Variant
from reports import card, reading
from reports.cases import Case, cases, trouble
from reports.wording import visible

FILE = "junit.xml"


def render(log: AuditLog) -> bytes:
    """The file, UTF-8. Nothing has a time, since a rule takes none."""
    found = {level.name: cases(log, level) for level in log.config.levels}
    suites = [_whole(log, [case for of_level in found.values() for case in of_level])]
    suites += [_suite(log, level, found[level.name]) for level in log.config.levels]
    xml = JUnitXml(visible(f"Shrinkproof: {reading.model_title(log)}"))
    for suite in suites:
        xml.append(suite)
    # junitparser's own counting adds times of 0.
    xml.tests, xml.failures, xml.errors = (
        sum(counts) for counts in zip(*((one.tests, one.failures, one.errors) for one in suites), strict=True)
    )
    file = BytesIO()
    xml.write(file)
    return file.getvalue()


def _whole(log: AuditLog, found: list[Case]) -> TestSuite:
    """What is wrong with the audit itself, and not with a level."""
    case = TestCase("the audit came to an end and something was judged", "audit")
    if wrong := trouble(log, found):
        case.append(Error(visible(wrong), log.status))
    return _counted(_named(log, "audit"), [case])


def _suite(log: AuditLog, level: Level, found: list[Case]) -> TestSuite:
    suite = _named(log, level.name)
    variant = reading.variant_of(log, level)
    for name, value in _artefact(variant) if variant else []:
        suite.add_property(visible(name), visible(value))
    claims = [_claim(log, one) for one in card.recoveries_of(log, level.name)]
    return _counted(suite, [*(_case(one) for one in found), *claims])


def _claim(log: AuditLog, one: CheckedRecovery) -> TestCase:
    """What a card says of a score: it has no say, so that it is skipped where it did not hold up."""
    case = TestCase(visible(f"card: {card.claim(log, one)}"), visible(one.suite))
    if one.outcome != "held up":
        case.append(Skipped(visible(f"{one.outcome}: {card.sentence(log, one)}"), one.outcome))
    return case


def _named(log: AuditLog, name: str) -> TestSuite:
    """A suite with what pins the audit."""
    suite = TestSuite(visible(name))
    suite.timestamp = visible(log.provenance.finished)
    properties = {
        "model": log.config.model.name,
        "model sha256": log.config.model.digest,
        "policy": log.config.policy,
        "policy sha256": log.config.policy_sha256,
        "config sha256": log.provenance.config_sha256,
        "audit.json sha256": reading.log_sha256(log),
        "shrinkproof": log.provenance.shrinkproof_version,
    }
    for key, value in properties.items():
        suite.add_property(key, visible(value))
    return suite


def _artefact(variant: Variant) -> list[tuple[str, str]]:
    """What pins a level's weights."""
    files = [(f"sha256 of {name}", digest) for name, digest in sorted(variant.files.items())]
    return [("artefact sha256", str(variant.digest)), *files]


def _case(one: Case) -> TestCase:
    case = TestCase(visible(one.title), visible(one.suite))
    if one.decision != "pass":
        result = _missed(one)
        result.text = visible(one.evidence)
        case.append(result)
    return case


def _missed(one: Case) -> FinalResult:
    """Red if it blocks: skipped is green in CI, so only what has no say may be that."""
    if one.mute:
        return Skipped(visible(f"{one.decision} ({one.mute}): {one.because}"), one.decision)
    kind = Failure if one.decision == "fail" else Error
    return kind(visible(one.because), one.decision)


def _counted(suite: TestSuite, found: list[TestCase]) -> TestSuite:
    for case in found:
        suite.append(case)
    suite.tests = len(found)
    suite.failures = sum(case.is_failure for case in found)
    suite.errors = sum(case.is_error for case in found)
    suite.skipped = sum(case.is_skipped for case in found)
    return suite
