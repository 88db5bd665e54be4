"""A converter: files of events to fold files, and scores back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lumin_core import FoldFileWriter
from lumin_core.data import Converter
from lumin_core.files import Staged, refuse_existing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class ExampleConverter(Converter):
    """Archives of NumPy, an array for each column, to a fold file of flat features.

    Args:
        cont_feats: Columns that are features.
        target: Column that is the target.
        file: The archive; a converter that a model recorded has none, and only scores.
        n_folds: Number of folds, into which events go in turn.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from lumin_core import FoldYielder, build
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.npz"
        >>> np.savez(path, pt=np.arange(4.0), y=np.array([0, 1, 0, 1]))
        >>> options = {"cont_feats": ["pt"], "target": "y", "file": str(path), "n_folds": 2}
        >>> converter = build("converter", {"name": "example_converter", **options})
        >>> len(FoldYielder(converter.cached()))
        2
    """

    example_options: ClassVar[Mapping[str, object]] = {"cont_feats": ["pt"], "target": "y"}

    def __init__(self, cont_feats: Sequence[str], target: str, file: str | None = None, n_folds: int = 10) -> None:
        self.cont_feats = list(cont_feats)
        self.target = target
        self.file = file
        self.n_folds = n_folds

    def convert(self, savename: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
        """Write the fold file, the only part."""
        if self.file is None:
            raise ValueError("this converter was recorded with a model; give file= to convert one")
        with np.load(self.file) as arrays:
            inputs, targets = self._inputs(arrays), arrays[self.target].astype(np.float32)
        with FoldFileWriter(savename, cont_feats=self.cont_feats, targ_feats=self.target, overwrite=overwrite) as file:
            for fold in range(self.n_folds):
                file.append(fold, inputs=inputs[fold :: self.n_folds], targets=targets[fold :: self.n_folds])
        return {"train": Path(savename).with_suffix(".hdf5")}

    def cached(self, *, verify: bool = False) -> Path:
        """Return the fold file beside the archive, made now unless it is there and newer."""
        source = Path(self.file or "")
        made = source.with_suffix(".hdf5")
        if made.is_file() and made.stat().st_mtime >= source.stat().st_mtime and not verify:
            return made
        return self.convert(made, overwrite=True)["train"]

    def to_config(self) -> dict[str, Any]:
        """Return all that scoring needs."""
        return {"cont_feats": self.cont_feats, "target": self.target, "n_folds": self.n_folds}

    def score(
        self,
        files: Sequence[str | Path],
        ask: Callable[[Any], np.ndarray],
        *,
        name: str = "pred",
        output: str | Path | None = None,
        keys: Sequence[str] = (),
        tree: str | None = None,
        rntuple: bool = False,
        overwrite: bool = False,
        progress: Callable[[str, int, int, int], None] | None = None,
    ) -> list[Path]:
        """Write the scores of each file beside it, as ``<file>_scores.npz``."""
        written = []
        for path in map(Path, files):
            with np.load(path) as arrays:
                columns: dict[str, Any] = {key: arrays[key] for key in keys}
                columns[name] = ask(self._inputs(arrays))
            into = Path(output) if output is not None else path.with_name(f"{path.stem}_scores.npz")
            refuse_existing(into, overwrite=overwrite)
            with Staged(into) as part, part.open("wb") as file:
                np.savez(file, **columns)
            written.append(into)
        return written

    def _inputs(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.stack([arrays[feat] for feat in self.cont_feats], axis=1).astype(np.float32)
