"""YAML and flags → AuditConfig: the only place where names are looked up and models are pinned."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from audit import claims, engine, registry, search_space, weights
from audit.device_profile import load_profile
from audit.errors import ConfigError, ModelError
from audit.frameworks import load_framework
from audit.pinning import COMMIT, ONE_FILE, ModelEntry, expanded, file_digest, found_file, pinned_model
from audit.policy import load_policy
from audit.records import (
    AuditConfig,
    Budget,
    Claim,
    DeviceMap,
    Endpoint,
    Engine,
    ExecutorRef,
    Level,
    ModelRef,
    Rule,
    SearchPlan,
    Suite,
    Written,
)
from audit.suite_entry import SuiteEntry, suites_of
from audit.vendor_card import NO_CARD, load_card
from audit.yaml_lines import KeyPath, Lines, explain, place, read_yaml

DEFAULT_LEVELS = ("control", "int8", "int4")
NOISE = Level(name="control-bf16", method="copy", options={"dtype": "bfloat16"})
DEFAULT_SUITES = ("accuracy", "bias", "robustness", "forgetting", "safety")

HOLDOUT = 0.3
"""Share of the items that a search holds out where the config does not say."""

ENGINE = str(Engine.model_fields["name"].default)
_LEVEL_NAME = re.compile(r"[\w.-]+")


class Promises(Written):
    """`claims:` of a candidate: what its maker says, to be checked in its files."""

    bits: Annotated[float, Field(gt=0)] | None = None
    """Of a compressed weight; where it is given, the name is not read."""
    sparsity: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of zeros in the linear layers."""
    pattern: Literal["2:4"] | None = None


class CandidateEntry(ModelEntry):
    """`candidates:` written as mappings: a folder, a GGUF file or a name on the hub, and its name here."""

    model: str
    endpoint: str | None = None
    """The URL of an OpenAI-compatible server; `model` is the name there then."""
    name: str = ""
    """In tables; none: the last part of `model`."""
    claims: Promises = Promises()
    card: str | None = None
    """YAML file, relative to the config, with what its maker's card says: see `audit.vendor_card`."""


LevelEntry = str | dict[str, Any]


class SearchEntry(Written):
    """`search:`: what is given here narrows the plan; see `SearchPlan` for what is not."""

    methods: tuple[str, ...] | None = None
    bits: tuple[int, ...] | None = None
    group_sizes: tuple[int, ...] | None = None
    symmetric: tuple[bool, ...] | None = None
    raised: tuple[float, ...] | None = None
    raised_by: tuple[int, ...] | None = None
    shares: tuple[float, ...] | None = None
    trials: int | None = None
    audits: int | None = None
    winners: int | None = None
    tokens: int | None = None


class ConfigFile(Written):
    """The keys of the YAML file. What is not given falls to the defaults of `AuditConfig`."""

    model: str | ModelEntry
    candidates: tuple[str | CandidateEntry, ...] = ()
    """Models that somebody else compressed: each a folder, a GGUF file, org/name@revision, or
    org/name@revision:file.gguf."""
    levels: tuple[LevelEntry | list[LevelEntry], ...] | None = None
    """None: control, int8 and int4, or the control alone beside candidates. Each a short name, a mapping with
    `method:`, or a chain: a list of those, or short names with + between them, each made from the one
    before."""
    calibration: str | None = None
    """The text of the levels that look at text and name none: see `Calibrated`."""
    suites: tuple[str | SuiteEntry, ...] = DEFAULT_SUITES
    profile: str | None = None
    """`quick`, `standard` or `full`: official tasks in the place of the probes of the suites of ours."""
    rules: tuple[Rule, ...] = ()
    data_dir: str | None = None
    """Folder with local copies of official tasks' data, relative to the config file: see `Suite`."""
    revisions: dict[str, str] = Field(default_factory=dict)
    """Commits of tasks' data sets on the hub, by their names; of others the newest are read, or without a
    network what lies here, and their commits are in the log."""
    policy: str = "standard"
    """`strict`, `standard`, `research`, or a YAML file."""
    budgets: tuple[Budget, ...] = ()
    device_profile: str | None = None
    """`phone`, `car`, `browser`, `server`, or a YAML file."""
    efficiency: bool = False
    """Whether to measure memory and speed though no budget is about them."""
    sequential: bool = True
    """Whether to look at the data early and stop what is decided."""
    looks: int | None = None
    noise: bool = False
    """Whether to measure the original in bfloat16 as well: how much does precision alone change?"""
    limit: int | None = None
    holdout: float | None = None
    """Share of each task's items kept aside, to confirm on them the best of the variants alone."""
    seed: int | None = None
    batch_size: int | None = None
    pack_tokens: int | None = None
    dtype: str | None = None
    device: str | None = None
    threads: int | None = None
    frameworks: tuple[str, ...] = ()
    """YAML files of clauses, such as a company's own policy: see `Framework`."""
    search: SearchEntry = SearchEntry()
    """What `shrinkproof search` may choose from; no other command looks at it."""
    device_map: str | DeviceMap | None = None
    """`auto`, or a mapping: see `DeviceMap`."""
    executor: str | dict[str, Any] = "local"
    """`local`, `ray`, or a mapping of `name:` and its options: see `audit.executors`."""
    engine: str | dict[str, Any] | None = None
    """`vllm`, or a mapping of `name:` and its options: see `Engine`."""
    out: str | None = None
    cache: str | None = None
    baseline: str | None = None
    """Run folder of an earlier audit: what is provably the same is taken from there."""
    history: str | None = None
    """Folder of past audits: those of the same model are shown as a trend."""


def load_config(
    source: Path | Mapping[str, Any] | None, *, goal: Budget | None = None, **flags: Any
) -> AuditConfig:
    """The config of a YAML file (or a mapping of the same keys), flags laid over it.

    Flags are keys of `ConfigFile`, and `allow_pickle` and `trust_remote_code` of the model; None
    means not given. With a `goal` it is the config of a search: it has no levels but the controls that it
    names, and a share of the items is held out. Raises ConfigError or ModelError naming the line, the value
    and the way out.
    """
    if isinstance(source, Path):
        data, lines = read_yaml(source, "config file", "`model:` and `levels:`")
        home, where = source.parent, str(source)
    else:
        data, lines, home, where = dict(source or {}), {}, Path(), "the config"
    data = _with_flags(data, {key: value for key, value in flags.items() if value is not None})
    parsed = _parse(data, lines, where)
    levels: tuple[Level, ...] = (NOISE,) if parsed.noise else ()
    usual = ("control",) if parsed.candidates else DEFAULT_LEVELS
    for i, entry in enumerate(usual if parsed.levels is None else parsed.levels):
        found = _located(
            lines, where, ("levels", i), lambda entry: _levels(entry, home, parsed.calibration), entry
        )
        shared = levels if len(found) > 1 else ()  # chains may begin alike
        levels += tuple(level for level in found if level not in shared)
    suites: tuple[Suite, ...] = ()
    for i, suite in enumerate(parsed.suites):
        suites += _located(
            lines, where, ("suites", i),
            lambda suite: suites_of(suite, home, parsed.data_dir, parsed.profile), suite,
        )  # fmt: skip
    levels += tuple(
        _located(lines, where, ("candidates", i), lambda entry: _candidate(entry, home, suites), entry)
        for i, entry in enumerate(parsed.candidates)
    )
    for name, commit in parsed.revisions.items():
        if not COMMIT.fullmatch(commit):
            raise ConfigError(
                f"revisions: {name}: {commit!r} is no commit. Give its 40 digits: tags and branches can move."
            )
    suites = tuple(suite.model_copy(update={"revisions": parsed.revisions}) for suite in suites)
    _check_unique("level", [level.name for level in levels] + ["original"])
    _check_unique("suite", [suite.name for suite in suites])
    policy = load_policy(parsed.policy, home)
    device = None
    if parsed.device_profile is not None:
        place = ("device_profile",)
        device = _located(lines, where, place, lambda name: load_profile(name, home), parsed.device_profile)
    frameworks = tuple(
        _located(lines, where, ("frameworks", i), lambda name: load_framework(home / name), name)
        for i, name in enumerate(parsed.frameworks)
    )
    _check_unique("framework", [one.id for one in frameworks])
    executor = _located(lines, where, ("executor",), _executor, parsed.executor)
    chosen = _located(lines, where, ("engine",), _engine, parsed.engine)
    own = tuple(
        _located(lines, where, ("rules", i), lambda entry: policy.complete(entry, suites), entry)
        for i, entry in enumerate(parsed.rules)
    )
    rules = (*own, *policy.others(own, suites))
    elsewhere = {
        "model",
        "candidates",
        "calibration",
        "data_dir",
        "revisions",
        "profile",
        "levels",
        "suites",
        "rules",
        "budgets",
        "device_profile",
        "executor",
        "engine",
        "frameworks",
        "sequential",
        "noise",
        "search",
    }
    given = parsed.model_dump(exclude=elsewhere, exclude_none=True)
    if not parsed.sequential:
        given["looks"] = 1
    if isinstance(parsed.device_map, str):
        given["device_map"] = {"policy": parsed.device_map}
    budgets = (*policy.budgets, *parsed.budgets, *(device.budgets if device else ()))
    if goal is not None:
        if parsed.candidates:
            raise ConfigError("a search makes its levels itself: leave `candidates:` out, or use `run`.")
        levels = tuple(level for level in levels if level.is_control) if parsed.levels else ()
        if device is not None and goal.context is not None:
            goal = goal.model_copy(update={"context": device.context})
        plan = _located(
            lines, where, ("search",), lambda entry: _plan(entry, goal, home, parsed), parsed.search
        )
        given = {"holdout": HOLDOUT, **given, "search": plan}
        budgets = (*budgets, goal)
    try:
        config = AuditConfig(
            model=_model(parsed.model, home), levels=levels, suites=_clustered(suites, rules), rules=rules,
            budgets=budgets, device_profile=device, executor=executor, engine=chosen, frameworks=frameworks,
            **given,
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError(explain(error, lines, where, _keys_beside)) from None
    if config.device_map is not None and config.measures_efficiency:
        raise ConfigError(
            f"{where}: `device_map`: speed and memory are measured on one device. Leave out either that or "
            "`efficiency: true` and the budgets on speed and memory."
        )
    _located(lines, where, ("engine",), engine.check, config)
    return config


# Reading


def _with_flags(data: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    trust = {key: flags.pop(key) for key in ("allow_pickle", "trust_remote_code") if key in flags}
    merged = {**data, **flags}
    if trust and "model" in merged:
        model = merged["model"]
        merged["model"] = {**({"name": model} if isinstance(model, str) else model), **trust}
    return merged


def _parse(data: dict[str, Any], lines: Lines, where: str) -> ConfigFile:
    if "model" not in data:
        raise ConfigError(
            f"{where} names no model. Add `model:` (a folder, or org/name@revision), or use --model."
        )
    try:
        return ConfigFile.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error, lines, where, _keys_beside)) from None


def _keys_beside(path: KeyPath) -> Sequence[str]:
    nested: dict[str | int, type[Written]] = {
        "model": ModelEntry, "candidates": CandidateEntry, "suites": SuiteEntry, "rules": Rule,
        "budgets": Budget, "device_map": DeviceMap,
    }  # fmt: skip
    return list(nested.get(path[0], ConfigFile).model_fields if len(path) > 1 else ConfigFile.model_fields)


def _located(lines: Any, where: str, path: KeyPath, build: Any, entry: Any) -> Any:
    try:
        return build(entry)
    except ConfigError as error:
        raise ConfigError(f"{place(lines, path, where)}: {error}") from None


def _check_unique(kind: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"The {kind} name '{twice}' is used twice (or reserved). Give one another name.")


# Looking up


def _levels(entry: LevelEntry | list[LevelEntry], home: Path, calibration: str | None) -> tuple[Level, ...]:
    """The level of one entry, or every link of a chain, each named by all that was done until then."""
    if isinstance(entry, str) and "+" in entry:
        entry = [*entry.split("+")]
    if not isinstance(entry, list):
        return (_level(entry, home, calibration),)
    links: list[Level] = []
    for one in entry:
        link, before = _level(one, home, calibration), links[-1].name if links else None
        if link.is_control:
            raise ConfigError(f"'{link.name}' changes nothing and is no link of a chain (given {entry}).")
        name = link.name if before is None else f"{before}+{link.name}"
        links.append(link.model_copy(update={"name": name, "after": before}))
    if len(links) < 2:
        raise ConfigError(f"a chain has two links or more (given {entry}). Write one level without brackets.")
    return tuple(links)


def _level(entry: LevelEntry, home: Path, calibration: str | None) -> Level:
    """A short name, or a mapping with `method`, its options, and optionally `name`."""
    presets = registry.presets()
    if isinstance(entry, str):
        if entry not in presets:
            raise ConfigError(registry.unknown("level", entry, presets))
        short = presets[entry]
        entry = {**short.options, "method": short.method, "name": entry}
    options = dict(entry)
    method = options.pop("method", None)
    if method is None:
        raise ConfigError(f"a level written as a mapping needs `method:` (given {entry}).")
    if nested := [key for key, value in options.items() if not isinstance(value, bool | int | float | str)]:
        raise ConfigError(
            f"level of method '{method}': option '{nested[0]}' is {options[nested[0]]!r}, no single value. "
            "Write options beside `method:`, as in {method: rtn, bits: 4, group_size: 32}."
        )
    if odd := [
        key for key, value in options.items() if isinstance(value, int | float) and not _is_exact(value)
    ]:
        raise ConfigError(
            f"level of method '{method}': option '{odd[0]}' is {options[odd[0]]!r}, which no log can hold: "
            "it is not finite, or a whole number beyond 2^53."
        )
    named = registry.files(method)
    given = options.pop("name", None)
    shown = [f"{key}{value}" for key, value in options.items() if key not in named]
    name = given or "-".join([method, *shown])
    if not _LEVEL_NAME.fullmatch(str(name)):
        raise ConfigError(f"level name {name!r}: use letters, digits, '.', '-' and '_' only.")
    if "calibration" in named:
        options.setdefault("calibration", calibration)
        if options["calibration"] is None:
            raise ConfigError(
                f"level '{name}' looks at text while it compresses, and none is named. Add "
                "`calibration: FILE` to the config, for all levels or for this one, or use --calibration."
            )
    files = {key: found_file(str(options[key]), home, key) for key in named & options.keys()}
    options |= {key: str(path) for key, path in files.items()}
    try:
        level = Level(name=str(name), method=method, options=options, claims=claims.of_options(options))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"][:2]))
        raise ConfigError(f"level '{name}': {key}: {first['msg']} (given {first['input']!r:.80}).") from None
    registry.check_options(level)
    return level.model_copy(update={"files": {key: file_digest(path, key) for key, path in files.items()}})


def _is_exact(value: float) -> bool:
    """Whether JSON keeps it as it is."""
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**53


def _candidate(entry: str | CandidateEntry, home: Path, suites: Sequence[Suite]) -> Level:
    """Somebody's model as a level, with what it, its name and the config say of it."""
    if isinstance(entry, str):
        entry = CandidateEntry(model=entry)
    file = entry.model.rpartition(":")[2] if entry.model.endswith(ONE_FILE) else ""
    last = Path(file or entry.model.partition("@")[0]).name
    name = entry.name or re.sub(r"[^\w.-]", "-", last)
    if not _LEVEL_NAME.fullmatch(name):
        raise ConfigError(f"candidate name {name!r}: use letters, digits, '.', '-' and '_' only.")
    card = load_card(home / expanded(entry.card), suites) if entry.card is not None else NO_CARD
    if entry.endpoint is not None:
        endpoint = _endpoint(entry.endpoint, entry.model)
        return Level(name=name, method="candidate", endpoint=endpoint, recoveries=card.recoveries)
    artefact = pinned_model(entry.model, home, entry)
    stated = [
        Claim(quantity=quantity, value=value, source="the config")
        for quantity, value in (
            ("bits", entry.claims.bits),
            ("sparsity", entry.claims.sparsity),
            ("2:4", entry.claims.pattern and 1),
        )
        if value is not None
    ]
    of_name = [] if entry.claims.bits is not None else claims.in_name(last) or claims.in_name(name)
    return Level(
        name=name, method="candidate", artefact=artefact,
        claims=(*stated, *card.claims, *of_name, *weights.said_of(Path(artefact.path))),
        recoveries=card.recoveries,
    )  # fmt: skip


def _executor(entry: str | dict[str, Any]) -> ExecutorRef:
    """An executor by its name, or a mapping with `name` and its options."""
    options = {} if isinstance(entry, str) else dict(entry)
    name = entry if isinstance(entry, str) else options.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError(
            f"executor: a mapping needs `name:`, as in {{name: ray, workers: 2}} (given {entry})."
        )
    found = registry.check_executor(name, options)
    return ExecutorRef(name=name, options=found.model_dump(exclude_unset=True, exclude_none=True))


def _engine(entry: str | dict[str, Any] | None) -> Engine | None:
    """An engine by its name, or a mapping with `name` and its options."""
    if entry is None:
        return None
    given = {"name": entry} if isinstance(entry, str) else entry
    if given.get("name") != ENGINE:
        raise ConfigError(f"engine: {registry.unknown('engine', str(given.get('name')), [ENGINE])}")
    try:
        return Engine.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"engine: {registry.unknown('option', key, Engine.model_fields)}") from None
        raise ConfigError(f"engine: {key}: {first['msg']} (given {first.get('input')!r}).") from None


def _endpoint(url: str, model: str) -> Endpoint:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"endpoint {url!r} is no URL. Write http://host:port/v1/completions.")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"endpoint {url!r:.80} is no URL: {error}.") from None
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"endpoint {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}: no user, password or "
            "query, since it stands in logs and reports. Give the key by the variable OPENAI_API_KEY."
        )
    return Endpoint(
        url=url if url.endswith("/completions") else f"{url.rstrip('/')}/completions", model=model
    )


def _plan(entry: SearchEntry, goal: Budget, home: Path, parsed: ConfigFile) -> SearchPlan:
    """The plan of a search; raises ConfigError for what it can't choose from."""
    given = entry.model_dump(exclude_none=True)
    if parsed.calibration is not None:
        text = found_file(parsed.calibration, home, "calibration")
        given |= {"calibration": str(text), "calibration_sha256": file_digest(text, "calibration")}
    given.setdefault("methods", search_space.usual(goal, calibrated=parsed.calibration is not None))
    try:
        plan = SearchPlan(goal=goal, **given)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"search: {key}: {first['msg']} (given {first.get('input')!r}).") from None
    search_space.check(plan)
    return plan


def _clustered(suites: Sequence[Suite], rules: Sequence[Rule]) -> tuple[Suite, ...]:
    """The suites with the cluster keys of their rules; raises ConfigError where two rules differ."""
    found = []
    for suite in suites:
        keys = {rule.cluster for rule in rules if rule.suite == suite.name and rule.cluster}
        if len(keys) > 1:
            both = " and ".join(sorted(keys))
            raise ConfigError(f"rules: suite '{suite.name}' has two cluster keys, {both}: items have one.")
        found.append(suite.model_copy(update={"cluster_by": next(iter(keys), suite.cluster_by)}))
    return tuple(found)


def _model(entry: str | ModelEntry, home: Path) -> ModelRef:
    if isinstance(entry, str):
        entry = ModelEntry(name=entry)
    if entry.name.endswith(".onnx"):
        raise ModelError(
            f"{entry.name} is a graph to be run, which can't be compressed. Name it under `candidates:`, and "
            "under `model:` what it was made from."
        )
    return pinned_model(entry.name, home, entry)
