"""Text of any kind, made safe for terminal, rich, Markdown and CSV."""

import csv
import io
import random
import subprocess
import sys

from rich.table import Table
from rich.text import Text

from mmseg_ext.escaping import (
    csv_cell,
    escape_markdown,
    plain_console,
    printable,
    printable_lines,
    text_of_csv_cell,
)

HOSTILE = [
    "[/b]",
    "[bold]x",
    "\x1b[31m",
    "|",
    "\n",
    "\r",
    "\t",
    "=cmd()",
    "'",
    "\u202e",
    "\udce9",
    "\x00",
    "<b>",
    "\\",
    "é",
]


def hostile_texts(count=500):
    rng = random.Random(0)
    return [*HOSTILE, *("".join(rng.choices(HOSTILE, k=rng.randint(1, 6))) for _ in range(count))]


def test_a_line_is_printable_and_a_text_keeps_its_lines():
    for text in hostile_texts():
        assert all(sign.isprintable() for sign in printable(text))
        assert len(printable(text)) == len(text)
        assert printable(printable(text)) == printable(text)
        assert printable_lines(text).count("\n") == text.count("\n")
        assert printable_lines(text).replace("\n", "").replace("\t", "").isprintable()
    assert printable("Straße 10\u202fh\u00a020 北") == "Straße 10\u202fh\u00a020 北"


def test_markdown_stays_one_cell():
    for text in hostile_texts():
        cell = escape_markdown(text)
        assert cell.isprintable()
        bare = cell.replace("\\\\", "").replace("\\|", "")
        assert not {"|", "<"} & set(bare)


def test_csv_cells_are_no_formulas_and_are_read_back():
    texts = [text for text in hostile_texts() if "\x00" not in text and "\r" not in text]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([csv_cell(text)] for text in texts)
    cells = [row[0] if row else "" for row in csv.reader(io.StringIO(file.getvalue(), newline=""))]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert [text_of_csv_cell(cell) for cell in cells] == texts
    assert csv_cell(-1.5) == -1.5


def test_rich_prints_text_as_it_is():
    for text in [":warning: [/b] [bold]x[/bold] 1 'a'", *map(printable, hostile_texts(50))]:
        out = io.StringIO()
        console = plain_console(file=out, width=200, force_terminal=True)
        table = Table(box=None)
        table.add_column("name", no_wrap=True)
        table.add_row(Text(text))
        console.print(text, soft_wrap=True)
        console.print(table)
        assert out.getvalue().count(text.strip()) >= 2


def test_any_text_goes_to_a_screen_in_ascii():
    code = (
        "from mmseg_ext.errors import UserError, run_command\n"
        "def command():\n    print('Straße → \\udce9')\n    raise UserError('ä\\x1b[31m\\nb')\n"
        "raise SystemExit(run_command(command))"
    )
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == b"Stra\\xdfe \\u2192 \\udce9\n"
    assert done.stderr == b"error: \\xe4?[31m\nb\n"
