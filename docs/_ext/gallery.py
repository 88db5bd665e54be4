"""The gallery: what the files of ``docs/gallery`` show when they are run, beside their code.

The page ``docs/gallery.md`` has a line for each, ``[roc.py](gallery/roc.py)``, which leads to the
file on a code host, and is replaced by picture and code on the site.
"""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_plugin_plots import Plot, WorkingPoints

FOLDER = Path(__file__).resolve().parents[1] / "gallery"
PICTURES = "reference/gallery"
LINE = re.compile(r"^\[(\w+)\.py\]\(gallery/\1\.py\)$", re.MULTILINE)


def names() -> list[str]:
    """List the files, without their suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def shown(name: str) -> Plot | WorkingPoints:
    """Run a file and return what it shows: its variable ``plot``, or ``table``."""
    variables = runpy.run_path(str(FOLDER / f"{name}.py"))
    return variables["plot"] if "plot" in variables else variables["table"]


def with_pictures(text: str, docs: Path) -> Iterator[str]:
    """Replace the lines of a page that name a file by what it shows and by its code.

    Args:
        text: The page.
        docs: The folder of the page, below which pictures are written.

    Yields:
        The pieces of the page.
    """
    end = 0
    for line in LINE.finditer(text):
        yield text[end : line.start()]
        yield entry(line[1], docs)
        end = line.end()
    yield text[end:]


def entry(name: str, docs: Path) -> str:
    """Run a file; return Markdown that shows its picture, or table, and its code."""
    result, code = shown(name), (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    if hasattr(result, "picture"):
        picture = docs / PICTURES / f"{name}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(result.picture("png"))
        figure = f"```{{image}} {PICTURES}/{name}.png\n:alt: {about(code)}\n:width: 560px\n```"
    else:
        figure = result.to_markdown()
    return f"{about(code)}\n\n{figure}\n\n```python\n{code_of(code)}\n```"


def about(code: str) -> str:
    """Return what a file says of itself."""
    return (ast.get_docstring(ast.parse(code)) or "").partition("\n\n")[0].replace("\n", " ")


def code_of(code: str) -> str:
    """Return the code below the docstring."""
    first, *_ = ast.parse(code).body
    return "\n".join(code.splitlines()[first.end_lineno :]).strip()
