"""What stands in the files of a new plugin, with gaps in braces for its names."""

PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "0.1.0"
description = "{summary}"
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
authors = [{{ name = "The developers of {name}" }}]
keywords = ["lumin-plugin", "particle physics", "deep learning"]
classifiers = [
    "Development Status :: 3 - Alpha",
    "Intended Audience :: Science/Research",
    "Programming Language :: Python :: 3 :: Only",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Topic :: Scientific/Engineering :: Artificial Intelligence",
    "Topic :: Scientific/Engineering :: Physics",
    "Typing :: Typed",
]
dependencies = [
    "lumin-core{core}",
{dependencies}]

[project.optional-dependencies]
test = [
    "lumin-core[standard,testing]",
{test}]

{entry_points}
[dependency-groups]
test = ["pytest>=8.2"]
dev = [{{ include-group = "test" }}]

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
{package} = ["lumin-checks.json", "py.typed"]

[tool.pytest.ini_options]
minversion = "8.0"
testpaths = ["src", "tests"]
addopts = ["-ra", "--doctest-modules", "--import-mode=importlib", "--strict-config", "--strict-markers"]
filterwarnings = ["error", "default::lumin_core.testing.CheckWarning"]
log_level = "INFO"
xfail_strict = true

[tool.ruff]
line-length = 120

[tool.ruff.lint]
extend-select = ["B", "I", "PT", "RET", "RUF", "SIM", "UP"]
ignore = ["RUF001", "RUF002", "RUF003"] # Greek letters are meant

[tool.ruff.lint.isort]
known-first-party = ["{package}", "lumin_core", "lumin_plugin_*"]

[tool.mypy]
files = ["src"]
python_version = "3.11"
strict = true
enable_error_code = ["ignore-without-code", "redundant-expr", "truthy-bool"]
warn_unreachable = true
untyped_calls_exclude = ["torch"]

[tool.repo-review]
ignore = [
    "PC140", # mypy needs lumin-core, and so torch: tox run -e types
    "PC170", # there is no reStructuredText
    "PC180", # of Markdown there is the README alone
    "PY004", # which is the documentation
    "RTD",
]

[tool.tox]
env_list = ["tests", "types"]

[tool.tox.env.tests]
extras = ["test"]
commands = [["pytest"], ["lumin", "check-plugin", "{name}"]]

[tool.tox.env.types]
extras = ["test"]
deps = ["mypy"]
commands = [["mypy"]]
"""

README = """# {name}

{summary}

A plugin of [lumin-core](https://pypi.org/project/lumin-core/): what it has is chosen by name.

## Install

```shell
pip install {name}
```

## Use

{use}

## Change

```shell
pip install -e ".[test]"
pytest
lumin check-plugin .
```

`pytest` runs the examples of all docstrings, the tests in `tests/`, and the checks that every
component of its kind has to pass. An editable install freezes its entry points: after a change of
one in `pyproject.toml`, install again.

MIT, see LICENSE.
"""

LICENSE = """MIT License

Copyright (c) {year} The developers of {name}

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

GITIGNORE = """__pycache__/
*.egg-info/
build/
dist/
.pytest_cache/
.ruff_cache/
.mypy_cache/
.venv/
"""

PRE_COMMIT = """ci:
  autoupdate_commit_msg: "chore: update pre-commit hooks"
  autofix_commit_msg: "style: pre-commit fixes"
  autoupdate_schedule: monthly

repos:
  - repo: https://github.com/pre-commit/pre-commit-hooks
    rev: v6.0.0
    hooks:
      - id: check-added-large-files
      - id: check-merge-conflict
      - id: check-toml
      - id: check-yaml
      - id: end-of-file-fixer
      - id: trailing-whitespace
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.17.6
    hooks:
      - id: ruff-check
        args: [--fix, --show-fixes]
      - id: ruff-format
  - repo: https://github.com/codespell-project/codespell
    rev: v2.4.1
    hooks:
      - id: codespell
  - repo: https://github.com/zizmorcore/zizmor-pre-commit
    rev: v1.26.1
    hooks:
      - id: zizmor
"""

DEPENDABOT = """version: 2
updates:
  - package-ecosystem: github-actions
    directory: /
    schedule:
      interval: weekly
    groups:
      actions:
        patterns: ["*"]
"""

WORKFLOW = """name: CI

on:
  workflow_dispatch:
  pull_request:
  push:
    branches: [main]

concurrency:
  group: ${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: true

permissions:
  contents: read

jobs:
  tests:
    name: Tests on Python ${{{{ matrix.python }}}}
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        python: ["3.11", "3.13"]
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      - run: pip install torch --index-url https://download.pytorch.org/whl/cpu
      - run: pip install ".[test]"
      - run: pytest
      - run: lumin check-plugin .
"""

CONFORMANCE = '''"""The components hold what every component of their kinds has to, one case for each check."""

from lumin_core.testing import Case, installed, parametrize_with_checks


@parametrize_with_checks(installed("{name}"))
def test_contract(check: Case) -> None:
    check()
'''

TEST_OF_USE = '''"""The components are found by name, and used as their docstrings show."""

{imports}


{tests}'''
