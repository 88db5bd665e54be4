"""Pages in a browser, as wide as a phone and as a desk: nothing is cut, fetched or wrong."""

import json
import re
import shutil
import subprocess

import pytest

from lumin_core.runs import Figure, Table, Text
from lumin_plugin_plots.page import Section, page

WIDTHS = {"phone": 390, "desk": 1280}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480"><rect width="640" height="480"/></svg>'
LOOK = """
<iframe id="frame" style="border: 0; width: {width}px; height: 844px" srcdoc=""></iframe>
<pre id="said"></pre>
<script>
const frame = document.getElementById("frame");
frame.onload = () => {{
  const inner = frame.contentDocument, root = inner.documentElement;
  const wide = [...inner.querySelectorAll("body *")].filter(of => !of.closest(".table, pre")
    && of.getBoundingClientRect().right > root.clientWidth + 1).map(of => of.tagName);
  const fetched = frame.contentWindow.performance.getEntriesByType("resource").map(of => of.name)
    .filter(of => !of.startsWith("data:"));
  const broken = [...inner.images].filter(of => !of.naturalWidth).length;
  document.getElementById("said").textContent = JSON.stringify(
    {{width: root.clientWidth, scroll: root.scrollWidth, wide, broken, images: inner.images.length, fetched}});
}};
frame.srcdoc = {page};
</script>
"""


@pytest.fixture(scope="module")
def look_at(tmp_path_factory):
    """Give a function that opens a page in a frame of a width, and returns what it measures and what was logged."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("there is no chromium, in which pages are looked at: apt install chromium")
    folder = tmp_path_factory.mktemp("browser")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-first-run",
        "--hide-scrollbars",
    ]

    def look(text, width):
        (folder / "look.html").write_text(LOOK.format(width=width, page=as_script(text)), encoding="utf-8")
        command = [browser, *options, f"--user-data-dir={folder}/profile"]
        command += ["--enable-logging=stderr", "--virtual-time-budget=5000", "--window-size=1400,1000"]
        done = subprocess.run(
            [*command, "--dump-dom", (folder / "look.html").as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout)
        return json.loads(said[1]), done.stderr

    return look


def as_script(text):
    """Write a text as a literal of a script inside of a page."""
    return json.dumps(text).replace("<", "\\u003c")


def wide_page():
    rows = [[f"name_of_a_feature_{i}", *(f"{i + k:.5f} ± 0.00012" for k in range(12))] for i in range(4)]
    parts = [
        Text(text="A text of many words. " * 30 + "\n\n    " + "a_long_command --with-options " * 10),
        Table(title="Wide", header=["", *(f"model {k}" for k in range(12))], rows=rows, caption="a caption " * 20),
        Table(
            title="Labels", rows=[("a/rather/long/path", "/data/" + "folder/" * 30), ("hash", "0123456789abcdef" * 8)]
        ),
        *(Figure(title=f"figure {i}", image=SVG, format="svg", caption="words " * 30) for i in range(3)),
    ]
    return page(
        "a-run-with-a-name-that-is-" + "long-" * 12, "below", [Section(f"Section {i}", parts) for i in range(6)]
    )


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_nothing_is_cut_fetched_or_wrong(look_at, width):
    found, log = look_at(wide_page(), width)
    assert found == {"width": width, "scroll": width, "wide": [], "broken": 0, "images": 18, "fetched": []}
    assert "CONSOLE" not in log


def test_the_look_finds_what_is_cut_and_wrong(look_at):
    bad = '<body><div style="width: 2000px">wide</div><img src="https://localhost:1/a.png"><script>nowhere()</script></body>'
    found, log = look_at(bad, 390)
    assert found["scroll"] > 390
    assert found["wide"] == ["DIV"]
    assert found["broken"] == 1
    assert found["fetched"] == ["https://localhost:1/a.png"]
    assert "CONSOLE" in log
