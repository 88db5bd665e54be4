"""Data: fold files, what reads and writes them, batches, augmentation and preprocessing."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "augmentation": ["Augmentation", "Fold"],
    "batch_yielder": ["BatchYielder"],
    "categories": ["UNKNOWN_CATEGORY", "check_unseen", "unknown_code"],
    "chains": ["apply_chain", "invert_chain"],
    "converter": ["Converter", "converted"],
    "description": ["add_meta_data", "add_preprocessing", "declare_zero_padding"],
    "entries": ["matrix_entry", "tensor_entry"],
    "expression_function": ["ExpressionFunction"],
    "file_names": ["name_to_write", "with_suffix"],
    "file_rows": ["fold_rows", "recipe_text"],
    "fold_file": ["FoldFileWriter"],
    "fold_reader": ["FoldReader"],
    "fold_yielder": ["FoldYielder"],
    "folds": ["FoldData"],
    "frames": ["df2foldfile", "fold2foldfile"],
    "hdf5": ["save_to_grp"],
    "matrix": ["matrix_lookup", "object_mask"],
    "numbers": ["as_numbers", "unmasked"],
    "reader": ["READERS", "Column", "Reader", "Writer", "open_tables", "writer_of"],
    "schema": ["MatrixSchema", "Schema", "TensorSchema"],
    "splitting": ["split_events"],
    "tables": ["as_frame"],
    "transforms": [
        "Pipe",
        "Step",
        "Steps",
        "Transform",
        "as_chain",
        "chain_from_config",
        "chain_to_config",
        "check_pipe",
    ],
    "units": ["add_units"],
    "values": ["check_classes", "check_codes", "check_finite", "check_inputs", "to_float32"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
