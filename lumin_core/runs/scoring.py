"""Scores for events in files of other programs, by the recipe that a model records.

A model that was trained on a converted fold file records how that was made. A `Converter` reads
files of the same sort, and asks; what it hands over is preprocessed, and looked at as if it were
the one fold of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list
from lumin_core.data.chains import apply_chain
from lumin_core.data.converter import recorded_converter
from lumin_core.data.entries import int_keys, matrix_from_entry
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.held_fold import HeldFold
from lumin_core.data.schema import Schema
from lumin_core.errors import ConfigError
from lumin_core.model.matrix_head import MatrixHead
from lumin_core.runs.ensemble import Ensemble
from lumin_core.training.asking import Question, as_array
from lumin_core.training.input_columns import refuse_infinite
from lumin_core.training.model import Model
from lumin_core.training.recorded import check_alike

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lumin_core.data.converter import Inputs, Scoring
    from lumin_core.data.fold_reader import FoldReader
    from lumin_core.data.schema import MatrixSchema
    from lumin_core.training.network import Network


@explained
def score_files(
    model: Model | Ensemble,
    files: str | Path | Sequence[str | Path],
    *,
    name: str = "pred",
    output: str | Path | None = None,
    keys: str | Sequence[str] = (),
    tree: str | None = None,
    rntuple: bool = False,
    overwrite: bool = False,
    bs: int | None = None,
    augment: bool | None = None,
    progress: Scoring | None = None,
) -> list[Path]:
    """Write a score for each entry of files of the sort that the training file was made of.

    The recipe that the model records selects events and computes their inputs. Entries that it
    leaves out have NaN. Scores of a regression are in the unit of the recipe's targets.

    Args:
        model: A model, or an ensemble of models of one recipe.
        files: Files of events, such as ROOT files; patterns are allowed.
        name: Of the scores; several are ``name_0``, ``name_1``, ...
        output: One file for all; by default one beside each file, to be used as a friend.
        keys: Columns of the files that are written beside the scores.
        tree: Table of the files; by default the one that the recipe names.
        rntuple: Whether a ROOT file gets an RNTuple rather than a TTree.
        overwrite: Whether existing files may be replaced.
        bs: Events in a batch.
        augment: As for `Model.predict`.
        progress: As for `lumin_core.data.Converter.score`.

    Returns:
        The files written.

    Raises:
        ConfigError: If the model records no recipe, or the models of the ensemble not the same.
        UnknownComponent: If the plugin that reads such files is not installed.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.runs import score_files
        >>> score_files(Model(ModelBuilder("regression", 1, ["pt"])), "events.root")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: the model records no recipe, by which it could read ...
    """
    ensemble = as_ensemble(model)
    question = Question(bs=bs, augment=augment, other_preprocessing=True, raw_outputs=True)
    asked = _Asked(ensemble, question)
    options: dict[str, Any] = {"name": name, "output": output, "keys": as_list(keys), "tree": tree}
    return recorded_converter(_recipe(ensemble)).score(
        as_list(files), asked, **options, rntuple=rntuple, overwrite=overwrite, progress=progress
    )


def opened_for(model: Model | Ensemble, source: str | Path | FoldReader, **options: Any) -> FoldYielder:
    """Open folds for what a model knows.

    Further inputs are left out; the matrix is read if the model takes one.

    Args:
        model: Who is going to be asked.
        source: The fold file.
        **options: Further arguments of `FoldYielder`.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.runs import opened_for
        >>> opened_for(Model(ModelBuilder("regression", 1, ["pt"])), "no_such.hdf5")
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: there is no fold file .../no_such.hdf5; df2foldfile or ...
    """
    network: Network = model if isinstance(model, Model) else model.models[0]
    builder, fy = network.model_builder, FoldYielder(source, **options)
    known = {*builder.cont_feats, *builder.cat_feats}
    matrix = {*((fy.matrix_feats or {}).get("present_feats") or ())}
    fy.add_ignore([feat for feat in fy.input_feats if feat not in known])
    fy.yield_matrix = bool(matrix & known) or any(isinstance(part, MatrixHead) for part in network.head.modules())
    return fy


def as_ensemble(model: Model | Ensemble) -> Ensemble:
    """Return an ensemble, of one where it is a model.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.runs.scoring import as_ensemble
        >>> len(as_ensemble(Model(ModelBuilder("regression", 1, ["pt"]))))
        1
    """
    return model if isinstance(model, Ensemble) else Ensemble([model])


def _recipe(ensemble: Ensemble) -> dict[str, object]:
    """Return the recipe of all models."""
    recipes = [model.record.recipe for model in ensemble.models]
    if not all(recipes):
        raise ConfigError(
            "the model records no recipe, by which it could read such files: train on a fold file that lumin convert "
            "wrote, or give a fold file"
        )
    if any(recipe != recipes[0] for recipe in recipes):
        raise ConfigError("the models of the ensemble record different recipes: score the files with one at a time")
    check_alike(ensemble.models, raw=False, codes=True)
    return recipes[0]


class _Asked:
    """Answers about events as they are before the preprocessing that the models record."""

    def __init__(self, ensemble: Ensemble, question: Question) -> None:
        self._ensemble = ensemble
        self._question = question
        network = ensemble.models[0]
        record, feats = network.record, network.record.features
        self._schema = Schema(
            cont_feats=feats.get("file_feats", []),
            cat_feats=feats.get("file_cats", []),
            targ_feats=feats.get("targ_feats", []),
            cat_maps=int_keys(record.cat_maps),
            matrix=None if record.matrix_feats is None else matrix_from_entry(record.matrix_feats),
        )
        self._pipes = {part: network.get_pipes(part) for part in ("inputs", "matrix")}

    def __call__(self, inputs: Inputs) -> np.ndarray:
        flat, matrix = inputs if isinstance(inputs, tuple) else (inputs, None)
        if len(flat) == 0:
            return np.empty((0, self._ensemble.models[0].n_out), dtype=np.float32)
        columns = {"inputs": self._flat(flat), "targets": np.zeros((len(flat), len(self._schema.targ_feats)))}
        if self._schema.matrix is not None and matrix is not None:
            columns["matrix_inputs"] = self._matrix(matrix, self._schema.matrix)
        held = HeldFold(self._schema, columns)
        pipes = {"input_pipe": self._pipes["inputs"], "matrix_pipe": self._pipes["matrix"]}
        fy = opened_for(self._ensemble, held, **pipes)
        [(_, scores, _)] = self._ensemble._predict(fy, self._question, None, out_of_fold=False)
        return as_array(scores)

    def _flat(self, flat: np.ndarray) -> np.ndarray:
        """Preprocess in single precision, as what is converted."""
        flat, n_cont = np.array(flat, dtype=np.float32), len(self._schema.cont_feats)
        flat[:, :n_cont] = apply_chain(self._pipes["inputs"], flat[:, :n_cont])
        refuse_infinite(flat, self._schema.input_feats)
        return flat

    def _matrix(self, matrix: np.ndarray, schema: MatrixSchema) -> np.ndarray:
        matrix = np.array(matrix, dtype=np.float32, order="C")
        flat = matrix.reshape(len(matrix), -1)
        exists = ~np.array(schema.missing or [False] * flat.shape[1], dtype=bool)
        flat[:, exists] = apply_chain(self._pipes["matrix"], flat[:, exists])
        refuse_infinite(matrix)
        return matrix
