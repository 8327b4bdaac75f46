"""Keep the libraries' own bars and warnings off the user's terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what libraries print while the block runs.

    compressed-tensors and datasets draw their bars unconditionally on whatever `sys.stderr` is; what
    matters reaches the user as an error of ours. A file and no StringIO, since vLLM asks for its number.
    """
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
