"""A disk that is full at a random moment: of fold files, predictions, saved models, checkpoints and runs.

Each try is a process of its own on a small file system (one of memory, where root may mount it; else a limit of file
size stands for it), of which a random share is left. It must end without a signal, with an error of ours or done;
leave nothing behind; what was there before must be there, bit for bit; and with room again a run goes on to its end.
``python benchmarks/full_disk.py [tries a sort [seed]]``.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import common

common.one_thread()

import numpy as np
import pandas as pd

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile, train_models
from lumin_core.errors import LuminError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRIES, SEED = 50, 1
MEBIBYTE = 1 << 20
FEATURES = ["a", "b", "c", "d"]
SIZES = {"save": 200_000, "resume": 3_000_000}  # bytes
LITTER = (".part", ".lock", ".locked")


def frame() -> pd.DataFrame:
    """Make events."""
    rng = np.random.default_rng(SEED)
    return pd.DataFrame(rng.normal(size=(20_000, 4)).astype("float32"), columns=FEATURES).assign(y=1, name="tau")


def write(folder: Path, compression: int | None) -> None:
    """Write a fold file over another."""
    df2foldfile(
        frame(), 4, FEATURES, [], "y", folder / "train", "int", misc_feats=["name"], compression=compression,
        seed=2, overwrite=True,
    )  # fmt: skip


def model() -> Model:
    """Make a network of about 200 kB."""
    return Model(ModelBuilder("regression", 1, FEATURES, body={"name": "fully_connected", "width": 120}, seed=1))


def predict(folder: Path) -> None:
    """Add predictions to a fold file."""
    with FoldYielder(folder / "train") as fy:
        model().predict(fy, pred_name="other")


def save(folder: Path) -> None:
    """Save a model over another."""
    model().save(folder / "model")


def resume(folder: Path) -> None:
    """Begin or resume a run of two models."""
    with FoldYielder(folder / "train") as fy, contextlib.redirect_stderr(io.StringIO()):
        builder = ModelBuilder.from_fy(fy, "regression", body={"name": "fully_connected", "width": 120}, seed=1)
        train_models(fy, 2, 5000, builder, 3, savepath=folder / "run", seed=3, resume=True)


SORTS: dict[str, Callable[[Path], None]] = {
    "write": partial(write, compression=None),
    "write, gzip": partial(write, compression=4),
    "predict": predict,
    "save": save,
    "resume": resume,
}


def contents(folder: Path) -> dict[str, str]:
    """Give the check sum of every file."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "ballast")
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[tuple[Path, bool]]:
    """Give a folder on a file system of that size, or an ordinary one where it cannot be mounted."""
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", name]
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        try:
            yield Path(name), mounted
        finally:
            if mounted:
                command = ["umount", name]
                subprocess.run(command, check=True)


def fill(folder: Path, free: int) -> None:
    """Leave that many bytes of the file system."""
    status = os.statvfs(folder)
    with (folder / "ballast").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail * status.f_frsize - free))


def in_child(call: Callable[[], None], limit: int | None) -> str:
    """Run a call in a process of its own and say how it ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            call()
            said = "done"
        except LuminError as error:
            said = f"refused: {error}"
        except BaseException as error:  # noqa: BLE001  (that is what is looked for)
            said = f"raised {type(error).__name__}: {error}"
        os.write(writer, said.encode()[:1000])
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 1000).decode()
    os.close(reader)
    status = os.waitpid(child, 0)[1]
    return f"killed by {signal.Signals(status & 127).name}" if status & 127 else said


def attempt(sort: str, rng: np.random.Generator, folder: Path, mounted: bool) -> str:
    """Try once with a random share of the room that is needed."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(folder, None)
    save(folder)
    call = partial(SORTS[sort], folder)
    size = SIZES.get(sort) or (folder / "train.hdf5").stat().st_size
    before, room = contents(folder), int(size * rng.uniform(0, 2))
    if mounted:
        fill(folder, room)
    said = in_child(call, None if mounted else room)
    (folder / "ballast").unlink(missing_ok=True)
    after = contents(folder)
    if litter := [name for name in after if name.endswith(LITTER)]:
        return f"left {litter}"
    if said != "done" and {name: after.get(name) for name in before} != before:
        return "lost what was there"
    if said == "done" or not said.startswith("refused"):
        return said
    with contextlib.redirect_stderr(io.StringIO()):
        call()  # with room again
    return "refused"


def main() -> None:
    """Try all sorts, and count how the tries ended."""
    tries, seed = [int(word) for word in sys.argv[1:]] + [TRIES, SEED][len(sys.argv) - 1 :]
    rng, rows = np.random.default_rng(seed), []
    with small_disk(64 * MEBIBYTE) as (folder, mounted):
        for sort in SORTS:
            ends = [attempt(sort, rng, folder, mounted) for _ in range(tries)]
            wrong = [end for end in ends if end not in ("done", "refused")]
            rows.append([sort, ends.count("refused"), ends.count("done"), len(wrong), (wrong or [""])[0][:150]])
    disk = "a file system of memory" if mounted else "a limit of file size"
    common.show(f"{tries} tries each, {disk}, seed {seed}", ["", "refused", "done", "wrong", "such as"], rows)
    common.keep("full_disk", {str(row[0]): {"refused": row[1], "done": row[2], "wrong": row[3]} for row in rows})
    sys.exit(any(row[3] for row in rows))


if __name__ == "__main__":
    main()
