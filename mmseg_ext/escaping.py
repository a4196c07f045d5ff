"""Text of file names, configs and logs made safe for the terminal, rich, Markdown, CSV and configs.

Such text is data: it must not end a command, move the cursor, break a table, become a formula or be filled in.
"""

import csv
import io
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def printable(text: object) -> str:
    r"""Write a text in one line that any terminal and file can take.

    Control and format characters, line breaks and broken Unicode become ``?``.

    Example:
        >>> printable("fcn\udce9 \x1b[31mred")
        'fcn? ?[31mred'
    """
    line = str(text).encode("utf-8", "replace").decode("utf-8")
    if line.isprintable():
        return line
    return "".join(s if s.isprintable() or unicodedata.category(s) == "Zs" else "?" for s in line)


def printable_lines(text: object) -> str:
    r"""Make every line of a text :func:`printable`; line feeds and tabs stay.

    Example:
        >>> printable_lines("a\x1b\nb")
        'a?\nb'
    """
    text = str(text)
    if text.isprintable():  # the usual line of a log
        return printable(text)
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def accept_any_text() -> None:
    """Let stdout and stderr take any text: what their encoding lacks is written with a backslash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def plain_console(**settings: Any) -> "Console":
    """Make a rich console that prints text as it is: no markup, no emoji names, no highlighting.

    Args:
        **settings: Passed to rich.
    """
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, **settings)


def escape_markdown(text: object) -> str:
    r"""Keep a text from being read as Markdown or HTML, in one line.

    Example:
        >>> escape_markdown("a|b\n<i>")
        'a\\|b &lt;i&gt;'
    """
    line = printable(" ".join(str(text).split()))
    for sign in "\\`*[]|":
        line = line.replace(sign, f"\\{sign}")
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_templates(source: str) -> str:
    r"""Keep mmengine from filling in what looks like its templates in the string literals of a config.

    Args:
        source: Python in whose code no brace follows another; strings and docstrings are not raw.

    Example:
        >>> print(escape_templates("name = '{{ fileBasename }}'"))
        name = '\u007b{ fileBasename }}'
    """
    return re.sub(r"\{(?=\{)", r"\\u007b", source)


def csv_cell(value: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula, by an apostrophe before it.

    Args:
        value: A text that begins like a formula, also behind apostrophes, gets one more; all others are returned.

    Example:
        >>> csv_cell("=cmd()"), csv_cell("'-1"), csv_cell(-1)
        ("'=cmd()", "''-1", -1)
    """
    return f"'{value}" if isinstance(value, str) and _looks_like_formula(value) else value


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    r"""Write rows as CSV, a line each; texts that others wrote go through :func:`csv_cell` before.

    Example:
        >>> csv_text([["name", "pixels"], ["a,b", 3]])
        'name,pixels\n"a,b",3\n'
    """
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def text_of_csv_cell(cell: str) -> str:
    """Return the text that :func:`csv_cell` made a cell of.

    Example:
        >>> text_of_csv_cell("'=cmd()"), text_of_csv_cell("'s")
        ('=cmd()', "'s")
    """
    return cell[1:] if cell.startswith("'") and _looks_like_formula(cell) else cell


def _looks_like_formula(text: str) -> bool:
    return text.lstrip("'").startswith(FORMULA_SIGNS)
