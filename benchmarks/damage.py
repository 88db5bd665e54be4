"""What damaged files do: 2,000 fold files, 1,000 saved models; nothing may crash, hang, or pass for what it is not.

Files are cut, bits flipped, bytes and blocks overwritten, cleared or exchanged, by seeded random numbers; half of the
places are in HDF5's own structures. Each fold file is looked at as `lumin check` does and, where HDF5 survives that,
opened and read by `FoldYielder`, in processes that live until a file ends them; each model is loaded by
`Model.from_save`, where an audit hook tells whether anything is run, unpickled, connected or written. What is read and
found to be right must be what was written, by a digest of all names, dtypes and values; a file of LUMIN's kind has no
check sums, and is only asked not to raise what is none of ours. A file of which nothing is heard for 5 s is given up.
The command itself is called on a sample.

    python benchmarks/damage.py [n_fold_files n_models]
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lumin_core.errors import LuminError
from lumin_plugin_commands.examiner import Examiner, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SORTS = ("cut", "flip", "flips", "bytes", "zeros", "exchange")
SECONDS = 5.0
HERE = Path(__file__).resolve()


def damaged(content: bytes, places: list[int], sort: str, rng: random.Random) -> bytes:
    """Damage a file's content at some of the places."""
    if sort == "cut":
        return content[: rng.randrange(len(content))]
    data = bytearray(content)
    if sort in ("flip", "flips"):
        for _ in range(1 if sort == "flip" else rng.randrange(2, 20)):
            data[rng.choice(places)] ^= 1 << rng.randrange(8)
        return bytes(data)
    start, n = rng.choice(places), rng.choice((1, 4, 20, 512))
    other = rng.randrange(len(data) - n)
    new = {"bytes": rng.randbytes(n), "zeros": bytes(n), "exchange": content[other : other + n]}[sort]
    data[start : start + n] = new[: len(data) - start]
    return bytes(data)


def many(content: bytes, structure: list[int], n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give damaged contents, half of them in the structure, and the sort of damage."""
    rng, everywhere = random.Random(seed), list(range(len(content)))  # noqa: S311
    for i in range(n):
        sort = SORTS[i % len(SORTS)]
        yield sort, damaged(content, structure if i // len(SORTS) % 2 else everywhere, sort, rng)


# Files


def write_ours(path: Path, **options: Any) -> Path:
    """Write a fold file with one of everything."""
    from lumin_core import FoldFileWriter, FoldYielder

    with FoldFileWriter(
        path,
        cont_feats=["pt", "eta"],
        cat_feats=["n_jets"],
        targ_feats="y",
        wgt_feat="w",
        cat_maps={"n_jets": {i: str(i) for i in range(3)}},
        matrix_feats={
            "present_feats": ["t"],
            "vecs": ["t"],
            "missing": [],
            "feats_per_vec": [""],
            "row_wise": None,
            "shape": [2, 2],
        },
        preprocessing=[],
        **options,
    ) as file:
        rng = np.random.default_rng(1)
        for fold in range(2):
            file.append(
                fold,
                inputs=np.hstack((rng.normal(size=(20, 2)), rng.integers(0, 3, (20, 1)))),
                targets=rng.integers(0, 2, 20),
                weights=np.ones(20),
                matrix_inputs=rng.normal(size=(20, 2, 2)),
                misc={"process": np.array(["tt", "Z"] * 10), "event": np.arange(20)},
            )
    with FoldYielder(path) as fy, fy.writing():
        for fold in range(2):
            fy.save_fold_pred(np.full(20, 0.5), fold)
    return path


def write_foreign(path: Path) -> Path:
    """Write a fold file as LUMIN does, in the format of HDF5 1.6 and without check sums."""
    with h5py.File(path, "w") as file:
        for fold in range(2):
            group, rng = file.create_group(f"fold_{fold}"), np.random.default_rng(fold)
            group.create_dataset("inputs", data=rng.normal(size=(20, 2)).astype("float32"), compression="gzip")
            group.create_dataset("targets", data=rng.integers(0, 2, 20))
            group.create_dataset("weights", data=np.ones(20, dtype="float32"))
            group.create_dataset("process", data=np.array([b"tt", b"Z"] * 10))
        for name, value in {"cont_feats": ["pt", "eta"], "cat_feats": [], "targ_feats": "y", "wgt_feat": "w"}.items():
            file.create_dataset(f"meta_data/{name}", data=json.dumps(value))
    return path


FOLD_FILES: dict[str, Callable[[Path], Path]] = {
    "ours": write_ours,
    "ours, gzip": functools.partial(write_ours, compression="gzip", growing=True),
    "LUMIN's": write_foreign,
}


def structure_of(path: Path) -> list[int]:
    """List the bytes of an HDF5 file that are in no dataset."""
    data: set[int] = set()

    def note(_: str, entry: object) -> None:
        if isinstance(entry, h5py.Dataset) and entry.id.get_offset() is not None:
            data.update(range(entry.id.get_offset(), entry.id.get_offset() + entry.id.get_storage_size()))

    with h5py.File(path) as file:
        file.visititems(note)
    content = path.read_bytes()
    return [i for i in range(len(content)) if i not in data and content[i]]


def write_model(path: Path) -> Path:
    """Save a model of two layers with an embedding."""
    from lumin_core import CatEmbedder, Model, ModelBuilder

    embedder = CatEmbedder(["n_jets"], [3])
    body = {"name": "fully_connected", "depth": 2, "width": 8, "bn": True}
    return Model(ModelBuilder("classification", 1, ["pt", "eta"], cat_embedder=embedder, body=body, seed=1)).save(path)


def structure_of_model(path: Path) -> list[int]:
    """List the bytes of a safetensors file's header."""
    return list(range(8 + int.from_bytes(path.read_bytes()[:8], "little")))


# The processes that read them


def digest_of_folds(path: Path) -> str:
    """Read all of a fold file, and return a digest of names, dtypes and values."""
    from lumin_core import FoldYielder

    total = hashlib.sha256()
    with FoldYielder(path) as fy:
        names = (fy.cont_feats, fy.cat_feats, fy.targ_feats, fy.wgt_feat, fy.cat_maps, fy.matrix_feats, fy.columns())
        total.update(repr(names).encode())
        for fold in range(len(fy)):
            fy.get_fold(fold)
            for column in sorted(fy.columns()):
                values = np.asarray(fy.get_column(column, fold_idx=fold))
                total.update(f"{column} {values.dtype} {values.shape}".encode() + values.tobytes())
        fy.get_df(inc_inputs=True, suppress_warn=True, verbose=False)
    return total.hexdigest()


def digest_of_model(path: Path) -> str:
    """Load a model, and return a digest of its record and weights."""
    from lumin_core import Model
    from lumin_core.model.record import to_json

    model = Model.from_save(path)
    total = hashlib.sha256(json.dumps(to_json(model.record)).encode())
    for name, values in sorted(model.get_weights().items()):
        total.update(f"{name} {values.dtype} {tuple(values.shape)}".encode() + values.numpy().tobytes())
    return total.hexdigest()


def read_folds(path: Path, report: Callable[[str], None]) -> str:
    """Read a fold file as an `Examiner` asks for it: other errors than ours are an answer, too."""
    return _watched(digest_of_folds, path)


def read_model(path: Path, report: Callable[[str], None]) -> str:
    """Load a model likewise."""
    return _watched(digest_of_model, path)


def _watched(read: Callable[[Path], str], path: Path) -> str:
    _watch()
    _ran.clear()
    try:
        found = read(path)
    except LuminError:
        if not _ran:
            raise
    except Exception as error:  # noqa: BLE001  (what is looked for)
        return f"raw {type(error).__name__}: {error}"
    return f"ran {_ran}" if _ran else found


@functools.cache
def _watch() -> None:
    """Let the interpreter note what a file of data has no business to do."""

    def note(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
        if writes or event in ("subprocess.Popen", "os.system", "os.exec", "socket.connect", "pickle.find_class"):
            _ran.append(event)

    sys.addaudithook(note)


_ran: list[str] = []


# What is found


def verdict(finding: Finding, digest: str) -> str:
    """Return what a process made of a file, in a word or two."""
    if finding.cause != "answer":
        return finding.cause
    if not finding.right:
        return "refused"
    if finding.text.startswith(("raw", "ran")):
        return finding.text
    return "same" if finding.text == digest else "other data"


def _begin(reader: Examiner, good: Path, digest: str) -> None:
    """Let a process import what it needs, which is no part of the time limit."""
    reader.timeout = 300
    found = verdict(reader.ask(good), digest)
    reader.timeout = SECONDS
    if found != "same":
        raise RuntimeError(f"the file as it was written is read as: {found}")


def _ask(reader: Examiner, path: Path, good: Path, digest: str) -> str:
    finding = reader.ask(path)
    if finding.cause != "answer":
        _begin(reader, good, digest)
    return verdict(finding, digest)


def try_fold_files(folder: Path, name: str, n: int, seed: int) -> Counter[str]:
    """Damage a fold file again and again; count what `lumin check` and `FoldYielder` make of it."""
    good = FOLD_FILES[name](folder / "good.hdf5")
    counts: Counter[str] = Counter()
    path, digest = folder / "damaged.hdf5", digest_of_folds(good)
    with Examiner(SECONDS) as check, Examiner(SECONDS, read_folds) as reader:
        _begin(reader, good, digest)
        for _, content in many(good.read_bytes(), structure_of(good), n, seed):
            path.write_bytes(content)
            checked = check.ask(path)
            if checked.cause != "answer":
                counts[f"check: HDF5 {checked.cause}"] += 1
                continue
            read = _ask(reader, path, good, digest)
            counts[f"check {'right' if checked.right else 'wrong'}, read {read}"] += 1
    return counts


def try_models(folder: Path, n: int, seed: int) -> Counter[str]:
    """Damage a saved model again and again; count what `Model.from_save` makes of it."""
    good = write_model(folder / "good.safetensors")
    counts: Counter[str] = Counter()
    path, digest = folder / "damaged.safetensors", digest_of_model(good)
    with Examiner(SECONDS, read_model) as reader:
        _begin(reader, good, digest)
        for _, content in many(good.read_bytes(), structure_of_model(good), n, seed):
            path.write_bytes(content)
            counts[_ask(reader, path, good, digest)] += 1
    return counts


def try_command(folder: Path, n: int, seed: int) -> Counter[str]:
    """Call `lumin check` itself on damaged files; count its exit codes."""
    good = write_ours(folder / "good.hdf5", overwrite=True)
    codes: Counter[str] = Counter()
    for _, content in many(good.read_bytes(), structure_of(good), n, seed):
        (folder / "damaged.hdf5").write_bytes(content)
        command = [sys.executable, "-c", "import sys; from lumin_core.cli import main; sys.exit(main())", "check"]
        done = subprocess.run(
            [*command, str(folder / "damaged.hdf5"), "--timeout", "5"], capture_output=True, check=False
        )
        codes[f"exit code {done.returncode}"] += 1
    return codes


def main(n_fold_files: int = 2000, n_models: int = 1000) -> None:
    """Try all, and print what came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for seed, sort in enumerate(FOLD_FILES):
            (folder / f"{seed}").mkdir()
            counts = try_fold_files(folder / f"{seed}", sort, n_fold_files // len(FOLD_FILES), seed)
            show(f"fold files, {sort}", counts)
        show("models", try_models(folder, n_models, 3))
        show("lumin check, the command", try_command(folder, 20, 4))


def show(title: str, counts: Counter[str]) -> None:
    """Print a table."""
    print(f"\n{title}: {sum(counts.values())}")
    for what, n in counts.most_common():
        print(f"{n:6d}  {what}", flush=True)


if __name__ == "__main__":
    import damage  # what its processes are asked to call must be in a module: they do not import the script

    damage.main(*map(int, sys.argv[1:]))
