"""The changes to a text as the engine asks for them: whole items, whose options stay as they are."""

from __future__ import annotations

from audit.asking import on_text
from suites.robustness import perturbations

typo = on_text(perturbations.typo)
lower_case = on_text(perturbations.lower_case)
upper_case = on_text(perturbations.upper_case)
spacing = on_text(perturbations.spacing)
punctuation = on_text(perturbations.punctuation)
irrelevant_context = on_text(perturbations.irrelevant_context)
