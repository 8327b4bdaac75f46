"""A model that accelerate spreads over main memory and disk computes what it computes in one place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audit import load_config, run_audit
from audit.devices import input_device
from audit.errors import ConfigError, ModelError
from audit.loading import load_model, logits
from audit.pipeline import make_variants
from audit.records import DeviceMap
from audit.store import config_digest
from fixtures.untimed import untimed

PART, NOTHING = ({"max_memory": {"cpu": most}} for most in ("1100KB", "500KB"))
"""What main memory may hold of the tiny model, which has 1,212,160 bytes."""


def places(model: torch.nn.Module) -> set[str]:
    return {weights.device.type for weights in model.parameters()}


@pytest.mark.parametrize(("limit", "there"), [(PART, {"cpu", "meta"}), (NOTHING, {"meta"})])
def test_what_main_memory_may_not_hold_waits_on_disk_and_computes_the_same(
    limit: dict[str, dict[str, str]], there: set[str], tiny: Path
) -> None:
    ids = torch.arange(40)[None]
    together = load_model(tiny)
    apart = load_model(tiny, device_map=DeviceMap(**limit))
    assert (places(together), places(apart)) == ({"cpu"}, there)
    assert input_device(apart) == torch.device("cpu")
    assert torch.equal(logits(apart, ids), logits(together, ids))


@pytest.mark.parametrize(("level", "limit"), [("control", NOTHING), ("int4", PART)])
def test_an_audit_of_a_model_on_disk_gives_the_same_log(
    level: str, limit: dict[str, dict[str, str]], tiny: Path, tmp_path: Path
) -> None:
    asked = {
        "model": str(tiny), "levels": [level], "suites": ["accuracy", "safety"], "limit": 20, "threads": 1,
        "looks": 1,
    }  # fmt: skip
    together, apart = (
        load_config(
            {**asked, "device_map": one, "out": str(tmp_path / name), "cache": str(tmp_path / f"{name}-c")}
        )
        for name, one in (("together", None), ("apart", limit))
    )
    assert config_digest(together) == config_digest(apart)
    assert untimed(run_audit(apart)) == untimed(run_audit(together))


def test_a_model_that_no_gpu_may_hold_is_counted_and_compressed_in_main_memory(
    tiny: Path, tmp_path: Path
) -> None:
    asked = {"model": str(tiny), "device": "cuda", "device_map": "auto", "out": str(tmp_path / "run")}
    original, control = make_variants(load_config({**asked, "levels": ["control"]}))
    assert (
        original.evaluated_as == control.evaluated_as == "bfloat16"
    )  # there is no GPU: it was not asked for


def test_a_packed_model_of_which_no_device_may_hold_a_layer_is_an_error(tiny: Path, tmp_path: Path) -> None:
    asked = {"model": str(tiny), "levels": ["int4"], "out": str(tmp_path / "run"), "threads": 1}
    _, int4 = make_variants(load_config(asked))
    with pytest.raises(ModelError, match="no device may hold a layer"):
        load_model(Path(int4.path), device_map=DeviceMap(**NOTHING))


def test_a_device_map_names_gpus_by_their_numbers(tiny: Path) -> None:
    numbered = {"model": str(tiny), "levels": ["control"], "device_map": {"max_memory": {0: "70GiB"}}}
    assert load_config(numbered).device_map == DeviceMap(max_memory={"0": "70GiB"})


def test_a_device_map_that_is_none_is_refused(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"device_map\.policy: Input should be 'auto', 'balanced'"):
        load_config({"model": str(tiny), "levels": ["control"], "device_map": "everywhere"})


def test_speed_is_not_measured_of_a_model_in_several_places(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="`device_map`: speed and memory are measured on one device"):
        load_config({"model": str(tiny), "levels": ["control"], "device_map": "auto", "efficiency": True})
