"""A figure as part of a page: SVG without style, script or address, whose colours follow the page's scheme.

Matplotlib writes an SVG document, in which every text is escaped. Of it only what draws is kept, by name: elements,
attributes, and within styles the properties that are attributes of SVG too. What is not known here is left out.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ssrun.views.figures.canvas import Picture, drawable, rendered

ELEMENTS = ("svg", "g", "path", "text", "tspan", "use", "defs", "clipPath", "rect")
ATTRIBUTES = ("d", "x", "y", "width", "height", "transform", "viewBox", "id", "clip-path", "href")
PROPERTIES = (
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset"),
    *("opacity", "font-size", "font-weight", "text-anchor"),
)
DARK = {  # what stands for a colour of the canvas on a dark page
    "#000000": "#e9e9ec", "#d55e00": "#ff8a3d", "#56b4e9": "#56b4e9", "#009e73": "#2fc79b", "#e69f00": "#e69f00",
    "#0072b2": "#3d8fd6", "#cc79a7": "#d98fb8", "#7f7f7f": "#9a9a9a", "#ffffff": "#15171c", "#555555": "#a9afba",
    "#dddddd": "#363a43", "#e8e8e8": "#2b2e36", "#888888": "#7d838f", "#222222": "#e0e0e4", "#333333": "#cfd2d8",
}  # fmt: skip
DRAWN = ("path", "text", "use")  # that are black where they name no colour
COORDINATE = re.compile(r"(?<=\.\d)\d+")  # less than a tenth of a point
REFERENCES = ("clip-path", "href")
GAP = re.compile(r"\s*([A-Za-z])\s*")
REFERENCE = re.compile(r"#(\w+)")
FONT = re.compile(r"(?:(\d{3}|bold) )?([\d.]+px)")  # of the shorthand that older versions of matplotlib write


def dark_style() -> str:
    """The rules that give figures on a page their dark colours; no ancestor is named, for a used part has none."""
    rules = (
        f"[{name}='{light}']{{{name}:{dark}}}"
        for light, dark in DARK.items()
        if light != dark
        for name in ("fill", "stroke")
    )
    return f"@media screen and (prefers-color-scheme: dark){{{''.join(rules)}}}\n"


def inline_svg(picture: Picture, prefix: str) -> str:
    """The figure's `svg` element; its ids begin with the prefix, which no other on the page has."""
    root = ElementTree.fromstring(rendered(picture, "svg"))  # noqa: S314 - written by matplotlib, just now
    used = {
        found
        for element in root.iter()
        for name, value in element.attrib.items()
        if local(name) in REFERENCES
        for found in REFERENCE.findall(value)
    }
    ids = {name: f"{prefix}-{index}" for index, name in enumerate(sorted(used), start=1)}
    (drawn,) = parts_of(root, ids)
    own = {part.attrib["id"]: part.attrib.keys() & set(PROPERTIES) for part in drawn.iter() if "id" in part.attrib}
    for part in drawn.iter("use"):  # what a used part says itself its uses need not
        for name in own[part.attrib["href"][1:]] - {"opacity"}:
            part.attrib.pop(name, None)
    _, _, width, height = drawn.attrib["viewBox"].split()
    drawn.attrib.update({"width": width, "height": height, "role": "img", "aria-label": drawable(picture.title)})
    return ElementTree.tostring(drawn, encoding="unicode")


def parts_of(element: Element, ids: dict[str, str]) -> list[Element]:
    """What is kept of an element: itself or, of a group that says nothing, its children; nothing of what is unknown."""
    tag = local(element.tag)
    if tag not in ELEMENTS:
        return []
    children = [part for child in element for part in parts_of(child, ids)]
    attributes = attributes_of(element, tag, ids)
    if tag in ("g", "defs") and not (attributes and children):
        return [*children] if tag == "g" else wrapped(tag, {}, children)
    return wrapped(tag, attributes, children, element.text if tag in ("text", "tspan") else None)


def wrapped(tag: str, attributes: dict[str, str], children: list[Element], text: str | None = None) -> list[Element]:
    if tag == "defs" and not children:
        return []
    made = Element(tag, attributes)
    made.text = text
    made.extend(children)
    return [made]


def attributes_of(element: Element, tag: str, ids: dict[str, str]) -> dict[str, str]:
    given = {local(name): value for name, value in element.attrib.items()}
    found = {name: value for name, value in given.items() if name in ATTRIBUTES}
    for declaration in given.get("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font" and (font := FONT.match(value)):
            found |= {"font-weight": font[1] or "400", "font-size": font[2]}
        elif name in PROPERTIES:
            found[name] = value
    if "id" in found:
        found["id"] = ids.get(found["id"], "")
    if tag in DRAWN and not found.get("id"):  # what has an id takes the colours of its uses
        found.setdefault("fill", "#000000")
    if found.get("transform", "").startswith("rotate(-0 "):
        del found["transform"]
    if "d" in found:
        found["d"] = GAP.sub(r"\1", found["d"]).strip()
    for name in REFERENCES:
        if name in found:
            found[name] = REFERENCE.sub(lambda match: f"#{ids[match[1]]}", found[name])
    if not found.get("id"):
        found |= {name: COORDINATE.sub("", found[name]) for name in ("d", "x", "y") if name in found}
    return {name: value for name, value in found.items() if value}


def local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]
