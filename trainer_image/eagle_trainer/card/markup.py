"""Builds HTML and SVG so that text cannot become markup: whatever is not Markup already is escaped."""

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
