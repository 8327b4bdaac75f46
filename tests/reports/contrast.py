"""How well what a plot draws stands out from what it is drawn on: WCAG 2.2, 1.4.3 and 1.4.11."""

from __future__ import annotations

import re
from typing import Any

Colour = tuple[float, float, float]

COLOURS = """(plot) => {
  const drawn = (selector, ...kinds) => [...plot.querySelectorAll(selector)].flatMap((one) => {
    const style = getComputedStyle(one);
    return kinds
      .filter((kind) => style[kind] !== "none" && Number(style[`${kind}Opacity`]) > 0)
      .map((kind) => [style[kind], Number(style[`${kind}Opacity`]) * Number(style.opacity), one.textContent]);
  });
  return {
    surface: getComputedStyle(plot.closest("section")).backgroundColor,
    shades: drawn(".shapelayer path", "fill"),
    text: drawn("text", "fill").filter(([, , words]) => words.trim()),
    graphics: [
      ...drawn(".point, .legendpoints path", "fill", "stroke"),
      ...drawn(".xerror, .yerror, .js-line, .shapelayer path", "stroke"),
    ],
  };
}"""
"""Of one plot: the page's colour, and of each thing drawn its colour, opacity and words."""


def faint(seen: dict[str, Any], kind: str, least: float) -> list[tuple[float, str, str]]:
    """What stands out by less than `least` to 1 from the page or from a shaded part of the plot."""
    surface = _rgb(seen["surface"])
    grounds = [surface, *(_over(_rgb(shade), opacity, surface) for shade, opacity, _ in seen["shades"])]
    found = [
        (min(_contrast(_over(_rgb(colour), opacity, ground), ground) for ground in grounds), colour, words)
        for colour, opacity, words in seen[kind]
    ]
    return [one for one in found if one[0] < least]


def _rgb(colour: str) -> Colour:
    red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", colour))
    assert not alpha or alpha == [1], f"{colour} is not solid"
    return red, green, blue


def _over(colour: Colour, opacity: float, ground: Colour) -> Colour:
    red, green, blue = (opacity * a + (1 - opacity) * b for a, b in zip(colour, ground, strict=True))
    return red, green, blue


def _contrast(one: Colour, other: Colour) -> float:
    """The ratio of relative luminances, as WCAG defines both."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (x / 255 for x in colour)]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
