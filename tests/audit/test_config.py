from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from audit.config import load_config
from audit.errors import ConfigError, ModelError, ShrinkproofError
from audit.policy import under_policy
from audit.store import config_digest


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model to the config: one tiny safetensors file."""
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "a-model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({"w": np.zeros(4, np.float32)}, folder / "model.safetensors")
    return folder


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "audit.yaml"
    path.write_text(text)
    return path


def refused(tmp_path: Path, text: str, kind: type[ShrinkproofError] = ConfigError) -> str:
    with pytest.raises(kind) as caught:
        load_config(write(tmp_path, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_short_config_falls_to_the_defaults(tmp_path: Path, model: Path) -> None:
    config = load_config(write(tmp_path, f"model: {model}"))
    assert [level.name for level in config.levels] == ["control", "int8", "int4"]
    assert len(config.suites) == 5
    assert {rule.margin for rule in config.rules} == {0.03}


def test_flags_override_the_file(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path, f"model: {model}\nlevels: [int8]\nlimit: 9\nseed: 3\nout: here")
    config = load_config(path, levels=["int2"], suites=["bias"], limit=4, out="there", seed=5)
    assert [level.name for level in config.levels] == ["int2"]
    assert [suite.name for suite in config.suites] == ["bias"]
    assert (config.limit, config.out, config.seed) == (4, "there", 5)


def test_a_model_folder_is_found_beside_the_config(tmp_path: Path, model: Path) -> None:
    config = load_config(write(tmp_path, f"model: {model.name}"))
    assert config.model.path == str(model.resolve())


def test_an_unknown_level_is_named_with_line_and_hint(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nlevels:\n  - int8\n  - int44")
    assert "line 4" in message
    assert "'int44'. Did you mean 'int4'?" in message


def test_an_unknown_suite_is_named_with_line_and_hint(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nsuites: [acuracy]")
    assert "line 2" in message
    assert "Did you mean 'accuracy'?" in message


def test_an_unknown_key_is_named_with_line_and_hint(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\n\nlevel: [int8]")
    assert "line 3" in message
    assert "No key named 'level'. Did you mean 'levels'?" in message


def test_an_unknown_key_of_a_rule_is_named_with_line_and_hint(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nrules:\n  - suite: bias\n    margn: 0.1")
    assert "line 4" in message
    assert "Did you mean 'margin'?" in message


def test_a_value_out_of_range_is_named_with_line(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nrules:\n  - suite: bias\n    alpha: 3")
    assert "line 4" in message
    assert "given 3" in message


NO_NUMBERS = (
    ["limit: 0", "limit: -1", "limit: 1e309", "limit: .nan", "limit: .inf", "limit: 1.5"]
    + ["limit: 99999999999999999999999999", "looks: 100000000000000000000", "threads: 999999999999"]
    + ["seed: -1", "seed: 99999999999999999999", "seed: .nan", "batch_size: 0", "pack_tokens: .inf"]
    + ["holdout: .nan", "holdout: 1"]
    + [f"rules: [{{suite: accuracy, margin: {one}}}]" for one in (".nan", ".inf", "0", "1e-320", "1e309")]
    + [f"rules: [{{suite: accuracy, alpha: {one}}}]" for one in (".nan", ".inf", "0", "1e-320", "0.5")]
    + [f"rules: [{{suite: accuracy, min_pairs: {one}}}]" for one in ("0", ".nan", "1e30")]
    + [f"rules: [{{suite: accuracy, ceiling: {one}}}]" for one in ("0", ".nan")]
    + [f"levels: [{{method: rtn, bits: {one}}}]" for one in ("1.5", ".nan", ".inf", "-4", "1" + 30 * "0")]
    + [f"levels: [{{method: rtn, bits: 4, group_size: {one}}}]" for one in ("-1", ".nan", "1" + 30 * "0")]
    + [f"levels: [{{method: magnitude, sparsity: {one}}}]" for one in (".nan", "-.inf", "0", "1")]
    + [f"budgets: [{{quantity: size_bytes, at_most: {one}}}]" for one in (".nan", ".inf", "0", "1e309")]
    + ["suites: [{name: mine, tasks: [{name: x, num_fewshot: -1}]}]"]
    + ["suites: [{name: mine, tasks: [x], severity: .nan}]"]
    + ["suites: [{name: mine, tasks: [x], kind: score, range: [0, .inf]}]"]
    + ["executor: {name: ray, workers: .nan}"]
)
"""Each of one key, which is the last word before the last colon."""


@pytest.mark.parametrize("line", NO_NUMBERS)
def test_a_number_that_is_none_is_refused_with_its_line_key_and_value(
    tmp_path: Path, model: Path, line: str
) -> None:
    said = refused(tmp_path, f"model: {model}\n{line}\n")
    key, _, value = line.rpartition(":")
    assert re.split(r"\W+", key)[-1] in said
    assert "audit.yaml, line 2" in said
    number = value.strip(" }]").split()[-1].lstrip("[")
    assert number.replace(".nan", "nan").replace(".inf", "inf") in said.replace(".0 ", " ")


@pytest.mark.parametrize(
    "line",
    [
        "limit: true",
        "rules: [{suite: bias, margin: yes}]",
        "levels: [{method: rtn, bits: true}]",
        "budgets: [{quantity: size_bytes, at_most: on}]",
        "suites: [{name: mine, tasks: [{name: x, num_fewshot: false}]}]",
        "search: {bits: [4, true]}",
    ],
)
def test_yes_is_not_read_as_one(tmp_path: Path, model: Path, line: str) -> None:
    said = refused(tmp_path, f"model: {model}\n{line}\n")
    assert "audit.yaml, line 2" in said
    assert "yes and no are no numbers" in said


def test_a_margin_in_points_is_refused_with_what_was_meant(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nrules:\n  - suite: bias\n    margin: 3")
    assert "line 3" in message
    assert "it is a share, so three points are 0.03" in message


def test_an_unknown_option_of_a_method_says_what_the_method_takes(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nlevels:\n  - {{method: rtn, bits: 4, groups: 64}}")
    assert "groups" in message
    assert "takes: bits, group_size, symmetric" in message


def test_a_method_with_bits_out_of_range_is_refused_before_anything_runs(tmp_path: Path, model: Path) -> None:
    assert "bits" in refused(tmp_path, f"model: {model}\nlevels: [{{method: rtn, bits: 1}}]")


def test_a_rule_for_a_suite_that_is_not_run_is_refused(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nsuites: [bias]\nrules: [{{suite: accuracy, margin: .1}}]")
    assert "No suite named 'accuracy'" in message


def test_a_suite_without_a_rule_gets_the_default_rule(tmp_path: Path, model: Path) -> None:
    text = f"model: {model}\nsuites: [accuracy, bias]\nrules: [{{suite: bias, margin: .1}}]"
    rules = {rule.suite: rule.margin for rule in load_config(write(tmp_path, text)).rules}
    assert rules == {"bias": 0.1, "accuracy": 0.03}


def test_a_level_named_twice_is_refused(tmp_path: Path, model: Path) -> None:
    assert "'int8' is used twice" in refused(tmp_path, f"model: {model}\nlevels: [int8, int8]")


def test_options_of_a_level_stand_beside_its_method(tmp_path: Path, model: Path) -> None:
    told = refused(tmp_path, f"model: {model}\nlevels:\n  - {{method: rtn, options: {{bits: 4}}}}\n")
    assert "option 'options' is {'bits': 4}, no single value" in told


def test_a_level_may_not_take_the_name_of_the_original(tmp_path: Path, model: Path) -> None:
    text = f"model: {model}\nlevels: [{{method: rtn, bits: 8, name: original}}]"
    assert "'original' is used twice (or reserved)" in refused(tmp_path, text)


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a b"])
def test_a_level_name_that_is_no_folder_name_is_refused(tmp_path: Path, model: Path, name: str) -> None:
    text = f"model: {model}\nlevels: [{{method: rtn, bits: 8, name: '{name}'}}]"
    if name == "":  # no name given: one is made up from the options
        assert load_config(write(tmp_path, text)).levels[0].name == "rtn-bits8"
    else:
        assert "letters, digits" in refused(tmp_path, text)


def test_yaml_that_is_none_is_named_with_line(tmp_path: Path) -> None:
    assert "line 2" in refused(tmp_path, "model: x\nlevels: [int8")


def test_a_config_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    assert "mapping of keys" in refused(tmp_path, "- model")


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")


def test_a_config_without_a_model_says_how_to_name_one() -> None:
    with pytest.raises(ConfigError, match="--model"):
        load_config(None)


def test_a_model_folder_without_weights_is_refused(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").unlink()
    assert "has no weights" in refused(tmp_path, f"model: {model}", ModelError)


def test_pickled_weights_are_refused_unless_allowed(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "--allow-pickle" in refused(tmp_path, f"model: {model}", ModelError)
    config = load_config(write(tmp_path, f"model: {model}"), allow_pickle=True)
    assert config.model.allow_pickle


def test_remote_code_is_off_unless_named(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path, f"model: {model}")
    assert not load_config(path).model.trust_remote_code
    assert load_config(path, trust_remote_code=True).model.trust_remote_code


def test_a_name_that_is_neither_folder_nor_hub_name_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, "model: ./not/there/at all", ModelError)
    assert "There is no model folder" in message


def test_a_hub_name_that_is_not_in_the_cache_says_so_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    message = refused(tmp_path, "model: nobody/nothing@v1", ModelError)
    assert "nobody/nothing@v1 could not be had from the hub" in message


def test_a_hub_name_is_pinned_to_the_commit_in_the_cache(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hub" / "models--org--name"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "v1").write_text(commit)
    (cache / "snapshots").mkdir()
    model.rename(cache / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    config = load_config(write(tmp_path, "model: org/name@v1"))
    assert config.model.revision == commit


def test_a_suite_of_the_users_own_names_lm_eval_tasks(tmp_path: Path, model: Path) -> None:
    (tmp_path / "tasks").mkdir()
    text = f"model: {model}\nsuites: [{{name: mine, tasks: [piqa], metric: acc_norm, include_path: tasks}}]"
    (suite,) = load_config(write(tmp_path, text)).suites
    assert suite.tasks[0].name == "piqa"
    assert suite.metrics[0].harness_metric == "acc_norm"
    assert suite.include_path == str((tmp_path / "tasks").resolve())


def test_the_same_model_in_another_folder_is_the_same_model(tmp_path: Path, model: Path) -> None:
    first = load_config(write(tmp_path, f"model: {model}")).model.digest
    moved = model.rename(tmp_path / "moved")
    assert load_config(write(tmp_path, f"model: {moved}")).model.digest == first


# Budgets and devices


TILL = """\
title: Till
ram_bytes: 2_000_000
storage_bytes: 1_000_000
context: 9
formats: [onnx]
because: shops
"""


def test_a_device_profile_adds_its_budgets_to_the_configs_own(tmp_path: Path, model: Path) -> None:
    (tmp_path / "till.yaml").write_text(TILL)
    own = "budgets: [{quantity: bits_per_weight, at_most: 5}]"
    config = load_config(write(tmp_path, f"model: {model}\ndevice_profile: till.yaml\n{own}"))
    quantities = [budget.quantity for budget in config.budgets]
    assert quantities == ["bits_per_weight", "size_bytes", "least_memory_bytes", "format"]
    assert config.device_profile is not None
    assert config.device_profile.title == "Till"


def test_the_device_is_part_of_the_hashed_policy(tmp_path: Path, model: Path) -> None:
    (tmp_path / "till.yaml").write_text(TILL)
    path = write(tmp_path, f"model: {model}\ndevice_profile: till.yaml")
    hashes = {load_config(path).policy_sha256, load_config({"model": str(model)}).policy_sha256}
    for old, new in (
        ("2_000_000", "3_000_000"),
        ("[onnx]", "[onnx, gguf]"),
        ("shops", "kiosks"),
    ):
        (tmp_path / "till.yaml").write_text(TILL.replace(old, new))
        hashes.add(load_config(path).policy_sha256)
    assert len(hashes) == 5


def test_another_policy_afterwards_keeps_the_device(tmp_path: Path, model: Path) -> None:
    own = "budgets: [{quantity: bits_per_weight, at_most: 5}]"
    config = load_config(write(tmp_path, f"model: {model}\ndevice_profile: phone\n{own}"))
    assert config.device_profile is not None
    assert under_policy(config, "strict").budgets == config.device_profile.budgets


def test_an_unknown_device_is_named_with_line_and_hint(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\n\ndevice_profile: fone")
    assert "line 3" in message
    assert "Did you mean 'phone'?" in message


@pytest.mark.parametrize(
    ("extra", "asked"),
    [
        ("", False),
        ("efficiency: true", True),
        ("budgets: [{quantity: size_bytes, at_most: 5}]", False),
        ("device_profile: phone", False),
        ("budgets: [{quantity: peak_memory_bytes, at_most: 5}]", True),
        ("budgets: [{quantity: decode_latency_ratio, at_most: 1.1}]", True),
    ],
)
def test_memory_and_speed_are_measured_only_when_asked_for(
    tmp_path: Path, model: Path, extra: str, asked: bool
) -> None:
    assert load_config(write(tmp_path, f"model: {model}\n{extra}")).measures_efficiency is asked


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("quantity: watts, at_most: 1", "budgets.0.quantity"),
        ("quantity: size_bytes", "a budget on size_bytes takes at_most"),
        ("quantity: size_bytes, at_most: 0", "budgets.0.at_most: Input should be greater than 0 (given 0)"),
        ("quantity: size_bytes, at_most: 8 GB", "'8 GB'"),
        ("quantity: size_bytes, at_most: 1, one_of: [onnx]", "a budget on size_bytes takes at_most"),
        ("quantity: format, at_most: 1", "a budget on format takes one_of"),
        ("quantity: format", "a budget on format takes one_of"),
        ("quantity: least_memory_bytes, at_most: 1", "least_memory_bytes takes context"),
        ("quantity: size_bytes, at_most: 1, context: 9", "no other quantity does"),
        ("quantity: least_memory_bytes, at_most: 1, context: 0", "budgets.0.context"),
        ("quantity: size_bytes, at_mos: 1", "Did you mean 'at_most'?"),
    ],
)
def test_a_budget_that_is_none_is_refused_with_line_and_reason(
    tmp_path: Path, model: Path, budget: str, said: str
) -> None:
    message = refused(tmp_path, f"model: {model}\nbudgets:\n  - {{{budget}}}")
    assert "line 3" in message
    assert said in message


def test_levels_that_look_at_text_share_the_configs_and_may_have_their_own(
    tmp_path: Path, model: Path
) -> None:
    for name in ("shared.txt", "own.txt"):
        (tmp_path / name).write_text(name)
    chain, own = "[distil-6L, wanda-channels-25, int4]", "{method: layers, remove: 1, calibration: own.txt}"
    text = f"model: {model}\ncalibration: shared.txt\nlevels: [{chain}, {own}]"
    config = load_config(write(tmp_path, text))
    distilled, cut, rounded, layers = config.levels
    assert distilled.options == {"layers": 6, "calibration": str(tmp_path / "shared.txt")}
    assert cut.options["calibration"] == str(tmp_path / "shared.txt")
    assert "calibration" not in rounded.options
    assert layers.options["calibration"] == str(tmp_path / "own.txt")
    assert layers.files == {"calibration": sha256(b"own.txt").hexdigest()}


def test_a_level_that_looks_at_text_needs_one(tmp_path: Path, model: Path) -> None:
    message = refused(tmp_path, f"model: {model}\nlevels: [int8, distil-6L]")
    assert "line 2: level 'distil-6L' looks at text" in message
    assert "calibration: FILE" in message
    message = refused(tmp_path, f"model: {model}\ncalibration: gone.txt\nlevels: [distil-6L]")
    assert f"{tmp_path / 'gone.txt'} can't be read" in message


def test_the_text_counts_by_what_it_holds_and_not_by_where_it_lies(tmp_path: Path, model: Path) -> None:
    def digest(folder: str, held: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "text.txt").write_text(held)
        return config_digest(load_config({**data, "calibration": str(tmp_path / folder / "text.txt")}))

    data = {"model": str(model), "levels": ["distil-6L"]}
    assert digest("here", "the cat") == digest("there", "the cat") != digest("here", "the dog")


def test_a_text_on_the_hub_is_found_in_its_cache(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hub" / "datasets--org--texts"
    (cache / "snapshots" / commit / "data").mkdir(parents=True)
    (cache / "snapshots" / commit / "data" / "train.txt").write_text("the cat")
    (cache / "refs").mkdir()
    (cache / "refs" / "v1").write_text(commit)
    config = load_config(
        {"model": str(model), "calibration": "org/texts@v1:data/train.txt", "levels": ["distil-6L"]}
    )
    assert config.levels[0].files == {"calibration": sha256(b"the cat").hexdigest()}
    message = refused(
        tmp_path, f"model: {model}\ncalibration: org/none@v1:a.txt\nlevels: [distil-6L]", ModelError
    )
    assert "calibration: org/none@v1:a.txt could not be had from the hub" in message
