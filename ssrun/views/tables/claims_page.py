"""The claims page: every claim of every comparison whose tables are kept, its verdict, and how to get it again."""

from __future__ import annotations

from pathlib import Path

from ssrun.errors import StoreError
from ssrun.metrics import METRICS
from ssrun.views import keeping
from ssrun.views.formats import markdown_cell, table_lines
from ssrun.views.tables.cells import Document, p_value

INTRODUCTION = """# What the claims came to

Made by `ssrun claims`, from the tables in this folder. A verdict is *agree* when the simultaneous 95 % paired
t-interval (Holm over the claims of one experiment) of the difference lies wholly on the claimed side, beyond the margin
where one is claimed; *disagree* when it lies wholly on the other; else *inconclusive*. p is the exact two-sided
sign-flip p, n the number of paired seeds. Of a chain of strategies the numbers are those of its weakest link. Toy tasks
and small models: a verdict here says what this instrument shows, not what the paper's own experiment would.
"""


def documents(results: Path) -> list[Document]:
    """The comparisons whose tables are kept in a folder's folders, in order of their names.

    Raises:
        StoreError: There are none.
    """
    found = [keeping.read(path) for path in sorted(results.glob("*/table.json"))]
    if not found:
        raise StoreError(f"{results}: no tables here: give the folder that holds the folders of results")
    return found


def page(documents: list[Document]) -> str:
    """The claims page, in Markdown."""
    text = [INTRODUCTION]
    for document in documents:
        if not document["claims"]:
            continue
        text += [f"## {markdown_cell(document['experiment'])}", "", markdown_cell(document["question"]), ""]
        rows = [["verdict", "claim", "source", "measured", "difference [interval]", "p", "n"]]
        for claim in document["claims"]:
            decimals = METRICS[claim["metric"]].decimals
            found = "-"
            if claim["low"] is not None:
                numbers = (f"{claim[key]:+.{decimals}f}" for key in ("difference", "low", "high"))
                found = "{} [{}, {}]".format(*numbers)
            margin = f" by {claim['by']:g}" if claim["by"] else ""
            rows.append(
                [
                    f"**{claim['verdict']}**",
                    *(markdown_cell(claim[key]) for key in ("text", "source")),
                    markdown_cell(f"{claim['metric']}: {claim['order']}{margin}"),
                    markdown_cell(found),
                    markdown_cell(p_value(claim["p"])),
                    str(claim["n"]),
                ]
            )
        text += table_lines("llllrrr", rows)
        text += ["", f"Again: `{document['command']}`", ""]
    return "\n".join(text).rstrip() + "\n"
