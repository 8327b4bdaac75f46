"""What answers for the models: the scorer of ours, or an engine that the config names."""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from audit.errors import ConfigError, ModelError
from audit.records import DIVERGENCE, AuditConfig, Engine, Provenance

BUILT_IN = str(Provenance.model_fields["engine"].default)


def named(engine: Engine) -> str:
    """The engine with its version, `vLLM 0.19.1`; raises ConfigError where it is not installed."""
    try:
        return f"vLLM {version(engine.name)}"
    except PackageNotFoundError:
        raise ConfigError(
            f"`engine: {engine.name}`: vLLM is not installed. pip install 'shrinkproof[{engine.name}]' on a "
            "machine that it runs on, or leave `engine` out: the scorer of Shrinkproof answers then."
        ) from None


def recorded(engine: Engine | None) -> str:
    """The same for the provenance, which has to be written whatever is missing."""
    if engine is None:
        return BUILT_IN
    with contextlib.suppress(ConfigError):
        return named(engine)
    return engine.name


def check(config: AuditConfig) -> None:
    """See that the engine is here and can give what the config asks for.

    Raises ConfigError naming the key that does not go with it, ModelError naming a model that it can't read.
    """
    engine = config.engine
    if engine is None:
        return
    named(engine)
    asks = f"`engine: {engine.name}`"
    if config.device_map is not None:
        raise ConfigError(f"{asks} spreads a model by its own `tensor_parallel`. Leave `device_map` out.")
    if config.executor.name != "local":
        raise ConfigError(
            f"{asks} answers in this process, on all GPUs that `tensor_parallel` gives it. Leave `executor: "
            f"{config.executor.name}` out."
        )
    if config.measures_efficiency:
        raise ConfigError(
            f"{asks}: speed and memory are measured of models that are computed here by torch. Leave out "
            "either that or `efficiency: true` and the budgets on speed and memory."
        )
    if rule := next((one for one in config.rules if one.metric == DIVERGENCE), None):
        raise ConfigError(
            f"{asks} shows the probabilities of the tokens that are asked for, and of no others: no rule can "
            f"be about `{DIVERGENCE}`, as that of suite '{rule.suite}' is. Leave out one of them."
        )
    if config.search is not None:
        raise ConfigError(
            f"{asks}: a search holds levels against the original by their KL divergence, which "
            "needs the scorer of ours. Leave `engine` out."
        )
    if Path(config.model.path).is_file():
        raise ModelError(
            f"{asks} is asked through lm-eval, which reads no config out of {Path(config.model.path).name}. "
            "Name the checkpoint folder that it was made from, or leave `engine` out."
        )
    for level in config.levels:
        if level.artefact is not None and level.artefact.path.endswith(".onnx"):
            raise ModelError(
                f"candidate '{level.name}' ({level.artefact.name}): vLLM reads no ONNX graphs. Leave out "
                f"either it or {asks}."
            )
