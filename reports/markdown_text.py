"""Foreign text in Markdown: shown as it is, and nothing else; and the cells that its tables share.

A name or a reason must not become a link, a tag, a mention of somebody, or one more cell of a table. What
GitHub turns into links only after it has read the Markdown (mentions, issues, addresses) can't be escaped by
a backslash; an invisible space breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from audit.records import NotMeasured, Variant
from reports.wording import clipped, mebibytes, visible

MOST = 400
"""Characters of one foreign text."""
_BREAK = "&#8203;"
"""A space of no width."""


def one_line(text: object, most: int = MOST) -> str:
    """Somebody else's text, cut, on one line, with what hides in it spelled out."""
    return " ".join(clipped(visible(str(text)), most).split())


def inline(text: object, most: int = MOST) -> str:
    """A text inside a line: no markup in it has a meaning.

    >>> inline("a|b *c* <i> @me www.x.y")
    'a\\\\|b \\\\*c\\\\* &lt;i&gt; @&#8203;me www&#8203;.x.y'
    """
    words = one_line(text, most)
    words = words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", words)
    words = re.sub(r"^(\d*)([-+=#.)])(?=\s|$|#)", r"\1\\\2", words)
    words = re.sub(r"@|#(?=\d)|GH-(?=\d)|:(?=//)", rf"\g<0>{_BREAK}", words)
    return re.sub(r"www(?=\.)", rf"\g<0>{_BREAK}", words, flags=re.IGNORECASE)


def code(text: object, most: int = MOST) -> str:
    """A name or a digest in the letters of code, between as many backticks as it takes."""
    words = one_line(text, most)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    edge = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{edge}{words}{edge}{fence}".replace("|", "\\|") if words else "(no name)"


def row(cells: Sequence[str]) -> str:
    """A line of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def head(titles: Sequence[str], numeric: Sequence[str] = ()) -> list[str]:
    """The head of a table, the numeric columns aligned right."""
    return [row(titles), row(["---:" if title in numeric else "---" for title in titles])]


def bits_and_size(variant: Variant | None) -> list[str]:
    """Two cells: bits a weight, and the size of the files."""
    if variant is None:
        return ["not made", "not made"]
    bits, size = variant.bits_per_weight, variant.size_bytes
    return [
        inline(bits) if isinstance(bits, NotMeasured) else f"{bits:.2f}",
        inline(size) if isinstance(size, NotMeasured) else mebibytes(size),
    ]
