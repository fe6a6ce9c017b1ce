"""HTML from Python values: everything is escaped unless it came from here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


VOID = {"meta", "br", "hr"}


def el(tag: str, /, *children: object, **attributes: object) -> Markup:
    """`el("p", "a < b", class_="note")` is `<p class="note">a &lt; b</p>`; None children and attributes vanish."""
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
                   for key, value in attributes.items() if value is not None)
    if tag in VOID:
        return Markup(f"<{tag}{told}>")
    return Markup(f"<{tag}{told}>{join(children)}</{tag}>")


def join(children: Iterable[object]) -> Markup:
    """All children in a row."""
    return Markup("".join(child if isinstance(child, Markup) else escape(str(child))
                          for child in children if child is not None))


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, text_columns: int = 1) -> Markup:
    """A table whose first `text_columns` columns are text and the rest numbers; scrolls sideways on small screens."""
    def cells(kind: str, row: Sequence[object]) -> Markup:
        return el("tr", *(el(kind, cell, class_=None if i < text_columns else "number") for i, cell in enumerate(row)))

    body = el("table", el("thead", cells("th", head)), el("tbody", *(cells("td", row) for row in rows)))
    return el("div", body, class_="scroll", tabindex="0")
