"""The examples of a Markdown file, as a script that keeps its line numbers.

Blocks marked ``python`` run as they stand, one after the other. Of blocks marked ``shell`` the lines that start with
``lumin`` run, and must exit with 0. A ``toml`` block whose first line is ``# <name>.toml`` becomes that file. All other
blocks are text, and so is a block that a line ``<!-- not run: <why> -->`` precedes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FENCE = re.compile(r"^( *)```(\S*)")
NOT_RUN = re.compile(r"^<!--\s*not run:\s*(\S.*?)\s*-->$")
FILE_NAME = re.compile(r"^# (\w+\.toml)$")
PRELUDE = (
    "import pathlib as _pathlib, shlex as _shlex, shutil as _shutil, subprocess as _subprocess, sys as _sys; "
    "_lumin = _shutil.which('lumin', path=str(_pathlib.Path(_sys.executable).parent)) or 'lumin'; "
    "_run = lambda line: _subprocess.run([_lumin, *_shlex.split(line, comments=True)[1:]], check=True)"
)


class Block(NamedTuple):
    """A fenced block: its language, its first line's number (from 1), its lines, and whether it is run."""

    language: str
    start: int
    lines: list[str]
    is_run: bool


def find_blocks(text: str) -> list[Block]:
    lines = text.splitlines()
    blocks, i = [], 0
    while i < len(lines):
        if opening := FENCE.match(lines[i]):
            indent, language = opening.groups()
            end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith(f"{indent}```")), None)
            if end is None:
                raise ValueError(f"the block that line {i + 1} opens is never closed")
            before = next((line.strip() for line in reversed(lines[:i]) if line.strip()), "")
            inside = [line.removeprefix(indent) for line in lines[i + 1 : end]]
            blocks.append(Block(language, i + 2, inside, not NOT_RUN.match(before)))
            i = end
        i += 1
    return blocks


def as_script(text: str) -> str:
    """Give the examples as a Python script, each line where it stands in the text; empty if there are none."""
    script = [""] * len(text.splitlines())
    for block in find_blocks(text):
        if block.is_run:
            for number, line in _statements(block):
                script[number - 1] = line
    if not any(script):
        return ""
    return "\n".join([PRELUDE, *script[1:]]) + "\n"


def _statements(block: Block) -> list[tuple[int, str]]:
    numbered = list(enumerate(block.lines, block.start))
    if block.language == "python":
        if any(line.startswith(">>> ") for line in block.lines):
            raise ValueError(f"the block at line {block.start} has prompts; write its statements without")
        return numbered
    if block.language == "shell":
        return [(number, f"_run({line!r})") for number, line in numbered if line.startswith("lumin ")]
    if block.language == "toml" and block.lines and (name := FILE_NAME.match(block.lines[0])):
        content = "\n".join(block.lines) + "\n"
        return [(block.start, f"_pathlib.Path({name[1]!r}).write_text({content!r}, encoding='utf-8')")]
    return []
