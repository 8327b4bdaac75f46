"""Files that are whole or not there, and what a disk refuses in words of ours.

Beside a record lies its digest, as `sha256sum -c` reads it: where a bit of a number flips, the JSON is as
good as before and the number wrong.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from audit.bounded import read_bytes
from audit.errors import StoreError

HALF = ".half-"
"""What names of files and folders begin with until they are whole."""
DIGEST = ".sha256"
"""Ends the name of the file that holds the digest of the one that it is named after."""
MOST_DIGEST = 4096
"""Bytes of such a file."""
KEPT = "run the same command: finished cells are kept"
_FULL = f"the disk is full. Free some space and {KEPT}"
_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM)
_BROKEN = (errno.EIO, errno.ESTALE)
_OF_THE_SYSTEM = re.compile(r"\(os error (\d+)\)")


class DamagedError(ValueError):
    """A file is not what was written."""


def sha256_of(path: Path) -> str:
    """Of a file, in hex; a pipe or a device, which may never end, is none."""
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=HALF, delete=False) as stream:
        try:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            Path(stream.name).chmod(0o644)
            Path(stream.name).replace(path)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise


def write_record(path: Path, data: bytes) -> None:
    """Write a file and its digest; between the two it is as good as damaged, so it has to be made again."""
    write_whole(digest_file(path), f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
    write_whole(path, data)


def read_record(path: Path) -> bytes:
    """What was written; raises DamagedError where it is not. Files of older versions have no digest."""
    data = read_bytes(path)
    said = written_digest(path)
    if said and hashlib.sha256(data).hexdigest() != said:
        raise DamagedError(f"{path} is not what was written")
    return data


def written_digest(path: Path) -> str:
    """What lies beside a file as its digest; empty where nothing does."""
    try:
        return read_bytes(digest_file(path), MOST_DIGEST).decode(errors="replace").partition(" ")[0]
    except FileNotFoundError:
        return ""
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):  # a pipe, or more than a digest is: nobody's digest
            return "none"
        raise


def digest_file(path: Path) -> Path:
    """Where the digest of a file lies."""
    return path.with_name(path.name + DIGEST)


def flush(folder: Path) -> None:
    """Push a folder's files to the disk, so that its final name never stands for less than all of it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


@contextlib.contextmanager
def disk_errors(root: Path | None) -> Iterator[None]:
    """Raises StoreError for what a disk refuses, and for whatever goes wrong with files under `root`."""
    try:
        yield
    except OSError as error:
        why = _why(error.errno) or (_unusable(error) if root and _within(error, root) else None)
        if why is None:
            raise
        raise StoreError(f"{error.filename or root or 'a file'}: {why}.") from error
    except StoreError:
        raise
    except Exception as error:
        # What is written in Rust wraps the system's error in one of its own
        found = _OF_THE_SYSTEM.search(str(error))
        why = _why(int(found[1])) if found else _FULL if "No space left on device" in str(error) else None
        if why is None:
            raise
        raise StoreError(f"{root or 'a file'}: {why}.") from error


def _why(code: int | None) -> str | None:
    if code in _FULL_ERRORS:
        return _FULL
    if code == errno.EROFS:
        return "the disk is read-only. Choose another --out"
    if code in _REFUSED:
        return "no permission there. Allow it, or choose another --out"
    if code in _BROKEN:
        return f"the disk fails ({os.strerror(code or 0)}). Mend it and {KEPT}"
    return None


def _unusable(error: OSError) -> str:
    return f"{error.strerror or error}. Was it changed while the audit ran? Mend that and {KEPT}"


def _within(error: OSError, root: Path) -> bool:
    name = error.filename
    return isinstance(name, str | os.PathLike) and Path(name).resolve().is_relative_to(root.resolve())
