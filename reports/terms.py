"""The words that a reader of the page may not know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One entry of the glossary."""

    name: str
    pattern: str
    """What finds it in the page's text, as a regular expression; case makes no difference."""
    meaning: str


TERMS = (
    Term(
        "Accuracy floor",
        r"accuracy floor",
        "What a level must still know before its bias and safety are read: a model that only guesses "
        "treats everybody alike.",
    ),
    Term(
        "Alpha",
        r"\balpha\b|α",
        "The chance, fixed before the run, that a rule passes a level whose true drop is as large as the "
        "margin.",
    ),
    Term(
        "Benjamini-Hochberg",
        r"benjamini",
        "A correction of p-values that holds down the share of false findings among many. Good for "
        "looking around, too mild for a claim.",
    ),
    Term(
        "Bits a weight",
        r"bits (?:a|per) weight",
        "All stored bits, scales and indices included, over the number of the model's weights.",
    ),
    Term(
        "Bonferroni",
        r"bonferroni",
        "A correction that makes intervals so wide that all of them hold together.",
    ),
    Term(
        "Budget",
        r"\bbudgets?\b",
        "A limit on the artefact itself, such as its bytes or its decode time, fixed before the run.",
    ),
    Term(
        "Ceiling",
        r"\bceilings?\b",
        "The largest share of bad answers that a level may give, whatever the original's is.",
    ),
    Term(
        "Chance",
        r"\bchance, %",
        "How often somebody is right who only guesses, on the same items.",
    ),
    Term(
        "Cluster",
        r"\bclusters?\b",
        "Items that tend to be lost together, as those about one passage. They tell less than as many "
        "independent ones.",
    ),
    Term(
        "Confidence interval",
        r"\binterval",
        "Where the true value lies, as far as these items can tell: a procedure that gives such 90 % "
        "intervals misses the true value one time in ten.",
    ),
    Term(
        "Control",
        r"\bcontrol\b",
        "The original, saved, loaded and measured again. What changes in it is noise of the measurement.",
    ),
    Term(
        "Dequantised",
        r"dequantised|simulated",
        "Computed in floating point from the compressed weights: the answers are those of the level, the "
        "speed is not.",
    ),
    Term(
        "Design effect",
        r"design effect",
        "How many times more items it takes because they hang together in clusters.",
    ),
    Term(
        "Detectably worse",
        r"detectably worse",
        "There is a drop above zero, beyond what chance explains. It may still be smaller than the margin.",
    ),
    Term(
        "Digest",
        r"\bdigests?\b|sha256",
        "A fingerprint of a file (sha256). One changed bit gives another, so it says which files were meant.",
    ),
    Term(
        "Drop",
        r"\bdrops?\b",
        "What the original reached less what the level reaches, on the same items. Above zero is a loss.",
    ),
    Term(
        "Exploratory",
        r"exploratory",
        "Found by looking around, not planned: a hint of where to look, and no claim.",
    ),
    Term(
        "Fail",
        r"\bfail(?:s|ed)?\b",
        "The level is not shown to lose less than the margin, and either a loss is shown, or the drop "
        "that was seen reaches the margin. Which of the two, the reason says.",
    ),
    Term(
        "Flip",
        r"\bflip(?:s|ped)?\b",
        "An item that turned from right to wrong (lost) or from wrong to right (gained). Losses and gains "
        "cancel in the drop, and not in the flips.",
    ),
    Term(
        "Front",
        r"\bfront\b",
        "Also Pareto front: of the levels that pass, those that no other one beats in both size and loss.",
    ),
    Term(
        "Futile",
        r"futil",
        "A rule is given up before its last item when it has too little chance left to pass.",
    ),
    Term(
        "Group size",
        r"group_size|groups of \d",
        "How many weights share one scale, in the order in which they are stored.",
    ),
    Term(
        "Head, torso, tail",
        r"\btorso\b|\btail\b",
        "Groups of facts by how often their subject is mentioned in texts: head often, tail rarely, torso "
        "between.",
    ),
    Term(
        "Holm",
        r"\bholm",
        "A correction of p-values for having tested many times: the chance of even one false claim stays "
        "below the level that was set.",
    ),
    Term(
        "Inconclusive",
        r"inconclusive",
        "Shown neither to be good enough nor not to be. It releases nothing, and it is no finding of damage.",
    ),
    Term(
        "KL divergence",
        r"\bkl\b|kullback",
        "How far the level's probabilities of the next token lie from the original's, in nats a position: "
        "0 is equal. It moves before any answer flips.",
    ),
    Term(
        "Lead",
        r"\bleads?\b",
        "By how many nats the right choice is likelier than the likeliest wrong one.",
    ),
    Term(
        "Level",
        r"\blevels?\b",
        "One way to compress the model, with its settings, and the artefact that came of it.",
    ),
    Term(
        "Log-likelihood",
        r"log-likelihood",
        "The logarithm of the probability that a model gives to a text, in nats. Nearer to zero is likelier.",
    ),
    Term(
        "Look",
        r"\blooks?\b (?:at the data|used|after|before|may)|looking early|looking before",
        "A test before all items were asked. Each look may spend a part of the error only, so looking "
        "often adds no false passes.",
    ),
    Term(
        "Margin",
        r"\bmargins?\b",
        "The largest drop that is still taken as good enough, fixed for each rule before the run.",
    ),
    Term(
        "McNemar's test",
        r"mcnemar",
        "Were as many answers lost as gained? It looks at the flips alone.",
    ),
    Term(
        "Nominal error",
        r"nominal error",
        "What the p-value of one look is compared with: the part of alpha that may be spent there.",
    ),
    Term(
        "Non-inferiority",
        r"non-inferiority",
        "The question whether a drop is shown to be smaller than the margin. Without enough evidence the "
        "answer is no.",
    ),
    Term(
        "P-value",
        r"\bp-values?\b|\bp, drop|\bp adjusted",
        "How often chance alone gives evidence as strong as this, if the opposite of the claim were true. "
        "Small speaks for the claim; large says nothing.",
    ),
    Term(
        "Paired",
        r"\bpair(?:s|ed)?\b",
        "Both models were asked the very same items, and each answer is held against its partner. That "
        "tells more than two averages.",
    ),
    Term(
        "Percentage point",
        r"\bpoints\b",
        "A difference of two percentages: from 80 % to 77 % is a drop of 3 points.",
    ),
    Term(
        "Perplexity",
        r"perplexit",
        "How surprised a model is by ordinary text: the exponential of the mean loss. Lower is better.",
    ),
    Term(
        "Post hoc",
        r"post hoc",
        "Decided after the results were there. Whoever picks a rule then can pick one that passes.",
    ),
    Term(
        "Power",
        r"\b80 % power|\bpower\b",
        "The chance that a level without any drop passes.",
    ),
    Term(
        "Prefill and decode",
        r"\bprefill\b|\bdecode\b",
        "The two parts of generating text: reading the prompt at once, and writing one token after another.",
    ),
    Term(
        "RTN",
        r"\brtn\b",
        "Round to nearest: each weight becomes the nearest value that its few bits can hold, and no text "
        "is looked at.",
    ),
    Term(
        "Symmetric",
        r"\bsymmetric\b",
        "Of integers: their values lie on both sides of zero alike, with a scale and no offset.",
    ),
    Term(
        "Truncation",
        r"\btruncation\b",
        "Only the likeliest tokens are summed exactly; the rest of the vocabulary is estimated, and that "
        "adds an error.",
    ),
    Term(
        "Upper bound",
        r"upper bound",
        "The upper end of the drop's interval: as large the drop may be. It has to lie below the margin.",
    ),
)
"""In alphabetical order."""
