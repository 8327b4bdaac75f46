"""Facts about countries, cities and elements, each with how well known its subject is likely to be.

Each fact is asked in two wordings: a model knows it when it is right in both, and has not merely met one of
the sentences (Elazar et al. 2021, "Measuring and Improving Consistency in Pretrained Language Models").
Compression loses rarely seen facts first (Hooker et al. 2019, "What Do Compressed Deep Neural Networks
Forget?"), and small models know popular subjects best (Mallen et al. 2023), hence the bands.

The tables are general knowledge written down by the project. Country populations are millions around 2024,
city populations millions of the urban area around 2020; both are rounded and serve only to sort subjects
into bands. `known_since` is the year of discovery or first isolation, on which sources differ by a few years;
−1000 stands for antiquity. Cells are blank where a fact is disputed, has changed lately or has two right
answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from suites.documents import Document, for_harness, mixed, options, read_table, seeded

Row = dict[str, str]

PEOPLE_BANDS = (30.0, 5.0)
"""Millions of inhabitants from which a country is head, and torso."""

CITY_BANDS = (3.0, 1.0)
"""Millions of inhabitants from which a city is head, and torso."""

ELEMENT_BANDS = (230.0, 150.0)
"""Years known by 2000 from which an element is head, and torso."""


WORDINGS = ("first", "second")
"""The ways in which a fact is asked."""


def band(popularity: float, thresholds: tuple[float, float]) -> str:
    """Head, torso or tail by two falling thresholds."""
    head, torso = thresholds
    return "head" if popularity >= head else "torso" if popularity >= torso else "tail"


def fact(
    relation: str, subject: str, wordings: tuple[str, str], answer: str, pool: Iterable[str],
    popularity: tuple[float, str],
) -> list[Document]:  # fmt: skip
    """One fact as two four-choice documents, one a wording; `popularity` is the number and its band."""
    choices, gold = options(answer, pool, seeded("forgetting", relation, subject))
    number, name = popularity
    return [
        {
            "prompt": prompt,
            "choices": choices,
            "gold": gold,
            "relation": relation,
            "subject": subject,
            "fact": f"{relation}: {subject}",
            "wording": wording,
            "popularity": number,
            "band": name,
        }
        for wording, prompt in zip(WORDINGS, wordings, strict=True)
    ]


def country_facts(
    column: str, wordings: tuple[str, str], answer: str, pool: Callable[[Row, list[Row]], list[str]]
) -> list[Document]:
    """One fact per country that has `column`, asking for `answer`."""
    rows = [row for row in read_table("suites.forgetting", "countries.csv") if row[column]]
    facts = []
    for row in rows:
        people = float(row["population"])
        first, second = wordings
        facts.append(
            fact(
                column,
                row["country"],
                (first.format(**row), second.format(**row)),
                row[answer],
                pool(row, rows),
                (people, band(people, PEOPLE_BANDS)),
            )
        )
    return mixed(facts, f"forgetting {column}")


def neighbours(row: Row, rows: list[Row]) -> list[str]:
    """Countries of the same region: wrong answers that only the fact itself rules out."""
    return [other["country"] for other in rows if other["region"] == row["region"]]


def capital_facts() -> list[Document]:
    """Which country a capital belongs to, among countries of the same continent."""
    wordings = "The city of {capital} is the capital of", "The country whose capital city is {capital} is"
    return country_facts("capital", wordings, "country", neighbours)


def continent_facts() -> list[Document]:
    """On which continent a country lies."""

    def continents(_row: Row, rows: list[Row]) -> list[str]:
        return [other["continent"] for other in rows]

    wordings = "The country of {country} is in", "The continent that {country} belongs to is"
    return country_facts("continent", wordings, "continent", continents)


def language_facts() -> list[Document]:
    """Which language a country is governed in.

    English and French, which many governments use beside their own, are never wrong answers.
    """

    def languages(_row: Row, rows: list[Row]) -> list[str]:
        return [other["language"] for other in rows if other["language"] not in ("English", "French")]

    wordings = (
        "In {country}, the language of government is",
        "The government of {country} conducts its business in",
    )
    return country_facts("language", wordings, "language", languages)


def city_facts() -> list[Document]:
    """Which country a city that is no capital lies in, among countries of the same continent."""
    regions = {row["country"]: row["region"] for row in read_table("suites.forgetting", "countries.csv")}
    rows = read_table("suites.forgetting", "cities.csv")
    facts = []
    for row in rows:
        pool = [other["country"] for other in rows if regions[other["country"]] == regions[row["country"]]]
        people = float(row["population"])
        facts.append(
            fact(
                "city",
                row["city"],
                (f"The city of {row['city']} is in", f"The country in which {row['city']} lies is"),
                row["country"],
                pool,
                (people, band(people, CITY_BANDS)),
            )
        )
    return mixed(facts, "forgetting city")


def element_facts() -> list[Document]:
    """The symbol of a chemical element, among symbols that share a letter where there are enough."""
    rows = read_table("suites.forgetting", "elements.csv")
    symbols = [row["symbol"] for row in rows]
    facts = []
    for row in rows:
        alike = [symbol for symbol in symbols if symbol[0] == row["symbol"][0]]
        years = 2000 - float(row["known_since"])
        facts.append(
            fact(
                "element",
                row["element"],
                (
                    f"The chemical symbol for {row['element']} is",
                    f"In the periodic table, {row['element']} is written as",
                ),
                row["symbol"],
                alike if len(alike) > 3 else symbols,
                (years, band(years, ELEMENT_BANDS)),
            )
        )
    return mixed(facts, "forgetting element")


capitals = for_harness(capital_facts)
continents = for_harness(continent_facts)
languages = for_harness(language_facts)
cities = for_harness(city_facts)
elements = for_harness(element_facts)
