"""What a file is, told by its look: its first bytes and its structure, never its ending.

Nothing is imported for it, run or unpickled. ``lumin info`` asks `look_at`, and so do all that take
the path of a file when it is not what they need: the message says what it is, what reads it, and
how to go on. How each is told is in `lumin_core.marks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lumin_core.checks import nearest, with_article
from lumin_core.marks import kind_of

if TYPE_CHECKING:
    from pathlib import Path

_TO_FOLDS = 'df2foldfile(df, n_folds=10, cont_feats=[...], ..., savename="train") makes a fold file of it'
_RECIPE = ", by a recipe, which names it and what is computed of it (pip install 'lumin-plugin-io[root,parquet]')"


class Look(NamedTuple):
    """What a file or a folder looks like.

    Attributes:
        kind: A word for it: ``"hdf5"``, ``"model"``, ``"root"``, ``"folder"``, ...
        what: The same for a sentence: ``"a ROOT file"``.
        way_out: What reads it, and how to go on; ``{path}`` stands for its name.
    """

    kind: str
    what: str
    way_out: str

    def told(self, path: Path | str) -> str:
        """Say what it is and how to go on, for a message.

        Args:
            path: Its name.

        Example:
            >>> from lumin_core.looks import LOOKS
            >>> LOOKS["run_file"].told("run.toml")
            'a run file; lumin train run.toml trains what it describes'
        """
        return f"{self.what}; {self.way_out.format(path=path)}"


_ROWS = (
    ("fold_file", "a fold file", 'FoldYielder("{path}") opens it; in a run file, foldfile = "{path}" trains on it'),
    (
        "hdf5",
        "an HDF5 file, as fold files are",
        'FoldYielder("{path}") opens a fold file, lumin predict MODEL {path} predicts its events',
    ),
    (
        "other_hdf5",
        "an HDF5 file of another program",
        'df = pd.read_hdf("{path}") reads it where pandas wrote it, h5py.File("{path}") its arrays, and ' + _TO_FOLDS,
    ),
    ("model", "a saved model", 'lumin predict {path} FOLDFILE, or Model.from_save("{path}")'),
    ("ensemble", "a saved ensemble", 'lumin predict {path} FOLDFILE, or Ensemble.from_save("{path}")'),
    ("embeddings", "saved embeddings", 'CatEmbedder(..., emb_load_path="{path}") starts from them'),
    ("checkpoint", "the checkpoint of a fit", "the call that began the fit goes on from it with resume=True"),
    (
        "safetensors",
        "a .safetensors file of another program",
        "safetensors.safe_open reads its tensors; lumin-core loads what Model.save or Ensemble.save wrote",
    ),
    ("root", "a ROOT file", "lumin convert RECIPE -o train makes a fold file of it" + _RECIPE),
    (
        "parquet",
        "a Parquet file",
        'df = pd.read_parquet("{path}") reads it, and ' + _TO_FOLDS + "; or lumin convert RECIPE -o train" + _RECIPE,
    ),
    ("arrow", "an Arrow (Feather) file", 'df = pd.read_feather("{path}") reads it, and ' + _TO_FOLDS),
    ("npy", "an array of numpy", 'df = pd.DataFrame(np.load("{path}"), columns=[...]) takes it, and ' + _TO_FOLDS),
    (
        "npz",
        "an archive of numpy's arrays",
        'df = pd.DataFrame(dict(np.load("{path}"))) takes it where each is a column, and ' + _TO_FOLDS,
    ),
    ("csv", "a table as text (CSV)", 'df = pd.read_csv("{path}") reads it, and ' + _TO_FOLDS),
    (
        "csv_gz",
        "a table as text (CSV), packed by gzip",
        'df = pd.read_csv("{path}", compression="gzip") reads it, and ' + _TO_FOLDS,
    ),
    (
        "onnx",
        "an ONNX file, an exported network",
        "onnxruntime runs it; lumin-core loads the model that it was exported from, a .safetensors file",
    ),
    (
        "torch",
        "a file of torch.save",
        'ModelBuilder(..., pretrain_file="{path}") starts from it where LUMIN saved it from the tabular blocks',
    ),
    (
        "pickle",
        "a pickle, which may run any code and is not read here",
        'if you trust it, pipe = pickle.load(open("{path}", "rb")) gives a pipeline of LUMIN, which '
        "FoldYielder(..., input_pipe=pipe) or df2foldfile(..., preprocessing=pipe) takes",
    ),
    (
        "recipe",
        "a recipe",
        'lumin convert {path} -o train makes fold files of what it names; in a run file, [convert] recipe = "{path}"; '
        'in Python, FoldYielder.from_files("{path}")',
    ),
    ("run_file", "a run file", "lumin train {path} trains what it describes"),
    ("builder", "the config of a builder (TOML)", 'ModelBuilder.from_config("{path}") makes the builder'),
    ("toml", "a TOML file", "a run file has the keys foldfile, objective, n_models, bs and n_epochs at least"),
    ("json", "a JSON file", "of a run, give the whole folder"),
    ("zip", "a zip archive", "unpack it, and give what is in it"),
    ("compressed", "a packed file", "unpack it, and give what is in it"),
    ("text", "a text file", 'if it is a table, df = pd.read_csv("{path}") reads it, and ' + _TO_FOLDS),
    (
        "run",
        "the folder of a run",
        'its models lie in {path}/model_0 and so on; Results.load("{path}") reads its results; what began it goes on '
        "with resume=True (lumin train FILE --resume)",
    ),
    ("folder", "a folder", "give a file in it"),
    ("empty", "an empty file", "what wrote it did not finish: write it again"),
    ("broken", "a damaged file", "bring back a copy, or make it anew"),
    ("unreadable", "a file that cannot be read", "look at its permissions (ls -l {path})"),
    ("device", "neither a file nor a folder", "give a file"),
    ("missing", "not there", "give the name of a file that is there"),
    ("unknown", "a file of an unknown format", "where a program makes a data frame df of it, " + _TO_FOLDS),
)

SAVED = ("model", "ensemble", "embeddings", "checkpoint", "safetensors")
"""Looks of .safetensors files."""

_UNSURE = ("text", "empty", "broken", "unreadable", "missing", "unknown")

LOOKS = {kind: Look(kind, what, way_out) for kind, what, way_out in _ROWS}
"""All looks by their word: the one table of what is said of them."""


def look_at(path: Path) -> Look:
    """Tell what a file or a folder is.

    Args:
        path: Its place.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.looks import look_at
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.hdf5"
        >>> _ = path.write_bytes(b"root" + bytes(100))
        >>> look_at(path).what
        'a ROOT file'
    """
    return LOOKS[kind_of(path)]


def another(path: Path, *expected: str) -> str:
    """Say what a file is that is not what was needed, and how to go on; of others nothing.

    Args:
        path: The file.
        *expected: Words for what was needed.

    Returns:
        As `Look.told`; empty where it looks like what was needed, or like nothing in particular.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.looks import another
        >>> another(Path("."), "hdf5"), another(Path("no_such_file"), "hdf5")
        ('a folder; give a file in it', '')
    """
    look = look_at(path)
    return "" if look.kind in (*expected, *_UNSURE) else look.told(path)


def nearby(path: Path) -> str:
    """Suggest files in the folder of one that is not there, for the end of a message.

    Args:
        path: The file that is not there.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.looks import nearby
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.hdf5"
        >>> path.touch()
        >>> nearby(path.with_name("tain.hdf5"))
        "; did you mean 'train.hdf5'?"
    """
    there = [other.name for other in path.parent.iterdir() if other != path] if path.parent.is_dir() else []
    near = nearest(path.name, there)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def in_place_of_a_name(given: object) -> str:
    """Say what came where the name of a file is needed, and how to go on.

    Args:
        given: What came: a data frame, a yielder, an open file, anything.

    Example:
        >>> from lumin_core.looks import in_place_of_a_name
        >>> in_place_of_a_name(3)
        '3; give a path, such as "train.hdf5"'
    """
    if given is None or isinstance(given, int | float):
        return f'{given!r}; give a path, such as "train.hdf5"'
    came = with_article(type(given).__qualname__)
    if hasattr(given, "foldfile"):
        return f"{came}; give its foldfile"
    if hasattr(given, "columns") or hasattr(given, "shape"):
        return f"{came}; df2foldfile(df, ...) writes a data frame as a fold file and returns its path"
    return f"{came}; give its name" if hasattr(given, "read") else came
