"""Devices: the ready ones, one's own, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.device_profile import load_profile
from audit.errors import ConfigError
from audit.records import DeviceProfile

OURS = """\
title: Till
ram_bytes: 2_000_000_000
storage_bytes: 1_000_000_000
context: 512
formats: [onnx]
because: the till of our shops
"""


def load(tmp_path: Path, text: str) -> DeviceProfile:
    (tmp_path / "ours.yaml").write_text(text)
    return load_profile("ours.yaml", tmp_path)


@pytest.mark.parametrize("name", ["phone", "car", "browser", "server"])
def test_a_ready_device_says_that_its_limits_are_assumptions(name: str) -> None:
    profile = load_profile(name, Path())
    assert "assumptions of the profile, no measurement" in profile.because
    assert profile.formats


def test_a_device_of_ones_own_lies_beside_the_config(tmp_path: Path) -> None:
    profile = load(tmp_path, OURS)
    assert (profile.title, profile.ram_bytes, profile.formats) == ("Till", 2_000_000_000, ("onnx",))


def test_a_device_becomes_budgets_that_block_and_name_it(tmp_path: Path) -> None:
    storage, memory, format = load(tmp_path, OURS).budgets
    assert (storage.quantity, storage.at_most) == ("size_bytes", 1_000_000_000)
    assert (memory.quantity, memory.at_most, memory.context) == ("least_memory_bytes", 2_000_000_000, 512)
    assert (format.quantity, format.one_of) == ("format", ("onnx",))
    assert all(one.blocks and "Till" in one.because for one in (storage, memory, format))


def test_an_unknown_device_is_named_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"No device profile named 'fone'\. Did you mean 'phone'\?"):
        load_profile("fone", Path())


def test_a_device_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"device profile .*nowhere\.yaml can't be read"):
        load_profile("nowhere.yaml", tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ram_bytes", "ram_byte", "Did you mean 'ram_bytes'?"),
        ("2_000_000_000", "-1", "ram_bytes: Input should be greater than or equal to 1 (given -1)"),
        ("2_000_000_000", "8 GB", "ram_bytes"),
        ("512", "0", "context"),
        ("[onnx]", "[]", "formats"),
        ("[onnx]", "onnx", "formats"),
        ("title: Till\n", "", "title"),
        ("because: the till of our shops", "", "because"),
        (OURS, "- phone", "a device profile is a mapping of keys: title, ram_bytes"),
        (OURS, "title: [x", "not valid YAML"),
    ],
)
def test_a_device_that_is_none_is_refused_with_what_is_wrong(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, OURS.replace(old, new))
    assert said in str(caught.value)
    assert "ours.yaml" in str(caught.value)
