"""What the README shows runs."""

import re
import runpy
from pathlib import Path
from shutil import copy


def test_the_example_of_the_readme_runs(fixtures, tmp_path, monkeypatch):
    copy(fixtures / "jets.yaml", tmp_path)
    copy(fixtures / "paper_like.pt", tmp_path / "ParticleNet.pt")
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (tmp_path / "example.py").write_text(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    assert (tmp_path / "tuned.safetensors").exists()
