"""Every error a user can meet, one tree.

ShrinkproofError              exit code 2 at the command line, one line, no traceback
├── ConfigError               the YAML or a flag says something unusable
├── ModelError                the model folder, its files, or its numbers are unusable
│   └── NoNumbersError        what it computes for an item says nothing: NaN, infinite, or all alike
├── CompressionError          a level could not be made, or is not what it claims
├── EvaluationError           a task could not be loaded or scored
├── StoreError                the run folder: another config's, unreadable, disk full
├── OutOfMemoryError          memory does not suffice for a step
└── CommentError              a forge does not take the comment of a CI job
"""

from audit.hidden import without_secrets


class ShrinkproofError(Exception):
    """Something the user can mend; the message names the thing, the value and the way out.

    It goes onto terminals, into logs and into jobs that strangers read, so no key of this process is in it.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(without_secrets(message))


class ConfigError(ShrinkproofError):
    """The YAML or a flag says something unusable."""


class ModelError(ShrinkproofError):
    """The model's folder, its files, or the numbers it computes are unusable."""


class NoNumbersError(ModelError):
    """What a model computes for some items says nothing: NaN, infinite, or the same of every choice."""


class CompressionError(ShrinkproofError):
    """A level could not be made, or the artefact is not what it claims to be."""


class EvaluationError(ShrinkproofError):
    """A task could not be loaded or scored."""


class StoreError(ShrinkproofError):
    """The run folder belongs to another config, can't be read, or can't be written."""


class OutOfMemoryError(ShrinkproofError):
    """The memory of this machine or its GPU does not suffice for a step."""


class CommentError(ShrinkproofError):
    """The forge that runs a CI job does not answer as it should, or there is no such job."""


def first_line(error: BaseException) -> str:
    r"""Of what somebody's error says; its kind where it says nothing.

    >>> first_line(ValueError("too long\n  at line 3")), first_line(KeyError())
    ('too long', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
