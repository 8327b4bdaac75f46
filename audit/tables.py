"""Parquet of strangers, read within bounds: a few hundred bytes can say gigabytes.

The footer is held against bounds first. It can lie, and says of a long text that is repeated only how long it
is once; so memory is bounded too while a table is read.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.bounded import check_file
from audit.memory import GIB, at_most

if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import ParquetFile

MOST_BYTES = 8 * GIB
"""Of a table: on the disk, unpacked, and in memory."""
MOST_VALUES = 500_000_000
"""Of a table: rows times columns."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ParquetFile]:
    """A parquet file, to be read inside the block. OSError where it is none that ends, or says too much.

    Also raises whatever pyarrow's readers meet.
    """
    from pyarrow import parquet

    check_file(path, MOST_BYTES)
    try:
        with at_most(MOST_BYTES), parquet.ParquetFile(path) as file:
            footer = file.metadata
            unpacked = sum(footer.row_group(at).total_byte_size for at in range(footer.num_row_groups))
            if unpacked > MOST_BYTES:
                raise _too_large(f"{unpacked:,} bytes unpacked, and {MOST_BYTES:,} are read")
            if (values := footer.num_rows * footer.num_columns) > MOST_VALUES:
                raise _too_large(f"{values:,} values, and {MOST_VALUES:,} are read")
            yield file
    except MemoryError:
        raise _too_large(f"more than {MOST_BYTES / GIB:.3g} GiB in memory, and no more are read") from None


def frame(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A whole table, or these columns of it; raises as `opened`."""
    with opened(path) as table:
        read: pd.DataFrame = table.read(columns=columns, use_threads=False).to_pandas()
        return read


def _too_large(how: str) -> OSError:
    return OSError(errno.EFBIG, f"its table holds {how}")
