"""Builds HTML and SVG so that text cannot become markup: whatever is not Markup already is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

_VOID = ("meta", "path", "line", "rect", "circle")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = object
"""Markup is taken as it is, None is left out, anything else is escaped."""


def element(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. `class_` means class, other underscores are dashes; attributes that are None are left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{written}>" if name == "meta" else f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{together(*children)}</{name}>")


def together(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup(
        "".join(child if isinstance(child, Markup) else escape(str(child)) for child in children if child is not None)
    )


def section(title: str, *children: Child, id_: str | None = None, hint: Child = None) -> Markup:
    """A part of the page; `id_` is what the page's index points to."""
    told = element("p", hint, class_="hint") if hint is not None else None
    return element("section", element("h2", title), told, *children, id=id_)


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Names with what there is to say of them."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in pairs), class_="facts"
    )


def table(
    heads: Sequence[Child], rows: Iterable[Sequence[Markup]], *, kind: str, caption: str, marked: Sequence[int] = ()
) -> Markup:
    """A table whose `rows` are cells, those of the numbers in `marked` set off; the caption is for screen readers."""
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
            element(
                "tbody",
                *(
                    element("tr", *row, class_="marked" if number in marked else None)
                    for number, row in enumerate(rows)
                ),
            ),
            class_=kind,
        ),
        class_="wide",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def name_cell(text: Child, small: Child = None) -> Markup:
    """The head of a row."""
    return element("th", text, element("small", small) if small is not None else None, scope="row")


def cell(text: Child, *, class_: str | None = None, of: str | None = None) -> Markup:
    """A cell; `of` names the figure that it shows, for programs that read the card."""
    return element("td", text, class_=class_, data_figure=of)
