"""Data: fold files, what reads and writes them, batches, augmentation and preprocessing."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "augmentation": ["Augmentation", "Fold"],
    "batch_yielder": ["BatchYielder", "check_classes"],
    "fold_file": ["FoldFileWriter", "add_meta_data", "add_preprocessing", "declare_zero_padding"],
    "fold_reader": ["FoldReader"],
    "fold_yielder": ["FoldYielder"],
    "frames": ["df2foldfile", "fold2foldfile"],
    "hdf5": ["save_to_grp"],
    "layout": ["matrix_entry", "tensor_entry"],
    "matrix": ["matrix_lookup", "object_mask"],
    "meta": ["MetaData"],
    "splitting": ["split_events"],
    "transforms": [
        "Pipe",
        "Transform",
        "apply_chain",
        "as_chain",
        "chain_from_config",
        "chain_to_config",
        "check_pipe",
        "invert_chain",
    ],
    "values": ["check_codes", "check_finite", "check_inputs", "to_float32"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
