"""The run folder: what is finished is whole, what is half-written is not there.

    config.json               the config that the folder belongs to
    variants/<name>/          a checkpoint, with variant.json
    scratch/<name>/           what a method that takes long goes on from, until its variant is made
    efficiency/<name>.json    what a variant was measured to cost to run
    cells/<key>/              one task on one variant: samples.parquet, cell.json, and what the scored
                              positions showed in measured.safetensors
    runs.json                 which cells each variant has so far, for who watches
    registration.json         digests of the policy and the items, fixed before the first was scored
    audit.json                the log

A cell's key says all that determines it, so the original's cells also lie in a cache, from which the
next audit of the same original takes them; and any cell and artefact may come from a baseline, an earlier
run that the config names. What was taken has earlier.json beside it, which names the run that computed it.

Folders are filled under a temporary name and renamed, which is atomic: after `kill -9` a folder
either has its final name and is complete, or is rubbish that the next run clears away.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from audit import provenance, tables, weights
from audit.bounded import json_of, read_bytes, reason_of
from audit.disk import (
    HALF,
    KEPT,
    DamagedError,
    digest_file,
    disk_errors,
    flush,
    read_record,
    sha256_of,
    write_record,
    write_whole,
    written_digest,
)
from audit.earlier import Baseline, Recipe, holds, note, noted, was_taken, whole_cell
from audit.errors import ConfigError, StoreError
from audit.records import (
    AuditConfig,
    AuditLog,
    Cell,
    EarlierRun,
    Efficiency,
    NotMeasured,
    Registration,
    Run,
    Sample,
    Taken,
    Variant,
    canonical,
    spelled,
)

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SAMPLES, MEASURED = "samples.parquet", "measured.safetensors"
REGISTRATION, RUNS = "registration.json", "runs.json"
COLUMNS = tuple(Sample.model_fields)
_RUNS = TypeAdapter(list[Run])
Reader = Callable[[Cell, Sequence[str]], "pd.DataFrame"]
"""The samples of a cell, one row an item and metric, with these columns of `Sample` and no others."""
_NO_IDENTITY = {"out", "cache", "baseline", "history", "device_map", "executor", "frameworks"}
"""Of a config: where it lies, what it takes from elsewhere, who computes it, and what is said of it later."""
_OLD_PLACE = re.compile(rb'"include_path":"(?:[^"\\]|\\.)*"')
"""Of a suite's tasks, in a `config.json` of schema 1."""
_LOCK, _CONFIG = "lock", "config.json"


class Store:
    """One run folder, held by one run at a time."""

    def __init__(
        self, root: Path, lock: IO[str], cache: Path, config_sha256: str, baseline: Baseline | None
    ) -> None:
        self.root = root
        self._lock = lock
        self._cache = cache / "cells"
        self._config_sha256 = config_sha256
        self._baseline = baseline
        self._sound: dict[Path, tuple[int, ...]] = {}
        """Files that had their digests, as they looked then."""

    @classmethod
    @contextlib.contextmanager
    def open(cls, config: AuditConfig) -> Iterator[Store]:
        """The run folder of `config`, made if need be.

        Raises StoreError if the folder belongs to another config or another run holds it, ConfigError for a
        config that no file can hold.
        """
        root = Path(config.out)
        check_text(config)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{root} can't be made: {error.strerror}. Choose another --out.") from error
        with disk_errors(root), (root / _LOCK).open("a+") as lock:
            _hold(lock, root)
            _clear_half_written(root)
            _claim(root, config)
            cache = Path(config.cache or _user_cache()).expanduser()
            yield cls(root, lock, cache, config_digest(config), _baseline(config))

    # Variants

    def variant(self, name: str) -> Variant | None:
        """The finished Variant of that name whose files still are what its record says, else None."""
        folder = self.root / "variants" / name
        try:
            variant = Variant.model_validate_json(read_record(folder / "variant.json"))
        except (FileNotFoundError, ValueError):
            return None
        if variant.level and variant.level.endpoint:
            return variant
        artefact = variant.level.artefact if variant.level else None
        if artefact is None:
            return variant if holds(folder, variant) else None
        held = weights.weight_files(Path(artefact.path), allow_pickle=artefact.allow_pickle)
        return variant if weights.digests(held) == variant.files else None

    @contextlib.contextmanager
    def new_variant(self, name: str) -> Iterator[Path]:
        """A folder to fill; it gets its name when the block ends without an error."""
        with self._filling(self.root / "variants" / name) as folder:
            yield folder

    def earlier_variant(self, wanted: Recipe) -> Variant | None:
        """That artefact out of the baseline, copied into this run; None where it has not the same."""
        found = self._baseline.variant(wanted) if self._baseline else None
        if found is None:
            return None
        variant, theirs, run = found
        with self.new_variant(variant.name) as folder:
            shutil.copytree(theirs, folder, dirs_exist_ok=True)
            note(folder, run)
            self.add_variant(variant.model_copy(update={"level": wanted.level}), folder)
        return self.variant(variant.name)

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder that outlives a kill, for what making the Variant of that name can go on from."""
        folder = self.root / "scratch" / name
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        shutil.rmtree(folder)

    def add_variant(self, variant: Variant, folder: Path) -> None:
        """Write the Variant's record beside its files."""
        write_record(folder / "variant.json", self.located(variant).model_dump_json(indent=1).encode())

    def located(self, variant: Variant) -> Variant:
        """The Variant with its path inside this run folder, wherever that lies now; a candidate stays out."""
        if variant.is_candidate:
            return variant
        return variant.model_copy(update={"path": str(self.root / "variants" / variant.name)})

    # Efficiency

    def efficiency(self, name: str) -> Efficiency | None:
        """What was measured of the variant of that name, else None."""
        try:
            return Efficiency.model_validate_json(read_record(self.root / "efficiency" / f"{name}.json"))
        except (FileNotFoundError, ValueError):
            return None

    def add_efficiency(self, efficiency: Efficiency) -> None:
        """Keep what was measured of a variant."""
        with disk_errors(self.root):
            (self.root / "efficiency").mkdir(exist_ok=True)
            path = self.root / "efficiency" / f"{efficiency.variant}.json"
            write_record(path, efficiency.model_dump_json(indent=1).encode())

    # Cells

    def cell(self, key: str) -> Cell | None:
        """The finished cell of that key whose files still have their digests, else None."""
        found = whole_cell(self.root, self.root / "cells" / key)
        if found is not None:
            self._sound[self.root / found.path] = _looks(self.root / found.path)
        return found

    def finished_cell(self, key: str) -> Cell:
        """The cell of that key, which must be there."""
        cell = self.cell(key)
        if cell is None:
            raise _damaged(self.root / "cells" / key)
        return cell

    def borrowed_cell(self, key: str) -> Cell | None:
        """The cell of that key from the baseline or the cache, copied into this run; None: neither has it."""
        found = self._baseline.cell(key) if self._baseline else None
        if found is None:
            theirs = self._cache / key
            if whole_cell(self._cache.parent, theirs) is None:
                return None
        else:
            theirs, run = found
        with self._filling(self.root / "cells" / key) as folder:
            shutil.copytree(theirs, folder, dirs_exist_ok=True)
            if found:
                note(folder, run)
        return self.cell(key)

    def taken(self, variants: Sequence[Variant], runs: Sequence[Run]) -> tuple[Taken, ...]:
        """What of a log was computed in earlier runs: by variant, and by run in the order of their cells."""
        found: dict[tuple[str, EarlierRun | None], list[str]] = {}
        artefacts: set[tuple[str, EarlierRun | None]] = set()
        for variant in variants:
            if was_taken(folder := self.root / "variants" / variant.name):
                artefacts.add((variant.name, noted(folder)))
                found[variant.name, noted(folder)] = []
        for of_suite in runs:
            for cell in of_suite.cells:
                if was_taken(folder := self.root / "cells" / cell.key):
                    found.setdefault((of_suite.variant, noted(folder)), []).append(cell.key)
        order = [variant.name for variant in variants]
        return tuple(
            Taken(variant=name, artefact=(name, run) in artefacts, cells=tuple(dict.fromkeys(keys)), run=run)
            for (name, run), keys in sorted(found.items(), key=lambda one: order.index(one[0][0]))
        )

    def add_cell(
        self,
        cell: Cell,
        samples: Sequence[Sample],
        arrays: Mapping[str, NDArray[Any]] | None = None,
        *,
        lend: bool = False,
    ) -> Cell:
        """Write a cell; returns it with paths, digests and count filled in.

        `lend` puts a copy into the cache, for the next audit.
        """
        import pandas as pd
        from safetensors.numpy import save_file

        final = self.root / "cells" / cell.key
        place = final.relative_to(self.root)
        with self._filling(final) as folder:
            frame = pd.DataFrame(
                [sample.model_dump() for sample in samples], columns=list(Sample.model_fields)
            )
            frame.to_parquet(folder / SAMPLES, index=False)
            found = {
                "path": str(place / SAMPLES),
                "sha256": sha256_of(folder / SAMPLES),
                "n_items": len(samples) // max(1, frame["metric"].nunique()),
            }
            if arrays:
                save_file(dict(arrays), folder / MEASURED)
                (folder / MEASURED).chmod(0o644)
                found |= {
                    "measured_path": str(place / MEASURED),
                    "measured_sha256": sha256_of(folder / MEASURED),
                }
            cell = cell.model_copy(update=found)
            write_record(folder / "cell.json", cell.model_dump_json(indent=1).encode())
        if lend:
            self._lend(final)
        return cell

    def _lend(self, finished: Path) -> None:
        # The cache only spares work: a full or read-only disk there must not stop an audit
        with contextlib.suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=HALF, dir=self._cache))
            try:
                shutil.copytree(finished, scratch, dirs_exist_ok=True)
                note(scratch, self._this_run())
                if not (self._cache / finished.name).exists():
                    scratch.rename(self._cache / finished.name)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def _this_run(self) -> EarlierRun:
        """As those that take from it will call it."""
        rules = self.registration()
        return EarlierRun(
            config_sha256=self._config_sha256,
            log_sha256="",
            policy_sha256="" if isinstance(rules, NotMeasured) else rules.policy_sha256,
            finished=provenance.now() if isinstance(rules, NotMeasured) else rules.at,
            processor=provenance.processor(),
            torch=provenance.packages().get("torch", ""),
        )

    def arrays(self, key: str) -> dict[str, NDArray[Any]]:
        """What the scored positions of a finished cell showed; empty where nothing was measured."""
        from safetensors.numpy import load_file

        cell = self.finished_cell(key)
        return load_file(self.root / cell.measured_path) if cell.measured_path else {}

    def read(self, cell: Cell, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
        """The samples of a cell, one row an item and metric, with these columns.

        Raises StoreError where its file is no longer what it was.
        """
        path = self.root / cell.path
        try:
            looks = _looks(path)
            if self._sound.get(path) != looks and sha256_of(path) != cell.sha256:
                raise _damaged(path)
        except FileNotFoundError:
            raise _damaged(path) from None
        self._sound[path] = looks
        return read_columns(path, columns)

    # The log

    def note_runs(self, runs: Sequence[Run]) -> None:
        """Keep what has been scored so far where `read_progress` finds it."""
        write_whole(self.root / RUNS, _RUNS.dump_json(list(runs)))

    def register(self, registration: Registration) -> None:
        """Keep what was fixed before the first item was scored; an earlier one of the same stands.

        Raises StoreError where items or rules are no longer what they were then.
        """
        earlier = self.registration()
        if isinstance(earlier, NotMeasured):
            write_record(self.root / REGISTRATION, registration.model_dump_json(indent=1).encode())
        elif earlier.model_copy(update={"at": registration.at}) != registration:
            raise StoreError(
                f"{self.root}: the items or the rules are not those that were registered at {earlier.at}. "
                "Choose another --out."
            )

    def registration(self) -> Registration | NotMeasured:
        """What was fixed before the first item was scored."""
        try:
            return Registration.model_validate_json(read_record(self.root / REGISTRATION))
        except (FileNotFoundError, ValueError):
            return NotMeasured("it stopped before its tasks were loaded")

    def write_log(self, log: AuditLog) -> Path:
        """Write `audit.json` in canonical JSON with every field, whole or not at all."""
        path = self.root / "audit.json"
        write_record(path, canonical(log.model_dump(mode="json")))
        return path

    @contextlib.contextmanager
    def _filling(self, final: Path) -> Iterator[Path]:
        with disk_errors(self.root):
            final.parent.mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=HALF, dir=final.parent))
            try:
                yield folder
                flush(folder)
                if final.exists():  # what the record says no longer holds; it was made again
                    shutil.rmtree(final)
                folder.rename(final)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise


def without_answers(log: AuditLog, folder: Path) -> str:
    """Why a run's answers can't be read again, as where its log alone was kept; empty where they can."""
    there = all((folder / cell.path).is_file() for run in log.all_runs for cell in run.cells)
    return "" if there else f"the answers of {folder} don't lie beside its log"


def read_samples(cell: Cell, columns: Sequence[str] = COLUMNS, root: Path = Path()) -> pd.DataFrame:
    """Columns of the samples of a cell of a finished run; raises StoreError where the file is not that of its
    log."""
    path = root / cell.path
    try:
        if sha256_of(path) == cell.sha256:
            return read_columns(path, columns)
    except FileNotFoundError:
        raise StoreError(f"{path} is not there, though its log names it. Was it moved or deleted?") from None
    raise StoreError(f"{path} is not what its log says. See what else was changed by `shrinkproof verify`.")


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """These columns of a cell's parquet file; nothing else of it is read.

    Raises StoreError where it is no such table, or not there.
    """
    if not path.is_file():
        raise StoreError(f"{path} is not there. Was it moved or deleted?")
    try:
        return tables.frame(path, list(columns))[list(columns)]
    except Exception as error:  # pyarrow raises whatever its readers met
        raise StoreError(
            f"{path} is no table of answers: {reason_of(error)}. Make the run again: shrinkproof run."
        ) from None


def _baseline(config: AuditConfig) -> Baseline | None:
    """The earlier run that the config names; raises StoreError where that is none."""
    if config.baseline is None:
        return None
    root = Path(config.baseline)
    if not root.is_dir():
        raise StoreError(f"baseline: {root} is no folder. Name the --out of an earlier `shrinkproof run`.")
    if root.resolve() == Path(config.out).resolve():
        raise StoreError(f"baseline: {root} is this run's own folder. Choose another --out.")
    return Baseline.of(root, read_log(root), log_sha256(root))


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "shrinkproof"


def log_path(run: Path) -> Path:
    """The log of a run folder, or the log that was named itself."""
    return run / "audit.json" if run.is_dir() else run


def log_sha256(run: Path) -> str:
    """Of the log's file, as reports print it."""
    return sha256_of(log_path(run))


def read_log(run: Path, *, as_it_is: bool = False) -> AuditLog:
    """The log of a run folder (or the log file itself).

    Raises StoreError where there is none, it can't be read, or, unless it is wanted `as_it_is`, it is not
    what was written.
    """
    path = log_path(run)
    try:
        data = read_bytes(path) if as_it_is else read_record(path)
    except FileNotFoundError:
        raise StoreError(
            f"{run} holds no audit.json. Name a run folder that `shrinkproof run` made."
        ) from None
    except OSError as error:
        raise StoreError(f"{path} can't be read: {error.strerror}.") from None
    except DamagedError:
        raise StoreError(
            f"{path} is not what was written: its sha256 is not that of {digest_file(path).name}. It was "
            "edited or damaged; the command that made it writes it again out of its finished cells."
        ) from None
    try:
        return AuditLog.from_json(data)
    except StoreError as error:
        raise StoreError(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise StoreError(f"{path} is no audit log: {where}: {first['msg']}. Was it edited or cut?") from None


def read_progress(root: Path) -> tuple[AuditConfig, tuple[Run, ...], Reader]:
    """The config of a run folder, what it has scored so far, and what reads that; a run may hold the folder.

    Raises StoreError where there is none or nothing is scored yet.
    """
    try:
        identity = json_of(read_bytes(root / "config.json"))
        config = AuditConfig.model_validate({**identity, "out": str(root)})
        runs = tuple(_RUNS.validate_json(read_bytes(root / RUNS)))
        config.check_names(run.suite for run in runs)
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        what = "has scored no part of its items yet" if missing == RUNS else "is no run folder"
        raise StoreError(f"{root} {what}. Name the --out of a `shrinkproof run`.") from None
    except OSError as error:
        raise StoreError(f"{error.filename} can't be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, StoreError) as error:
        raise StoreError(
            f"{root} can't be read: {str(error).splitlines()[0]}. Was it edited or cut?"
        ) from None
    return config, runs, lambda cell, columns: read_samples(cell, columns, root)


def run_folder(run: Path) -> Path:
    """The run folder, where that or its log was named."""
    return run if run.is_dir() else run.parent


def write_report(run: Path, name: str, data: bytes) -> Path:
    """Write a rendered report into the run folder, whole or not at all."""
    folder = run_folder(run)
    with disk_errors(folder):
        write_whole(folder / name, data)
    return folder / name


def write_file(path: Path, data: bytes) -> None:
    """Write a file that the user named by --out, whole or not at all."""
    check_place(path)
    write_report(path.parent, path.name, data)


def check_place(path: Path) -> None:
    """Raises ConfigError where no file that the user named by --out can be written."""
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"--out {path}: name a file in a folder that exists.")


def config_digest(config: AuditConfig, log: AuditLog | None = None) -> str:
    """sha256 of the canonical JSON (RFC 8785) of `identity`."""
    return hashlib.sha256(canonical(identity(config, log))).hexdigest()


def identity(config: AuditConfig, log: AuditLog | None = None) -> dict[str, Any]:
    """What `config.json` holds: all that determines the results.

    Beside a `log`, as that says it: configs have gained fields since, and schema 1 names the place of tasks.
    """
    # Digests pin models, texts and items, so where they and the run lie is no part of what is audited.
    identity = config.model_dump(mode="json", exclude=_NO_IDENTITY, exclude_unset=log is not None)
    if config.search is not None:
        identity["levels"] = []
        identity["search"]["calibration"] = None
    identity["model"]["path"] = ""
    if identity.get("engine"):
        identity["engine"].pop("gpu_memory_utilization", None)
    for suite in identity["suites"]:
        if suite.get("items"):
            suite["items"] = ""
        if suite.get("include_path") and (log is None or log.written_in > 1):
            suite["include_path"] = ""
    for level in identity["levels"]:
        files = level.get("files", {})
        if "options" in level:
            level["options"] = {key: value for key, value in level["options"].items() if key not in files}
        if level.get("artefact"):
            level["artefact"]["path"] = ""
    return identity


def check_text(config: AuditConfig) -> None:
    """Raises ConfigError for a config that no file can hold."""
    try:
        config.model_dump_json()
    except ValueError:
        held = config.model_dump(mode="json")
        where, text = next((path, one) for path, one in _texts(held) if spelled(one) != one)
        raise ConfigError(
            f"{where} {spelled(text)!r} holds half of a character, as file names do that are not UTF-8: no "
            "file of ours can hold it. Rename it, or write it otherwise."
        ) from None


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in JSON, keys too, with the path that leads to it."""
    if isinstance(value, str):
        yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, one in pairs:
        within = f"{path}.{key}" if path else str(key)
        if isinstance(key, str):
            yield within, key
        yield from _texts(one, within)


def _clear_half_written(root: Path) -> None:
    for rubbish in (*root.glob(f"*/{HALF}*"), *root.glob(f"{HALF}*")):
        if rubbish.is_dir():
            shutil.rmtree(rubbish)
        else:
            rubbish.unlink()


def _hold(lock: IO[str], root: Path) -> None:
    """Take the lock, which the system lets go of when this process ends, however it ends.

    Raises StoreError where another run has it.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read(200).strip()
        raise StoreError(
            f"{root} is in use by another run{holder and f' (process {holder})'}. Wait for it, or choose "
            "another --out."
        ) from None
    except OSError as error:
        raise StoreError(
            f"{root} can't be locked against a second run: {error.strerror}. Choose an --out on another disk."
        ) from None
    with contextlib.suppress(OSError):  # on a full disk the next one is not told who holds it
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"{os.getpid()} on {socket.gethostname()}\n".encode())


def _claim(root: Path, config: AuditConfig) -> None:
    path, ours = root / _CONFIG, identity(config)
    data = canonical(ours)
    is_ours = written_digest(path) == hashlib.sha256(data).hexdigest()
    if not path.exists():
        if not is_ours and any(entry.name not in (_LOCK, digest_file(path).name) for entry in root.iterdir()):
            raise StoreError(f"{root} is no run folder and not empty. Choose another --out.")
        write_record(path, data)
        return
    try:
        held = read_bytes(path)
    except OSError as error:
        raise StoreError(f"{path} can't be read: {error.strerror}. Choose another --out.") from None
    if held == data:
        return
    if is_ours or _OLD_PLACE.sub(b'"include_path":""', held) == data:
        write_record(path, data)  # damaged, though its digest says that it was this config's; or of schema 1
        return
    try:
        theirs = json_of(read_record(path))
        differing = ", ".join(key for key in ours if theirs.get(key) != ours[key])
    except (ValueError, AttributeError):
        raise StoreError(f"{path} can't be read. Choose another --out, or delete {root}.") from None
    raise StoreError(
        f"{root} holds the run of another config (differs in: {differing}). "
        f"Choose another --out, or delete {root}."
    )


def _looks(path: Path) -> tuple[int, ...]:
    """What a change of a file changes too."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _damaged(path: Path) -> StoreError:
    return StoreError(f"{path} was damaged while the audit ran. Mend the disk and {KEPT}.")
