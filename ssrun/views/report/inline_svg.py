"""The figures as part of a page: small, ids of their own, no style attribute, which the page's policy forbids."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup

from ssrun.analysis.evidence import Runs
from ssrun.errors import UsageError
from ssrun.views.figures.canvas import Easel, evidence, saved, style
from ssrun.views.figures.runs import figures
from ssrun.views.tables.cells import Document

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def inlined(svg: bytes, name: str, title: str, rules: dict[str, str]) -> Markup:
    """An SVG of matplotlib's as part of a page: ids of its own, no style attribute (the policy forbids them), small."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - matplotlib's own, made a moment ago
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}metadata", f"{SVG}title", f"{SVG}style") or "rdf" in str(child.tag):
                parent.remove(child)
    used = {match for element in root.iter() for match in re.findall(r"#(\w+)\)?$", " ".join(links(element)))}
    ids = {old: f"{name}-{number}" for number, old in enumerate(sorted(used))}
    for element in root.iter():
        element.tag = str(element.tag).removeprefix(SVG)
        attributes = dict(element.attrib)
        element.attrib.clear()
        for key, value in attributes.items():
            if key == "id":
                if value in ids:
                    element.set("id", ids[value])
            elif key == LINK:
                element.set("href", f"#{ids[value[1:]]}")
            elif key == "clip-path":
                element.set(key, f"url(#{ids[value[5:-1]]})")
            elif key == "style":
                rule = re.sub(r"font-family:[^;]*", f"font-family: {FONTS}", value)
                element.set("class", rules.setdefault(rule, f"f{len(rules)}"))
            elif not value.startswith("rotate(-0 "):
                element.set(key, re.sub(r"(\.\d\d)\d+", r"\1", " ".join(value.split())))
        element.tail = None if element.tag != "tspan" else element.tail
    view = root.get("viewBox", "")
    root.attrib.clear()
    for key, value in {"viewBox": view, "role": "img", "aria-label": title}.items():
        root.set(key, value)
    unwrap(root)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - serialised, so escaped


def links(element: ElementTree.Element) -> Iterable[str]:
    """What an element refers to; at most one of them."""
    return [element.attrib[key] for key in (LINK, "clip-path") if key in element.attrib]


def unwrap(parent: ElementTree.Element) -> None:
    """Takes groups without attributes out of a tree, and leaves their children in their place."""
    children = []
    for child in parent:
        unwrap(child)
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    parent[:] = children
    if parent.tag != "text":
        parent.text = None


def inline_figures(document: Document, runs: Runs, tell: Callable[[str], None]) -> tuple[list[dict[str, Any]], str]:
    """The figures as markup without style attributes, and the style sheet of the classes that they use instead."""
    rules: dict[str, str] = {}
    parts = []
    try:
        with style():
            for drawn in figures(Easel(document, framed=False), runs, tell):
                svg = inlined(saved(drawn, "svg"), drawn.name, drawn.title, rules)
                parts.append(
                    {
                        "name": drawn.name,
                        "title": drawn.title,
                        "about": drawn.about,
                        "evidence": evidence(document),
                        "svg": svg,
                    }
                )
    except UsageError as error:
        tell(f"no figures: {error}")
    return parts, "".join(f".{name}{{{rule}}}\n" for rule, name in rules.items())
