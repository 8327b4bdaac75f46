"""An earlier run that this one takes from: what is provably the same is not computed again.

An artefact is the same where the level, what it was made from and what made it are the same, and its files
have the digests of the log; answers are, where the key of their cell is the same, which says all that
determines them, and their files have the digests of the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from audit import weights
from audit.disk import read_record, sha256_of
from audit.errors import ModelError
from audit.records import AuditLog, Cell, EarlierRun, Level, NotMeasured, Variant

NOTE = "earlier.json"
"""Beside what was taken: the run that it was computed in."""


@dataclass(frozen=True)
class Recipe:
    """All that determines an artefact."""

    level: Level
    parent: str | NotMeasured | None
    """Digest of what it is made from."""
    companions: str
    """Of the original's files beside its weights, which go into every artefact."""
    made_by: str
    """Method, library and version."""
    surroundings: tuple[str | None, ...]
    """See the function of that name."""

    @property
    def said(self) -> tuple[Any, ...]:
        """What has to be equal, wherever the files lie that options name."""
        level = self.level
        options = {key: value for key, value in level.options.items() if key not in level.files}
        told = level.model_dump(mode="json") | {"options": options}
        return told, self.parent, self.companions, self.made_by, self.surroundings


@dataclass(frozen=True)
class Baseline:
    """A run folder, read only."""

    root: Path
    run: EarlierRun
    cells: Mapping[str, Cell]
    """Those of the log, by their keys."""
    variants: Mapping[str, Variant]
    companions: str
    """The original's: see `Variant`."""
    surroundings: tuple[str | None, ...]

    @classmethod
    def of(cls, root: Path, log: AuditLog, log_sha256: str) -> Baseline:
        """What the log of the run in `root` says of it."""
        seen, original = log.provenance, next(iter(log.variants), None)
        rules = "" if isinstance(log.registered, NotMeasured) else log.registered.policy_sha256
        return cls(
            root=root,
            run=EarlierRun(
                config_sha256=seen.config_sha256, log_sha256=log_sha256, policy_sha256=rules,
                finished=seen.finished, processor=seen.processor, torch=seen.packages.get("torch", ""),
            ),
            cells={cell.key: cell for run in log.all_runs for cell in run.cells},
            variants={variant.name: variant for variant in log.variants},
            companions=original.companions_sha256 if original else "",
            surroundings=surroundings(seen.shrinkproof_version, seen.device, seen.packages),
        )  # fmt: skip

    def cell(self, key: str) -> tuple[Path, EarlierRun] | None:
        """The folder of a cell that is whole and as the log says, and the run that computed it."""
        folder = self.root / "cells" / key
        held = whole_cell(self.root, folder)
        if held is None or key not in self.cells or held.files != self.cells[key].files:
            return None
        return folder, self._computed_by(folder)

    def variant(self, wanted: Recipe) -> tuple[Variant, Path, EarlierRun] | None:
        """The artefact of that recipe, its folder, and the run that made it."""
        held = self.variants.get(wanted.level.name)
        if held is None or held.level is None or not wanted.companions:
            return None
        recipe = Recipe(held.level, held.parent, self.companions, held.made_by, self.surroundings)
        folder = self.root / "variants" / held.name
        if recipe.said != wanted.said or not held.companions_sha256 or not holds(folder, held):
            return None
        return held, folder, self._computed_by(folder)

    def _computed_by(self, folder: Path) -> EarlierRun:
        """The baseline may have taken it itself."""
        return (noted(folder) if was_taken(folder) else None) or self.run


def surroundings(own_version: str, device: str, packages: Mapping[str, str]) -> tuple[str | None, ...]:
    """The versions and the device that a weight's last bit may rest on."""
    return own_version, device, packages.get("torch"), packages.get("transformers")


def holds(folder: Path, variant: Variant) -> bool:
    """Whether a folder holds the weights, settings and tokenizer that the variant's record says."""
    try:
        files = weights.digests(weights.weight_files(folder))
    except (ModelError, FileNotFoundError):
        return False
    same = variant.companions_sha256 in ("", weights.companions_digest(folder))  # old logs don't say
    return files == variant.files and same


def note(folder: Path, run: EarlierRun) -> None:
    """Say in the folder of what was taken which run computed it."""
    (folder / NOTE).write_text(run.model_dump_json(indent=1))


def was_taken(folder: Path) -> bool:
    """Whether what lies in the folder was computed in an earlier run."""
    return (folder / NOTE).exists()


def noted(folder: Path) -> EarlierRun | None:
    """Which earlier run computed what was taken into the folder; None: its note can't be read."""
    try:
        return EarlierRun.model_validate_json((folder / NOTE).read_bytes())
    except ValidationError:
        return None


def whole_cell(root: Path, folder: Path) -> Cell | None:
    """The cell in a folder under `root`, if all of its files are there and have their digests."""
    try:
        cell = Cell.model_validate_json(read_record(folder / "cell.json"))
        whole = all(sha256_of(root / path) == digest for path, digest in cell.files.items())
    except (FileNotFoundError, ValueError):
        return None
    return cell if whole else None
