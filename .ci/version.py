"""Tell the version of all distributions, or write another wherever it stands.

    python .ci/version.py            # which it is; fails where a file says otherwise
    python .ci/version.py 0.3.0

Its home is the core's `pyproject.toml`. Each distribution states it as a plain value: one that is read from a file
(`dynamic`) could not be built from a plugin's source distribution, which holds the plugin's folder and nothing above
it, and plain metadata are read by every tool without building anything. Beside the versions stand the bounds by which
plugins ask for the core. `tests/architecture/test_publishing.py` tells when a file says otherwise.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "pyproject.toml"

VERSION = r"[0-9][0-9a-z.]*"
STATED = rf'(?m)(?<=^version = "){VERSION}'
BOUND = rf"(?<=lumin-core)>={VERSION},<{VERSION}"
PLACES = {
    "pyproject.toml": [STATED],
    "plugins/*/pyproject.toml": [STATED, BOUND],
    "lumin_core/__init__.py": [rf'(?m)(?<=^__version__ = "){VERSION}'],
    "CITATION.cff": [rf"(?m)(?<=^version: ){VERSION}"],
    "CONTRIBUTING.md": [BOUND],
    "RELEASING.md": [rf"(?m)(?<=^version=){VERSION}", BOUND],
    "docs/dependencies.md": [BOUND],
    "docs/formats.md": [BOUND],
    "docs/plugins.md": [BOUND],
    "docs/run_files.md": [rf"(?<=lumin-core ){VERSION}", rf"(?<=lumin-plugin-)[a-z]+ {VERSION}"],
}
"""By file, what the version or the bound is in it."""


def current() -> Version:
    """Return the version that the core's metadata state."""
    return Version(tomllib.loads(HOME.read_text(encoding="utf-8"))["project"]["version"])


def bound(version: Version) -> str:
    """Return what a plugin of this version asks of the core: this minor version; from 1.0 on, this major one."""
    lowest = str(version) if version.is_prerelease else f"{version.major}.{version.minor}"
    return f">={lowest},<{version.major + 1}" if version.major else f">={lowest},<0.{version.minor + 1}"


def texts(version: Version) -> dict[Path, str]:
    """Return what each file has to say.

    Raises:
        ValueError: If a file has no place for the version.
    """
    found = {}
    for pattern, places in PLACES.items():
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            for place in places:
                text, n_found = re.subn(place, lambda match: _new(match[0], version), text)
                if not n_found:
                    raise ValueError(f"{path.relative_to(ROOT)} has nothing like {place}")
            found[path] = text
    return found


def _new(old: str, version: Version) -> str:
    if old.startswith(">"):
        return bound(version)
    return re.sub(rf"{VERSION}$", str(version), old)


def differing(version: Version) -> dict[Path, str]:
    """Return the files that do not say so, with what they have to say."""
    return {path: text for path, text in texts(version).items() if path.read_text(encoding="utf-8") != text}


def main() -> None:
    """Tell it, or write it."""
    version = Version(sys.argv[1]) if len(sys.argv) > 1 else current()
    for path, text in differing(version).items():
        if len(sys.argv) == 1:
            sys.exit(f"{path.relative_to(ROOT)} does not say {version}: run `python .ci/version.py {version}`")
        path.write_text(text, encoding="utf-8")
        print("wrote", path.relative_to(ROOT))
    print(version)


if __name__ == "__main__":
    main()
