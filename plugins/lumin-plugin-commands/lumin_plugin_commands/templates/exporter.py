"""An exporter: writes models for programs without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.errors import ConfigError
from lumin_core.files import Staged
from lumin_core.training import Exporter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Literal

    from lumin_core.training import Network


class ExampleExporter(Exporter):
    """Writes the weights of one model as an archive of NumPy.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core import Model, ModelBuilder
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"]))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights"
        >>> model.export(path, format="example_exporter").name
        'weights.npz'
    """

    suffix = ".npz"

    def write(
        self, models: Sequence[Network], weights: Sequence[float] | None, path: Path, *, raw: bool | Literal["inputs"]
    ) -> Path:
        """Write the weights, whole or not at all.

        Raises:
            ConfigError: For several models, and where the preprocessing is to be inside.
        """
        if len(models) > 1 or raw:
            raise ConfigError("the archive holds the weights of one model, without its preprocessing")
        arrays: dict[str, Any] = {name: weight.numpy() for name, weight in models[0].get_weights().items()}
        path = path.with_name(path.name.removesuffix(self.suffix) + self.suffix)
        with Staged(path) as part, part.open("wb") as file:
            np.savez(file, **arrays)
        return path
