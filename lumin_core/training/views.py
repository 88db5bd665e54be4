"""Views: the variants of events over which a model's answers are averaged in prediction.

They are those of the augmentations that it was trained with, which it records. A yielder that was
opened with augmentations has views of its own; all else is asked plainly, unless it is said.
"""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core.data import augmentation
from lumin_core.data.augmentation import Fold
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.entries import matrix_from_entry
from lumin_core.data.matrix import mark_absent
from lumin_core.errors import ConfigError, option
from lumin_core.training.inputs import InputReader, as_batches
from lumin_core.training.sameness import is_unnamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lumin_core.data.augmentation import Augmentation
    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.training.network import Events, Network

    Array = np.ndarray | tuple[np.ndarray, np.ndarray]

_log = logging.getLogger(__name__)


def recorded_views(network: Network) -> list[Augmentation]:
    """Return the augmentations that a model was trained with.

    Args:
        network: The model.

    Raises:
        ConfigError: If it recorded none, or could not.
        UnknownComponent: If one is not installed.
    """
    if network.augmentations is not None:
        return network.augmentations
    specs = network.record.augmentations
    if not specs:
        raise ConfigError(
            "augment=True asks with the views that the model recorded, and it was trained without augmentations; "
            "leave it out, or open the fold file with augmentations="
        )
    if is_unnamed(specs):
        raise ConfigError(
            f"augment=True needs augmentations that could be saved with the model, and these are objects: {specs}; "
            "train with their names, dicts or classes, or open the fold file with augmentations="
        )
    return augmentation.build_all(specs)


def say_plainly(networks: Iterable[Network]) -> None:
    """Say once of a model that it has views and is asked without."""
    silent = [network for network in networks if network.record.n_views > 1 and not network.said_plain]
    for network in silent:
        network.said_plain = True
    if silent:
        _log.warning(
            "the model was trained with augmentations that give %d views of each event, and is asked about events as "
            "they are; %s averages over the views, %s says that this is meant",
            silent[0].record.n_views,
            option("augment"),
            option("augment", on=False),
        )


def with_augmentations(fy: FoldYielder, parts: Sequence[Augmentation]) -> FoldYielder:
    """Return a yielder of the same open file with other augmentations."""
    other = copy.copy(fy)
    other.augmentations = list(parts)
    return other


def event_batches(
    network: Network, inputs: Events, bs: int | None, *, raw: bool, augment: bool
) -> Iterator[BatchYielder]:
    """Make the batches of events that are in no fold file: once, or for each view.

    Args:
        network: Who will be asked.
        inputs: As for `as_batches`.
        bs: Events in a batch.
        raw: Whether they are as before the preprocessing.
        augment: Whether the views of the network are wanted.

    Raises:
        ConfigError: If they are, and there are none.
    """
    if not augment:
        yield as_batches(network, inputs, bs, raw=raw)
        return
    if isinstance(inputs, BatchYielder):
        raise ConfigError("a BatchYielder holds events as they are, of which there are no views: leave augment out")
    views = EventViews(network, inputs, raw=raw)
    for view in views:
        yield network.batches(view, bs, object_axis=views.object_axis)


class EventViews:
    """The views of events that are in no fold file.

    Args:
        network: The model, whose record tells the columns and the augmentations.
        inputs: As for `InputReader.read`.
        raw: Whether they are as before the preprocessing.

    Raises:
        ConfigError: If the model has no views.
    """

    def __init__(self, network: Network, inputs: Any, *, raw: bool) -> None:
        record = network.record
        self.parts = recorded_views(network)
        self.network = network
        builder = network.model_builder
        self.cont_feats = list(builder.cont_feats)
        self.cat_feats = builder.cat_feats
        if record.matrix_feats is not None:
            of_file = record.features.get("cont_feats", self.cont_feats)
            self.cont_feats = [feat for feat in self.cont_feats if feat in of_file]
        self.schema = None if record.matrix_feats is None else matrix_from_entry(record.matrix_feats)
        self.file_feats = list(record.features.get("file_feats", self.cont_feats))
        whole = raw or (isinstance(inputs, pd.DataFrame) and set(self.file_feats) <= set(inputs.columns))
        reader = InputReader(builder, record, network.pipes, self.file_feats if whole else None)
        read = reader.read(inputs, raw=raw)
        flat = read[0] if isinstance(read, tuple) else read
        self.matrix = read[1] if isinstance(read, tuple) else None
        self.flat = flat if whole else self._with_unknown(flat)

    def __len__(self) -> int:
        """Number of views."""
        return augmentation.count_variants(self.parts)

    def __iter__(self) -> Iterator[Array]:
        """Go through the views, each what a network's `batches` take."""
        return map(self._view, range(len(self)))

    @property
    def object_axis(self) -> int | None:
        """Axis of the matrix along which its objects are; ``None`` without one."""
        return None if self.schema is None or self.matrix is None else self.schema.object_axis

    def _with_unknown(self, flat: np.ndarray) -> np.ndarray:
        """Return all columns of the training file, NaN where they are not given."""
        known = [self.file_feats.index(feat) for feat in self.cont_feats]
        cont = np.full((len(flat), len(self.file_feats)), np.nan, dtype=np.float32)
        cont[:, known] = flat[:, : len(known)]
        return np.concatenate([cont, flat[:, len(known) :]], axis=1)

    def _view(self, number: int) -> Array:
        fold = self._as_fold({"inputs": self._copied(), "targets": self._no_targets(), "weights": None})
        return self._picked(augmentation.vary(fold, self.parts, number))

    def _copied(self) -> Array:
        if self.matrix is None:
            return self.flat.copy()
        matrix = np.ascontiguousarray(self.matrix).copy()
        if self.schema is not None:  # as it is in a file: all that is missing is NaN
            matrix[np.isnan(mark_absent(matrix.copy(), self.schema))] = np.nan
            matrix.reshape(len(matrix), -1)[:, np.asarray(self.schema.missing, dtype=bool)] = np.nan
        return self.flat.copy(), matrix

    def _no_targets(self) -> np.ndarray:
        n_targets = len(self.network.record.features.get("targ_feats", []))
        return np.zeros((len(self.flat), n_targets), dtype=np.float32)

    def _as_fold(self, data: dict[str, Any]) -> Fold:
        record = self.network.record
        return Fold(
            data,
            input_feats=[*self.file_feats, *self.cat_feats],
            targ_feats=record.features.get("targ_feats", []),
            matrix_feats=record.matrix_feats,
            n_cont=len(self.file_feats),
            get_pipes=self.network.get_pipes,
        )

    def _picked(self, fold: Fold) -> Array:
        """Return the model's columns of a view; if values got lost, it lacked some."""
        n_cont = len(self.file_feats)
        columns = [self.file_feats.index(feat) for feat in self.cont_feats]
        columns += range(n_cont, n_cont + len(self.cat_feats))
        flat, before = np.ascontiguousarray(fold.flat[:, columns]), self.flat[:, columns]
        unknown = [
            feat for i, feat in enumerate(self.file_feats) if np.isnan(self.flat[:, i]).all() and i not in columns
        ]
        if unknown and (np.isnan(flat) & ~np.isnan(before)).any():
            raise ConfigError(
                f"the views need features that the model does not use and that are not given: {', '.join(unknown)}; "
                "pass a data frame that has them, or the fold file"
            )
        if fold.matrix is None:
            return flat
        matrix = np.ascontiguousarray(fold.matrix)
        return flat, matrix if self.schema is None else mark_absent(matrix, self.schema, keep_nan=True)
