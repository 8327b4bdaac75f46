"""T-REx facts in two wordings of ParaRel, each among four objects of its relation.

Elsahar et al. 2018 (T-REx); Elazar et al. 2021 (ParaRel), arXiv:2102.01017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from suites.documents import Document, options, seeded

if TYPE_CHECKING:
    from datasets import Dataset

WORDINGS = 2


def questions(documents: Dataset) -> Dataset:
    """Each fact that has two wordings or more, in the first two, with four choices each.

    A wrong choice is an object of other facts of the relation and of none about the same subject.
    """
    from datasets import Dataset

    objects: dict[str, set[str]] = {}
    true: dict[tuple[str, str], set[str]] = {}
    for one in documents:
        objects.setdefault(one["relation"], set()).add(one["obj_label"])
        true.setdefault((one["relation"], one["sub_label"]), set()).add(one["obj_label"])
    asked: list[Document] = []
    for one in documents:
        answer = one["obj_label"]
        others = true[one["relation"], one["sub_label"]] - {answer}
        pool = objects[one["relation"]] - others
        if len(one["prompts"]) < WORDINGS or len(pool) < 2:
            continue
        choices, gold = options(answer, pool, seeded("trex", one["uuid"]))
        asked += [
            {
                "prompt": prompt, "choices": choices, "gold": gold, "relation": one["relation"],
                "subject": one["sub_label"], "fact": one["uuid"],
            }
            for prompt in one["prompts"][:WORDINGS]
        ]  # fmt: skip
    return Dataset.from_list(asked)
