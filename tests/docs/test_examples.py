"""Every example of the README, of docs/ and of the plugins' READMEs runs, in a folder of its own."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest
from forked import Scripts

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "RELEASING.md",
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]
SECONDS = 300

_spec = importlib.util.spec_from_file_location("markdown_examples", Path(__file__).with_name("markdown.py"))
markdown = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = markdown
_spec.loader.exec_module(markdown)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    with Scripts(PYTHONWARNINGS="error", PYTHONUTF8="1", LUMIN_CACHE=str(cache)) as scripts:
        yield scripts


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of(page, tmp_path, scripts):
    script = markdown.as_script(page.read_text(encoding="utf-8"))
    if not script:
        pytest.skip(f"{page.name} has no examples that run")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = tmp_path / f"{page.stem}.py"
    path.write_text(script, encoding="utf-8")
    code, out, err = scripts.run(path, tmp_path, SECONDS)
    assert code == 0, f"{out}\n{err}\n(lines of {path.name} are those of {page})"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    """Relative links, without their anchors."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


WRITERS = {"df2foldfile", "FoldFileWriter", "pyg2foldfile", "train_models"}
AGAIN = ("overwrite", "resume", "mkdtemp")  # what replaces or goes on with what is there, or writes elsewhere each time


def refused_again(script):
    """Give the calls that would refuse what they wrote, if the script were run again in the folder."""
    tree = ast.parse(script)
    texts = {a.targets[0].id: ast.unparse(a.value) for a in ast.walk(tree) if isinstance(a, ast.Assign) and named(a)}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        text = ast.unparse(call)
        is_written = name in WRITERS or (name == "run" and "RunFile" in text) or text.startswith("_run('lumin train")
        options = [texts.get(node.id, "") for k in call.keywords for node in ast.walk(k) if isinstance(node, ast.Name)]
        if is_written and not any(word in part for word in AGAIN for part in (text, *options)):
            yield text


def named(assignment):
    return isinstance(assignment.targets[0], ast.Name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_can_be_run_again_in_its_folder(page):
    """Told from the text: to run every page twice would take as long again."""
    assert list(refused_again(markdown.as_script(page.read_text(encoding="utf-8")))) == []


def test_what_would_be_refused_the_second_time_is_found():
    script = (
        "common = dict(seed=1)\nagain = dict(overwrite=True)\ndf2foldfile(df, **common)\ndf2foldfile(df, **again)\n"
    )
    assert list(refused_again(script)) == ["df2foldfile(df, **common)"]
    assert list(refused_again("_run('lumin train run.toml')")) == ["_run('lumin train run.toml')"]


TEXT = """# Title

```python
x = 1
```

<!-- not run: needs a GPU -->

```python
y = unknown
```

```shell
pip install nothing
lumin list-plugins
```

```toml
# run.toml
seed = 1
```

```
plain text
```
"""


def test_script_keeps_line_numbers_and_leaves_out_what_is_marked():
    lines = markdown.as_script(TEXT).splitlines()
    assert lines[3] == "x = 1"
    assert "unknown" not in "".join(lines)
    assert lines[14] == "_run('lumin list-plugins')"
    assert lines[18].startswith("_pathlib.Path('run.toml').write_text(")
    assert "plain text" not in "".join(lines)


def test_blocks_in_lists_lose_their_indentation():
    script = markdown.as_script("1. First:\n\n   ```python\n   if True:\n       x = 1\n   ```\n")
    assert script.splitlines()[3:] == ["if True:", "    x = 1", ""]


def test_block_that_is_not_closed_is_refused():
    with pytest.raises(ValueError, match="line 1 opens is never closed"):
        markdown.as_script("```python\nx = 1\n")


def test_mark_needs_a_reason():
    assert "y = 1" in markdown.as_script("<!-- not run: -->\n```python\ny = 1\n```\n")
