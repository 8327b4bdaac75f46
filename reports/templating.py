"""The jinja2 environment: a model's output is hostile text, and an unknown name is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from audit.records import NotMeasured
from reports import wording


def draw(template: str, **context: object) -> Markup:
    """A template of this package, filled in and escaped."""
    return Markup(_environment().get_template(template).render(**context))


def source(name: str) -> str:
    """The text of a file beside the templates, as it is."""
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        rate=wording.rate,
        points=wording.points,
        interval=wording.interval_points,
        probability=wording.probability,
        count=wording.count,
        short=wording.short,
        clipped=wording.clipped,
        ending=wording.ending,
        anchor=wording.anchor,
    )
    environment.tests["not_measured"] = lambda value: isinstance(value, NotMeasured)
    return environment


def _printed(value: object) -> object:
    """What a template prints for a value, before it is escaped."""
    if value is None:
        raise TypeError("a template printed None: say in words what is missing")
    if isinstance(value, NotMeasured):
        return wording.visible(str(value))
    if isinstance(value, str) and not isinstance(value, Markup):
        return wording.visible(value)
    return value
