"""Describing a fold file: as it is written, for folds that were written by hand, and afterwards."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from lumin_core import __version__, seeds
from lumin_core.checks import as_list, check_keys, check_names, listed
from lumin_core.data import structure
from lumin_core.data.categories import check_known_codes, checked_cat_maps
from lumin_core.data.entries import matrix_from_entry, target_from_entry, tensor_schema
from lumin_core.data.hdf5 import rewriting
from lumin_core.data.layout import Layout
from lumin_core.data.matrix import matrix_lookup
from lumin_core.data.meta import read_schema, update_entry, write_schema
from lumin_core.data.pipelines import check_part
from lumin_core.data.schema import MatrixSchema, Schema
from lumin_core.data.transforms import as_chain, chain_to_config, check_fitted
from lumin_core.data.units import checked_units, with_column_units
from lumin_core.data.values import check_codes
from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import h5py

    from lumin_core.data.transforms import Steps

_log = logging.getLogger(__name__)


def describe(
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targ_feats: str | Sequence[str] | None,
    *,
    wgt_feat: str | None = None,
    cat_maps: Mapping[str, Mapping[int, object]] | None = None,
    matrix_feats: MatrixSchema | Mapping[str, object] | None = None,
    target_tensor: Mapping[str, object] | None = None,
    misc_feats: Sequence[str] = (),
    preprocessing: Steps | Mapping[str, Steps] | None = None,
    seed: int | None = None,
    recipe: Mapping[str, object] | None = None,
    sources: Sequence[Mapping[str, object]] = (),
    units: Mapping[str, str] | None = None,
) -> Schema:
    """Make the schema of a new file from what a user says; arguments as for `FoldFileWriter`.

    Args:
        cont_feats: As there, as are those without another word.
        cat_feats: Categorical features.
        targ_feats: Targets; one name alone stands for targets of shape ``(n,)``, ``None`` for
            none.
        wgt_feat: Weight.
        cat_maps: What the codes mean.
        matrix_feats: Of the matrix.
        target_tensor: Of targets that are tensors.
        misc_feats: Further columns, where they are known beforehand.
        preprocessing: Chains that the data went through.
        seed: For the provenance.
        recipe: How the file is made of others.
        sources: Those files.
        units: Of columns.

    Raises:
        ConfigError: If maps are of other features or do not go from codes to what they mean, there
            is no target, names are none, or a transform cannot be stored or was fitted to others.

    Example:
        >>> from lumin_core.data.description import describe
        >>> describe(["pt"], [], "y", seed=1).scalar_target
        True
    """
    if target_tensor is None and targ_feats is not None and not as_list(targ_feats):
        raise ConfigError("targ_feats must name one target or more, got none")
    if wgt_feat is not None and not isinstance(wgt_feat, str):
        raise ConfigError(f"wgt_feat must be the name of one column, got {wgt_feat!r}")
    check_names("misc_feats", as_list(misc_feats))
    if matrix_feats is None:
        _check_same_columns(preprocessing, as_list(cont_feats))
    _say_truth([*as_list(cont_feats), *as_list(cat_feats)], [*as_list(targ_feats), *as_list(wgt_feat)])
    return Schema(
        cont_feats=cont_feats,
        cat_feats=cat_feats,
        targ_feats=targ_feats,
        scalar_target=isinstance(targ_feats, str),
        wgt_feat=wgt_feat,
        cat_maps=checked_cat_maps(cat_maps, as_list(cat_feats)),
        matrix=matrix_from_entry(matrix_feats) if isinstance(matrix_feats, Mapping) else matrix_feats,
        target_tensor=None if target_tensor is None else target_from_entry(target_tensor),
        columns=dict.fromkeys(as_list(misc_feats), ""),
        preprocessing=preprocessing_configs(preprocessing),
        provenance={"written_by": f"lumin-core {__version__}", "seed": None if seed is None else seeds.check(seed)},
        recipe=dict(recipe or {}),
        sources=[dict(source) for source in sources],
        units=checked_units(units),
    )


def _check_same_columns(preprocessing: object, cont_feats: Sequence[str]) -> None:
    """Refuse a pipeline that says itself that it was fitted to other columns."""
    given = preprocessing.get("inputs") if isinstance(preprocessing, Mapping) else preprocessing
    feats = getattr(given, "feats", None)
    if feats and list(feats) != list(cont_feats):
        raise ConfigError(
            f"preprocessing was fitted to {len(feats)} columns, {listed(feats)}, in this order, and cont_feats are "
            f"{len(cont_feats)}, {listed(cont_feats)}: fit it to these (fit_input_pipe(df, cont_feats))"
        )


def _say_truth(inputs: Sequence[object], truth: Sequence[object]) -> None:
    """Say which inputs tell what is to be learned."""
    if known := [feat for feat in inputs if feat in truth or str(feat).startswith("gen_")]:
        _log.warning(
            "among the inputs are truth, targets or the weight, which new events do not have: %s; leave them out of "
            "cont_feats and cat_feats unless that is meant",
            listed(known),
        )


def matrix_of_columns(
    feats: Sequence[str], vecs: Sequence[str], feats_per_vec: Sequence[str] | None, row_wise: bool | None
) -> MatrixSchema:
    """Find the columns of a matrix; arguments and errors as of `matrix_lookup`.

    Example:
        >>> from lumin_core.data.description import matrix_of_columns
        >>> matrix_of_columns(["tau_px", "jet_px"], ["tau"], ["px"], True).present_feats
        ['tau_px']
    """
    names, missing, shape = matrix_lookup(feats, vecs, feats_per_vec or (), row_wise)
    return MatrixSchema(
        shape=shape,
        present_feats=names,
        vecs=vecs,
        missing=missing.tolist(),
        feats_per_vec=feats_per_vec,
        row_wise=row_wise,
    )


def preprocessing_configs(preprocessing: Steps | Mapping[str, Steps] | None) -> dict[str, list[dict[str, object]]]:
    """Turn chains of transforms into what the meta data hold.

    Args:
        preprocessing: Chains by what they are for, ``inputs``, ``targets``, ``matrix``; a chain
            alone is for inputs.

    Raises:
        ConfigError: If a transform cannot be stored, or a key is another.

    Example:
        >>> from lumin_core.data.description import preprocessing_configs
        >>> preprocessing_configs([])
        {'inputs': []}
    """
    if preprocessing is None:
        return {}
    by_part = isinstance(preprocessing, Mapping) and "name" not in preprocessing  # else one transform as a dict
    chains = cast("Mapping[str, Steps]", preprocessing if by_part else {"inputs": preprocessing})
    for name in chains:
        check_part(name)
    built = {name: as_chain(chain) for name, chain in chains.items()}
    for chain in built.values():
        check_fitted(chain)
    return {name: chain_to_config(chain) for name, chain in built.items()}


def add_meta_data(
    out_file: h5py.File,
    feats: Sequence[str],
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    cat_maps: Mapping[str, Mapping[int, object]] | None,
    targ_feats: str | Sequence[str],
    wgt_feat: str | None = None,
    matrix_vecs: Sequence[str] | None = None,
    matrix_feats_per_vec: Sequence[str] | None = None,
    matrix_row_wise: bool | None = None,
    tensor_name: str | None = None,
    tensor_shp: Sequence[int] | None = None,
    tensor_is_sparse: bool = False,
    target_tensor_shp: Sequence[int] | None = None,
    tensor_target_is_sparse: bool = False,
    *,
    misc_feats: Sequence[str] | None = None,
    preprocessing: Steps | Mapping[str, Steps] | None = None,
    seed: int | None = None,
    units: Mapping[str, str] | None = None,
) -> None:
    """Add meta data to an open file whose folds were written by `fold2foldfile`.

    Args:
        out_file: Open for writing.
        feats: All columns of the data, among which those of the matrix are looked for.
        cont_feats: Continuous features.
        cat_feats: Categorical features.
        cat_maps: What the codes mean.
        targ_feats: Target or targets.
        wgt_feat: Name of the weight.
        matrix_vecs: Objects of the matrix.
        matrix_feats_per_vec: Their features.
        matrix_row_wise: Whether an object is a row.
        tensor_name: Name of the tensor.
        tensor_shp: Shape of one event's tensor.
        tensor_is_sparse: Whether it is stored as COO.
        target_tensor_shp: Shape of one event's targets, where these are tensors.
        tensor_target_is_sparse: Whether they are stored as COO.
        misc_feats: Further columns.
        preprocessing: As for `FoldFileWriter`.
        seed: Recorded as provenance.
        units: As for `FoldFileWriter`.

    Raises:
        ConfigError: If names come twice or contradict each other, folds lack such columns, or units
            are of others.
        FoldFileError: If inputs have more or fewer columns than there are features.
        DataError: If an object or a feature of the matrix does not exist at all, or folds hold
            codes that the maps lack.

    Example:
        >>> import h5py
        >>> from lumin_core import add_meta_data
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     add_meta_data(file, ["pt", "y"], ["pt"], [], None, "y")
        ...     file["meta_data/targ_feats"][()]
        b'"y"'
    """
    matrix = None
    if matrix_vecs is not None:
        matrix = matrix_of_columns(feats, matrix_vecs, matrix_feats_per_vec, matrix_row_wise)
    elif tensor_shp is not None:
        matrix = tensor_schema(tensor_name or "tensor", tensor_shp, is_sparse=tensor_is_sparse)
    target = {"shape": target_tensor_shp, "is_sparse": tensor_target_is_sparse}
    schema = describe(
        cont_feats,
        cat_feats,
        targ_feats,
        wgt_feat=wgt_feat,
        cat_maps=cat_maps,
        matrix_feats=matrix,
        target_tensor=None if target_tensor_shp is None else target,
        misc_feats=misc_feats or (),
        preprocessing=preprocessing,
        seed=seed,
        units=units,
    )
    _check_folds(out_file, schema)
    write_schema(out_file, with_column_units(Layout(schema).schema))


def _check_folds(file: h5py.File, schema: Schema) -> None:
    """Refuse what is not so of the folds that are there: features, columns, codes of the maps."""
    if not structure.fold_numbers(file):
        return
    sizes, n_cont = structure.fold_sizes(file), len(schema.cont_feats)
    structure.check_columns(file, schema, sizes)
    for i in sizes:
        check_keys(schema.misc_feats, file[f"fold_{i}"], f"misc_feats: fold_{i}")
        if schema.wgt_feat is not None and "weights" not in file[f"fold_{i}"]:
            raise ConfigError(f"wgt_feat is {schema.wgt_feat!r}, but fold_{i} has no weights; leave it out")
    for i in sizes if schema.cat_maps else ():
        codes, where = file[f"fold_{i}/inputs"][:, n_cont:], f"fold {i} of {file.filename}"
        check_codes(codes, schema.cat_feats, where)
        check_known_codes(codes, schema.cat_feats, schema.cat_maps, where)


def add_preprocessing(
    foldfile: str | Path,
    input_pipe: Steps | None = None,
    output_pipe: Steps | None = None,
    matrix_pipe: Steps | None = None,
) -> None:
    """Store in an existing fold file the transforms that its data went through.

    Args:
        foldfile: The file; it is replaced as a whole, safely.
        input_pipe: Transforms of the continuous features: one, a list, or a scikit-learn pipeline
            of known steps.
        output_pipe: The same, of the targets.
        matrix_pipe: The same, of the flattened matrix.

    Raises:
        ConfigError: If a transform cannot be stored as plain values.
        FoldFileError: If the file cannot be written.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter
        >>> from lumin_core.data import add_preprocessing
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="is_signal") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> add_preprocessing(path, input_pipe=[])
    """
    given = {"inputs": input_pipe, "targets": output_pipe, "matrix": matrix_pipe}
    configs = preprocessing_configs({name: pipe for name, pipe in given.items() if pipe is not None})
    with rewriting(foldfile) as file:
        update_entry(file, "preprocessing", **configs)


def declare_zero_padding(foldfile: str | Path, zero_padded: bool = True) -> None:
    """Declare that absent objects of a file's matrix were padded with zeros.

    Yielders then give NaN for them.

    Args:
        foldfile: The file; it is replaced as a whole, safely.
        zero_padded: Whether they were.

    Raises:
        FoldFileError: If the file cannot be written, or has no matrix.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldYielder, df2foldfile
        >>> from lumin_core.data import declare_zero_padding
        >>> x = np.zeros((4, 2, 3)); x[:, 0] = 1
        >>> path = df2foldfile(None, 2, [], [], ["y"], tempfile.mkdtemp() + "/a", "float32",
        ...                    tensor_data=x, tensor_target=np.ones((4, 1)), seed=1)
        >>> declare_zero_padding(path)
        >>> FoldYielder(path)[0]["inputs"][1][0].tolist()
        [[1.0, 1.0, 1.0], [nan, nan, nan]]
    """
    with rewriting(foldfile) as file:
        schema = read_schema(file)
        if schema is None or schema.matrix is None:
            raise FoldFileError(f"{foldfile} has no matrix whose padding could be declared")
        update_entry(file, "matrix_feats", zero_padded=bool(zero_padded))
