"""A converter and a writer of their own, for the tests of scores."""

import json

import numpy as np

from lumin_core import registry
from lumin_core.data import Converter, FoldFileWriter, Writer, apply_chain, chain_from_config, matrix_entry

N = 40
STEP = {"name": "session/shift_and_scale", "by": [1.0, 2.0, 3.0], "to": [0.3, 0.7, 1.9]}
OF_MATRIX = {"name": "session/shift_and_scale", "by": [5.0, 0.0, 5.0], "to": [3.0, 1.1, 3.0]}
OF_TARGETS = {"name": "session/shift_and_scale", "by": [10.0], "to": [4.0]}
ENTRY = matrix_entry(["a_x", "a_y", "b_x"], ["a", "b"], [0, 0, 0, 1], ["x", "y"], True, (2, 2))


class ShiftAndScale(registry.find_kind("transform").load_base()):
    def __init__(self, by, to):
        self.by, self.to = by, to

    def transform(self, x):
        return (x - np.array(self.by, x.dtype)) / np.array(self.to, x.dtype)

    def inverse_transform(self, x):
        return x * np.array(self.to, x.dtype) + np.array(self.by, x.dtype)

    def to_config(self):
        return {"by": self.by, "to": self.to}


class Made(Converter):
    """Makes events of a seed, and scores them in two pieces and an empty one."""

    def __init__(self, seed=1, matrix=False, labels=True):
        self.seed, self.matrix, self.labels = seed, matrix, labels

    def events(self):
        rng = np.random.default_rng(self.seed)
        flat = np.hstack([rng.normal(3, 2, (N, 3)), rng.integers(0, 3, (N, 1))]).astype("float32")
        flat[rng.random(N) < 0.2, 1] = np.nan
        matrix = rng.normal(5, 3, (N, 2, 2)).astype("float32")
        matrix[:, 1, 1] = np.nan
        matrix[rng.random(N) < 0.3, 1] = np.nan
        matrix[rng.random(N) < 0.2, 0, 1] = np.nan
        return flat, matrix

    def convert(self, savename, *, overwrite=False):
        flat, matrix = self.events()
        options = {"cont_feats": ["a", "b", "c"], "cat_feats": ["n"], "cat_maps": {"n": {0: "x", 1: "y", 2: "z"}}}
        preprocessing = {"inputs": [STEP], **({"matrix": [OF_MATRIX]} if self.matrix else {})}
        inputs, order = flat.copy(), np.random.default_rng(9).permutation(N)
        inputs[:, :3] = apply_chain(chain_from_config([STEP]), flat[:, :3])
        exists = [True, True, True, False]
        scaled = matrix.reshape(N, 4).copy()
        scaled[:, exists] = apply_chain(chain_from_config([OF_MATRIX]), scaled[:, exists])
        sources = [{"name": "one.root"}, {"name": "two.root"}]
        with FoldFileWriter(
            savename, targ_feats="y" if self.labels else None, preprocessing=preprocessing, overwrite=overwrite,
            matrix_feats=ENTRY if self.matrix else None, recipe=self.to_config(), sources=sources, **options,
        ) as file:  # fmt: skip
            for fold in range(2):
                chosen = order[fold::2]
                file.append(
                    fold, inputs=inputs[chosen], targets=chosen % 2 if self.labels else None,
                    matrix_inputs=scaled.reshape(N, 2, 2)[chosen] if self.matrix else None,
                    misc={"file": (chosen >= N // 2).astype("int32"), "entry": chosen % (N // 2), "run": chosen + 5},
                )  # fmt: skip
        return {"train": savename}

    def cached(self, *, verify=False):
        raise NotImplementedError

    def to_config(self):
        return {"name": "session/made", "seed": self.seed, "matrix": self.matrix, "labels": self.labels}

    def score(self, files, ask, **options):
        flat, matrix = self.events()
        order = np.random.default_rng(9).permutation(N)
        self.scores = np.full((N, 1), np.nan, dtype="float32")
        for events in (order[::2], order[:0], order[1::2]):  # as many at once as in a fold: rounding depends on it
            self.scores[events] = ask((flat[events], matrix[events]) if self.matrix else flat[events])
        self.asked = list(files), options
        Made.last = self
        return ["scored"]


class JsonWriter(Writer):
    """Writes columns as lists, and how many pieces there were."""

    suffixes = (".json",)

    def __init__(self, path, tree=None, *, overwrite=False):
        self.path, self.pieces = path, []

    def append(self, columns):
        self.pieces.append({name: values.tolist() for name, values in columns.items()})

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            whole = {name: [v for piece in self.pieces for v in piece[name]] for name in self.pieces[0]}
            self.path.write_text(json.dumps(whole))


class NumberWriter(JsonWriter):
    """Takes numbers alone."""

    suffixes = (".num",)
    takes_text = False
