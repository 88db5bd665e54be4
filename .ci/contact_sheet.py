"""Draw all figures of the gallery, and both pages of a run, to be looked at.

    python .ci/contact_sheet.py FOLDER [RUN RUN...]

FOLDER gets every figure of `docs/gallery` as a picture, `sheet.png` with all of them, the pages `report.html` of the
first RUN and `compare.html` of all, and pictures of both at the widths of a desk and of a phone, where there is
`chromium`. Without a RUN two are trained: the example `ditau`, with five epochs. `report_training.png` and
`report_predictions.png` are two sections of the report, small enough for the README: they become `docs/pictures/`.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw

from lumin_core.cli import main as lumin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import gallery  # noqa: E402

CELL = 640, 540  # of the sheet, in pixels
COLUMNS = 4
TALLEST = 24_000  # of a page
DITAU = ROOT / "examples" / "ditau"


SCREENS = {"desk": 1280, "phone": 390}
SECTIONS = ("training", "predictions")


def draw(folder: Path) -> dict[str, Image.Image]:
    """Run all files of the gallery; return what they show, by name; tables are text beside."""
    pictures = {}
    for name in gallery.names():
        start = time.perf_counter()
        result = gallery.shown(name)
        if hasattr(result, "picture"):
            content = result.picture("png")
            (folder / f"{name}.png").write_bytes(content)
            pictures[name] = Image.open(io.BytesIO(content)).convert("RGB")
        else:
            (folder / f"{name}.md").write_text(result.to_markdown() + "\n", encoding="utf-8")
        print(f"{name:20}{time.perf_counter() - start:6.1f} s", flush=True)
    return pictures


def sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """Put pictures into rows and columns, each below its name."""
    width, height = CELL
    rows = -(-len(pictures) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    pen = ImageDraw.Draw(whole)
    for i, (name, picture) in enumerate(pictures.items()):
        x, y = i % COLUMNS * width, i // COLUMNS * height
        small = picture.copy()
        small.thumbnail((width - 20, height - 40), Image.Resampling.LANCZOS)
        pen.text((x + 10, y + 8), name, fill="black", font_size=16)
        whole.paste(small, (x + 10, y + 30))
    return whole


def train(folder: Path) -> list[Path]:
    """Train two runs of the example, which differ in the width of their networks."""
    call("convert", str(DITAU / "recipe.toml"), "-o", str(folder / "ditau.hdf5"), "--overwrite")
    runs = []
    for name, width in (("narrow", 16), ("wide", 64)):
        options = {"foldfile": folder / "ditau.hdf5", "savepath": folder / name, "n_epochs": 5, "body.width": width}
        sets = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
        call("train", str(DITAU / "run.toml"), *sets, "--overwrite")
        runs.append(folder / name)
    return runs[::-1]


def call(*arguments: str) -> None:
    """Call `lumin`, or end with its exit code."""
    print("lumin", *arguments, flush=True)
    if code := lumin(arguments):
        sys.exit(code)


def photograph(address: str, size: tuple[int, int], browser: str) -> Image.Image:
    """Return a picture of a page in a window."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "page.png"
        window = f"--window-size={size[0]},{size[1]}"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", window, f"--screenshot={target}"]
        subprocess.run([browser, *options, address], check=True, capture_output=True, timeout=120)  # noqa: S603
        return Image.open(target).convert("RGB")


def whole(page: Path, width: int, browser: str) -> Image.Image:
    """Return a picture of a whole page, without what is empty below."""
    picture = photograph(page.as_uri(), (width, TALLEST), browser)
    used = np.flatnonzero((np.asarray(picture) != picture.getpixel((0, picture.height - 1))).any(axis=(1, 2)))
    return picture.crop((0, 0, picture.width, int(used[-1]) + 20))


def section(page: Path, name: str, browser: str) -> Image.Image:
    """Return a picture of how a section of a page begins, in few colours, for the README."""
    alone = page.with_name("section.html")
    style = f"<style>section:not(:has(#{name})), nav {{ display: none }}</style></head>"
    alone.write_text(page.read_text(encoding="utf-8").replace("</head>", style), encoding="utf-8")
    picture = photograph(alone.as_uri(), (1280, 1000), browser)
    alone.unlink()
    picture.thumbnail((960, 960), Image.Resampling.LANCZOS)
    return picture.quantize(128, dither=Image.Dither.NONE)


def main() -> None:
    """Make all of them."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sheet(draw(folder)).save(folder / "sheet.png")
    runs = [Path(run) for run in sys.argv[2:]] or train(folder)
    pages = {"report": folder / "report.html", "compare": folder / "compare.html"}
    call("report", str(runs[0]), "-o", str(pages["report"]))
    call("compare", *map(str, runs), "-o", str(pages["compare"]))
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("there is no chromium, so the pages are not photographed")
    for name, page in pages.items():
        for screen, width in SCREENS.items():
            whole(page, width, browser).save(folder / f"{name}_{screen}.png")
    for name in SECTIONS:
        section(pages["report"], name, browser).save(folder / f"report_{name}.png", optimize=True)
    print("all is in", folder)


if __name__ == "__main__":
    main()
