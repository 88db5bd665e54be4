"""Whole events turn, by one angle, in GeV, whatever the preprocessing; off means off; missing stays missing."""

from __future__ import annotations

import random

import numpy as np
import pytest
import vector

from lumin_core import FoldFileWriter, FoldYielder, registry
from lumin_core.data.augmentation import Fold
from lumin_core.errors import ConfigError, DataError, LuminError, ShapeError
from lumin_plugin_hep import AxisReflection, PhiRotation, ZBoost
from lumin_plugin_tabular import PCA, StandardScaler

N, VECS = 400, ("tau", "jet", "lep")
CARTESIAN = [f"{vec}_{c}" for vec in VECS for c in ("px", "py", "pz", "E")]
COLLIDER = [f"{vec}_{c}" for vec in VECS for c in ("pt", "eta", "phi", "mass")]


def momenta(n=N, seed=1):
    """Give events of three massive vectors."""
    rng = np.random.default_rng(seed)
    shape = (n, len(VECS))
    return vector.array({
        "pt": rng.exponential(40, shape) + 1, "eta": rng.normal(0, 1.5, shape),
        "phi": rng.uniform(-np.pi, np.pi, shape), "mass": rng.exponential(5, shape) + 0.1,
    })  # fmt: skip


def columns(vectors, names):
    """Give vectors as columns, shape ``(n, F)``."""
    return np.stack([getattr(vectors, c)[:, i] for i in range(len(VECS)) for c in names], axis=1)


def cartesian(vectors):
    return columns(vectors, ("px", "py", "pz", "E"))


def collider(vectors):
    return columns(vectors, ("pt", "eta", "phi", "mass"))


def name_of(part):
    return type(part).__name__


def parse(flat, names):
    """Give columns as vectors again."""
    values = flat.astype(np.float64).reshape(len(flat), len(VECS), 4)
    return vector.array({name: values[..., i] for i, name in enumerate(names)})


def fold_of(values, names, **options):
    return Fold({"inputs": values.copy(), "targets": None, "weights": None}, input_feats=names, **options)


def trained(augmentation, values, names, seed=2):
    return augmentation.train(fold_of(values, names), np.random.default_rng(seed)).flat


@pytest.fixture
def write(tmp_path):
    """Give a function that writes one fold and opens it with augmentations."""

    def make(values, names, augmentations=None, targets=None, targ_feats="y", matrix=None, **options):
        yielder = {key: options.pop(key) for key in ("ignore_feats", "input_pipe", "matrix_pipe") if key in options}
        path = tmp_path / "events.hdf5"
        targets = np.zeros(len(values)) if targets is None else targets
        with FoldFileWriter(path, cont_feats=names, targ_feats=targ_feats, overwrite=True, **options) as file:
            file.append(0, inputs=values, targets=targets, matrix_inputs=matrix)
        return FoldYielder(path, augmentations=augmentations, seed=1, **yielder)

    return make


# What a symmetry keeps


@pytest.mark.parametrize("augmentation", [PhiRotation(), AxisReflection("xyz"), PhiRotation(random=True)], ids=name_of)
@pytest.mark.parametrize("in_test", [False, True])
def test_turns_keep_pt_masses_and_distances(augmentation, in_test):
    events = momenta()
    fold = fold_of(cartesian(events), CARTESIAN)
    turned = (augmentation.test(fold, 1) if in_test else augmentation.train(fold, np.random.default_rng(3))).flat
    assert not np.allclose(turned, cartesian(events))
    turned = parse(turned, ("px", "py", "pz", "E"))
    np.testing.assert_allclose(turned.pt, events.pt, rtol=1e-12)
    np.testing.assert_allclose(np.abs(turned.eta), np.abs(events.eta), atol=1e-12)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        np.testing.assert_allclose(turned[:, i].deltaR(turned[:, j]), events[:, i].deltaR(events[:, j]), atol=1e-10)
        np.testing.assert_allclose((turned[:, i] + turned[:, j]).mass, (events[:, i] + events[:, j]).mass, rtol=1e-9)


def test_rotation_keeps_eta_with_its_sign():
    turned = parse(trained(PhiRotation(), cartesian(momenta()), CARTESIAN), ("px", "py", "pz", "E"))
    np.testing.assert_array_equal(turned.pz, momenta().to_xyzt().pz)


@pytest.mark.parametrize("augmentation", [PhiRotation(), AxisReflection("xyz"), ZBoost(2.0)], ids=name_of)
def test_cartesian_and_collider_coordinates_turn_alike(augmentation):
    events = momenta()
    by_xyz = parse(trained(augmentation, cartesian(events), CARTESIAN), ("px", "py", "pz", "E"))
    by_phi = parse(trained(augmentation, collider(events), COLLIDER), ("pt", "eta", "phi", "mass"))
    for name in ("px", "py", "pz", "E"):
        np.testing.assert_allclose(getattr(by_xyz, name), getattr(by_phi, name), rtol=1e-9, atol=1e-9)
    assert (by_phi.phi >= -np.pi).all()
    assert (by_phi.phi < np.pi).all()


def test_boosts_are_those_of_vector():
    events = momenta()
    augmentation = ZBoost(max_rapidity=1.5, n_test=4)
    for idx, rapidity in enumerate((-1.5, -0.5, 0.5, 1.5)):
        turned = augmentation.test(fold_of(cartesian(events), CARTESIAN), idx).flat
        expected = cartesian(events.boostZ(beta=np.tanh(rapidity)))
        np.testing.assert_allclose(turned, expected, rtol=1e-9, atol=1e-9)


def test_boosts_keep_pt_masses_and_differences_of_rapidity():
    events = momenta()
    turned = parse(trained(ZBoost(3.0), cartesian(events), CARTESIAN), ("px", "py", "pz", "E"))
    np.testing.assert_array_equal(turned.px, events.to_xyzt().px)
    np.testing.assert_allclose(turned.mass, events.mass, rtol=1e-5)
    shift = turned.rapidity - events.rapidity
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-9)
    assert np.abs(shift).max() <= 3
    assert shift.min() < -2.5
    assert shift.max() > 2.5


def test_boosts_update_every_coordinate_there_is():
    events = momenta()
    names = ["tau_px", "tau_py", "tau_pz", "tau_E", "tau_pt", "tau_eta", "tau_phi", "tau_mass", "tau_absp", "tau_mt"]
    tau = events[:, 0].to_xyzt()
    values = np.stack([tau.px, tau.py, tau.pz, tau.E, tau.pt, tau.eta, tau.phi, tau.mass, tau.p, tau.mt], axis=1)
    turned = ZBoost(1.0, n_test=2).test(fold_of(values, names), 1).flat
    tau = tau.boostZ(beta=np.tanh(1.0))
    expected = np.stack([tau.px, tau.py, tau.pz, tau.E, tau.pt, tau.eta, tau.phi, tau.mass, tau.p, tau.mt], axis=1)
    np.testing.assert_allclose(turned, expected, rtol=1e-7, atol=1e-7)


def test_along_the_beam_pseudorapidity_stays():
    turned = ZBoost(1.0, n_test=2).test(fold_of(np.array([[0.0, 7.0, 1.0, 0.0]]), COLLIDER[:4]), 1).flat
    np.testing.assert_array_equal(turned, [[0.0, 7.0, 1.0, 0.0]])


def test_float32_stays_and_is_as_precise():
    events = momenta()
    for augmentation in (PhiRotation(), AxisReflection("xyz"), ZBoost()):
        for values, names in ((cartesian(events), CARTESIAN), (collider(events), COLLIDER)):
            turned, exact = (trained(augmentation, v, names) for v in (values.astype(np.float32), values))
            assert turned.dtype == np.float32
            scale = np.where([name.endswith("phi") for name in names], np.pi, np.abs(exact) + 1)
            assert ((np.abs(turned - exact) % (2 * np.pi - 1e-6)) <= 1e-5 * scale).all()


# The group of the variants


def test_angles_in_prediction_are_k_2pi_over_n():
    events = momenta()
    augmentation = PhiRotation(n_test=5)
    assert augmentation.n_test == 5
    for k in range(5):
        turned = augmentation.test(fold_of(cartesian(events), CARTESIAN), k).flat
        np.testing.assert_allclose(turned, cartesian(events.rotateZ(2 * np.pi * k / 5)), rtol=1e-9, atol=1e-9)


def test_one_step_n_times_is_the_identity():
    fold = fold_of(collider(momenta()), COLLIDER)
    for _ in range(7):
        fold = PhiRotation(n_test=7).test(fold, 1)
    np.testing.assert_allclose(fold.flat, collider(momenta()), atol=1e-12)


@pytest.mark.parametrize("axes", ["x", "z", "xy", "yz", "xyz", ("z", "x")])
def test_reflections_in_prediction_are_all_combinations_of_signs(axes):
    augmentation = AxisReflection(axes)
    assert augmentation.n_test == 2 ** len(axes)
    one = np.ones((1, 4))
    signs = {tuple(augmentation.test(fold_of(one, CARTESIAN[:4]), i).flat[0]) for i in range(augmentation.n_test)}
    assert len(signs) == augmentation.n_test
    for sign in signs:
        for axis, value in zip("xyz", sign, strict=False):
            assert abs(value) == 1 if axis in axes else value == 1


def test_a_reflection_twice_is_the_identity():
    for values, names in ((cartesian(momenta()), CARTESIAN), (collider(momenta()), COLLIDER)):
        fold = fold_of(values, names)
        for _ in range(2):
            fold = AxisReflection("xyz").test(fold, 7)
        np.testing.assert_allclose(fold.flat, values, atol=1e-12)


def test_reflecting_x_is_reflecting_y_and_half_a_turn():
    values = collider(momenta())
    in_x = AxisReflection("x").test(fold_of(values, COLLIDER), 1).flat
    in_y = PhiRotation(2).test(AxisReflection("y").test(fold_of(values, COLLIDER), 1), 1).flat
    np.testing.assert_allclose(in_x, in_y, atol=1e-12)


def test_boosts_in_prediction_lie_evenly_about_the_stored_events():
    values = cartesian(momenta())
    for n, stored in ((1, 0), (3, 1), (5, 2)):
        np.testing.assert_array_equal(ZBoost(n_test=n).test(fold_of(values, CARTESIAN), stored).flat, values)
    assert ZBoost().n_test == 1


def test_training_angles_are_flat_and_flips_are_half():
    events = np.tile([[1.0, 0.0, 1.0, 2.0]], (20_000, 1))
    turned = trained(PhiRotation(), events, CARTESIAN[:4])
    counts, _ = np.histogram(np.arctan2(turned[:, 1], turned[:, 0]), bins=20, range=(-np.pi, np.pi))
    assert ((counts - 1000) ** 2 / 1000).sum() < 44  # chi squared of 19 degrees of freedom, 0.1 %
    flipped = trained(AxisReflection("xz"), events, CARTESIAN[:4])
    for pattern in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        assert abs((flipped[:, [0, 2]] == pattern).all(1).mean() - 0.25) < 0.015


# Random numbers


@pytest.mark.parametrize("name", ["phi_rotation", "axis_reflection", "z_boost"])
def test_same_seed_epoch_and_fold_same_events(write, name):
    fy = write(cartesian(momenta()), CARTESIAN, name)
    again = FoldYielder(fy.foldfile, augmentations=[{"name": name}], seed=1)
    first = fy.get_train_fold(0, 2)["inputs"]
    np.testing.assert_array_equal(first, again.get_train_fold(0, 2)["inputs"])
    assert not np.array_equal(first, fy.get_train_fold(0, 3)["inputs"])
    assert not np.array_equal(first, fy.get_train_fold(0, 2, seed=2)["inputs"])


def test_no_global_generator_is_touched(write):
    fy = write(cartesian(momenta()), CARTESIAN, [PhiRotation(random=True), "axis_reflection", "z_boost"])
    before = repr((np.random.get_state(), random.getstate()))
    fy.get_train_fold(0, 0)
    fy.get_test_fold(0, 0)
    assert repr((np.random.get_state(), random.getstate())) == before


def test_random_angles_in_prediction_differ_by_event_and_variant_and_come_again(write):
    fy = write(cartesian(momenta()), CARTESIAN, PhiRotation(n_test=2, random=True))
    first, second = (parse(fy.get_test_fold(0, i)["inputs"], ("px", "py", "pz", "E")) for i in range(2))
    angles = first.deltaphi(momenta())
    assert angles[:, 0].std() > 1
    np.testing.assert_allclose(np.abs(angle_difference(angles, angles[:, :1])), 0, atol=1e-5)
    assert not np.allclose(first.phi, second.phi)
    again = FoldYielder(fy.foldfile, augmentations=PhiRotation(n_test=2, random=True), seed=9)
    np.testing.assert_array_equal(fy.get_test_fold(0, 1)["inputs"], again.get_test_fold(0, 1)["inputs"])


def angle_difference(a, b):
    return (a - b + np.pi) % (2 * np.pi) - np.pi


# Faults of LUMIN


@pytest.mark.parametrize(
    "parts", [["phi_rotation"], [{"name": "phi_rotation", "random": True}], ["axis_reflection"], ["z_boost"]]
)
def test_fault_targets_turn_with_the_inputs_by_one_angle(write, parts):
    values = cartesian(momenta())
    targets = values[:, :4].astype(np.float32)  # the first vector is a target too
    parts = [registry.build("augmentation", part) for part in parts]
    for part in parts:
        part.targ_vecs = ["gen"]
    fy = write(values, CARTESIAN, parts, targets, ["gen_px", "gen_py", "gen_pz", "gen_E"])
    for fold in (fy.get_train_fold(0, 1), *(fy.get_test_fold(0, i) for i in range(fy.aug_mult))):
        np.testing.assert_allclose(fold["targets"], fold["inputs"][:, :4], rtol=1e-6, atol=1e-4)
    assert not np.allclose(fy.get_train_fold(0, 1)["targets"], targets)


def test_fault_targets_that_are_not_named_stay(write):
    values = cartesian(momenta())
    fy = write(values, CARTESIAN, PhiRotation(), values[:, :2], ["gen_px", "gen_py"])
    np.testing.assert_array_equal(fy.get_train_fold(0, 0)["targets"], fy[0]["targets"])


@pytest.mark.parametrize("cls", [PhiRotation, AxisReflection, ZBoost])
def test_fault_off_in_training_means_off(write, cls):
    fy = write(cartesian(momenta()), CARTESIAN, cls(train=False))
    np.testing.assert_array_equal(fy.get_train_fold(0, 0)["inputs"], fy[0]["inputs"])


@pytest.mark.parametrize("part", [PhiRotation(n_test=1), AxisReflection(test=False), ZBoost(n_test=1)], ids=name_of)
def test_fault_off_in_prediction_means_the_stored_events(write, part):
    fy = write(cartesian(momenta()), CARTESIAN, part)
    assert fy.aug_mult == 1
    np.testing.assert_array_equal(fy.get_test_fold(0, 0)["inputs"], fy[0]["inputs"])
    assert not np.array_equal(fy.get_train_fold(0, 0)["inputs"], fy[0]["inputs"])


def test_fault_validation_folds_are_as_stored(write):
    values = cartesian(momenta()).astype(np.float32)
    fy = write(values, CARTESIAN, ["phi_rotation", "axis_reflection", "z_boost"])
    np.testing.assert_array_equal(fy.get_fold(0)["inputs"], values)


def test_fault_x_is_reflected_together_with_rotations(write):
    fy = write(cartesian(momenta()), CARTESIAN, [PhiRotation(4), AxisReflection("x")])
    assert fy.aug_mult == 8
    turned, flipped = (fy.get_test_fold(0, i)["inputs"] for i in (2, 3))
    np.testing.assert_array_equal(flipped[:, 0::4], -turned[:, 0::4])
    np.testing.assert_array_equal(flipped[:, 1::4], turned[:, 1::4])


def test_fault_an_ignored_px_leaves_no_vector_behind(write):
    values = cartesian(momenta())
    parts = [PhiRotation(4), AxisReflection("xyz")]
    everything = write(values, CARTESIAN, parts).get_train_fold(0, 0)["inputs"]
    fy = write(values, CARTESIAN, parts, ignore_feats=["tau_px", "jet_py"])
    kept = [i for i, name in enumerate(CARTESIAN) if name not in ("tau_px", "jet_py")]
    np.testing.assert_array_equal(fy.get_train_fold(0, 0)["inputs"], everything[:, kept])


# Preprocessing


def chain_of(kind, values):
    scaler = StandardScaler().fit(values)
    if kind == "scaler":
        return [scaler]
    if kind == "two scalers":
        return [StandardScaler(with_mean=False).fit(values), StandardScaler().fit(scaler.transform(values) * 3 + 2)]
    return [scaler, PCA(whiten=True).fit(scaler.transform(values))]


def through(chain, values):
    for step in chain:
        values = step.transform(values)
    return values


@pytest.mark.parametrize("kind", ["scaler", "two scalers", "pca"])
@pytest.mark.parametrize("part", [PhiRotation(3), AxisReflection("xyz"), ZBoost(n_test=2)], ids=name_of)
@pytest.mark.parametrize("in_collider", [False, True])
def test_standardised_vectors_turn_in_gev(write, kind, part, in_collider):
    values, names = (collider(momenta()), COLLIDER) if in_collider else (cartesian(momenta()), CARTESIAN)
    chain = chain_of(kind, values)
    raw = write(values, names, part)
    expected = through(chain, raw.get_train_fold(0, 0)["inputs"].astype(np.float64))
    variant = through(chain, raw.get_test_fold(0, 1)["inputs"].astype(np.float64))
    fy = write(through(chain, values), names, part, preprocessing={"inputs": chain})
    turned, in_test = fy.get_train_fold(0, 0)["inputs"], fy.get_test_fold(0, 1)["inputs"]
    assert turned.dtype == np.float32
    for ours, theirs in ((turned, expected), (in_test, variant)):
        assert_same_events(ours, theirs, chain, names)


def assert_same_events(ours, theirs, chain, names):
    """Compare to the precision of float32: of a column, or where columns are mixed of the event's largest value."""
    is_phi = [name.endswith("phi") for name in names]
    raw, expected = through_back(chain, ours), through_back(chain, theirs)
    np.testing.assert_allclose(angle_difference(raw, expected)[:, is_phi], 0, atol=1e-4)
    if isinstance(chain[-1], PCA):
        ours, theirs, size = raw, expected, np.abs(expected).max(axis=1, keepdims=True)
    else:
        size = np.abs(theirs)
    assert (np.abs(ours - theirs) <= 2e-5 * (1 + size))[:, np.logical_not(is_phi)].all()


def through_back(chain, values):
    for step in reversed(chain):
        values = step.inverse_transform(np.asarray(values, dtype=np.float64))
    return values


def test_untouched_columns_of_scaled_inputs_keep_their_bits(write):
    values = cartesian(momenta())
    chain = chain_of("scaler", values)
    fy = write(through(chain, values), CARTESIAN, PhiRotation(), preprocessing=chain)
    turned, stored = fy.get_train_fold(0, 0)["inputs"], fy[0]["inputs"]
    np.testing.assert_array_equal(turned[:, 2::4], stored[:, 2::4])
    np.testing.assert_array_equal(turned[:, 3::4], stored[:, 3::4])
    assert not np.array_equal(turned[:, 0::4], stored[:, 0::4])


def test_missing_vectors_of_scaled_inputs_stay_missing(write):
    values = cartesian(momenta())
    values[::3, 4:8] = np.nan
    chain = chain_of("scaler", values)
    fy = write(through(chain, values), CARTESIAN, ["phi_rotation", "axis_reflection", "z_boost"], preprocessing=chain)
    for fold in (fy.get_train_fold(0, 0), fy.get_test_fold(0, 3), fy[0]):
        assert (fold["inputs"][::3, 4:8] == 0).all()
        assert (fold["inputs"][1::3, 4:8] != 0).all()


def test_standardised_targets_turn_in_gev(write):
    values = cartesian(momenta())
    scaler = StandardScaler().fit(values[:, :2] + 30)
    fy = write(
        values, CARTESIAN, PhiRotation(targ_vecs="gen"), scaler.transform(values[:, :2]), ["gen_px", "gen_py"],
        preprocessing={"targets": [scaler]},
    )  # fmt: skip
    fold = fy.get_train_fold(0, 0)
    raw = scaler.inverse_transform(fold["targets"].astype(np.float64))
    np.testing.assert_allclose(raw, fold["inputs"][:, :2], rtol=1e-4, atol=1e-3)


def test_pipelines_in_memory_count_as_those_in_the_file(write):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler
    from sklearn.preprocessing import StandardScaler as Sklearn

    values = cartesian(momenta())
    expected = write(values, CARTESIAN, PhiRotation()).get_train_fold(0, 0)["inputs"]
    for pipe in (make_pipeline(Sklearn()), make_pipeline(Sklearn(), MinMaxScaler())):
        pipe.fit(values)
        fy = write(pipe.transform(values), CARTESIAN, PhiRotation(), input_pipe=pipe)
        turned = pipe.inverse_transform(fy.get_train_fold(0, 0)["inputs"].astype(np.float64))
        np.testing.assert_allclose(turned, expected, rtol=1e-4, atol=1e-3)


def test_preprocessing_that_cannot_be_undone_is_refused(write):
    values = cartesian(momenta())
    few = PCA(n_components=8).fit(values)
    fy = write(few.transform(values), CARTESIAN[:8], PhiRotation(), preprocessing=[few])
    with pytest.raises(ConfigError, match="the momenta cannot be known"):
        fy.get_train_fold(0, 0)
    whole = PCA().fit(values)
    mixed = whole.transform(values)
    mixed[0, 0] = np.nan
    with pytest.raises(DataError, match="missing"):
        write(mixed, CARTESIAN, PhiRotation(), preprocessing=[whole]).get_train_fold(0, 0)
    narrow = StandardScaler().fit(values[:, :3])
    with pytest.raises(ShapeError, match="fitted to 3 columns, but there are 12"):
        write(values, CARTESIAN, PhiRotation(), preprocessing=[narrow]).get_train_fold(0, 0)

    class OneWay:
        def transform(self, x):
            return x

        def inverse_transform(self, x):
            raise ValueError("information is lost")

    with pytest.raises(DataError, match=r"turned in GeV: information is lost"):
        write(values, CARTESIAN, PhiRotation(), input_pipe=OneWay()).get_train_fold(0, 0)


# Matrices


def entry(vecs, feats, row_wise, missing=None):
    from lumin_core.data.matrix import matrix_lookup

    names = [f"{vec}_{feat}" for vec in vecs for feat in feats if (vec, feat) not in (missing or [])]
    present, gaps, shape = matrix_lookup(names, vecs, feats, row_wise)
    from lumin_core.data import matrix_entry

    return matrix_entry(present, vecs, gaps, feats, row_wise, shape)


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("part", [PhiRotation(3), AxisReflection("xyz"), ZBoost(n_test=2)], ids=name_of)
def test_matrices_turn_with_flat_vectors(write, part, row_wise):
    values = cartesian(momenta())
    matrix = values.reshape(N, 3, 4) if row_wise else values.reshape(N, 3, 4).transpose(0, 2, 1)
    fy = write(values, CARTESIAN, part, matrix=matrix, matrix_feats=entry(VECS, ["px", "py", "pz", "E"], row_wise))
    for fold in (fy.get_train_fold(0, 0), fy.get_test_fold(0, 1)):
        flat, turned = fold["inputs"]
        assert turned.dtype == np.float32
        assert turned.flags.c_contiguous
        np.testing.assert_array_equal((turned if row_wise else turned.transpose(0, 2, 1)).reshape(N, -1), flat)
        assert not np.allclose(flat, values)


@pytest.mark.parametrize("row_wise", [True, False])
def test_standardised_matrices_turn_in_gev_and_absent_objects_stay_absent(write, row_wise):
    values = cartesian(momenta())
    values[::2, 8:] = np.nan
    missing = [("jet", "E")]  # an element that never exists
    kept = [i for i, name in enumerate(CARTESIAN) if name != "jet_E"]
    scaler = StandardScaler().fit(values[:, kept])
    full = np.full((N, 12), np.nan)
    full[:, kept] = scaler.transform(values[:, kept])
    rows = full.reshape(N, 3, 4)
    fy = write(
        values, CARTESIAN, PhiRotation(), matrix=rows if row_wise else rows.transpose(0, 2, 1),
        matrix_feats=_columnwise(row_wise, missing), preprocessing={"matrix": [_ordered(scaler, values, row_wise)]},
    )  # fmt: skip
    flat, turned = fy.get_train_fold(0, 0)["inputs"]
    rows = turned if row_wise else turned.transpose(0, 2, 1)
    assert np.isnan(rows[::2, 2]).all()
    assert (rows[:, 1, 3] == 0).all()
    raw = scaler.inverse_transform(rows.reshape(N, 12)[:, kept].astype(np.float64))
    present = ~np.isnan(raw)
    np.testing.assert_allclose(raw[present], flat[:, kept][present], rtol=1e-4, atol=1e-3)


def _columnwise(row_wise, missing):
    return entry(VECS, ["px", "py", "pz", "E"], row_wise, missing)


def _ordered(scaler, values, row_wise):
    """Give the scaler of the existing columns in the order of the flattened matrix."""
    if row_wise:
        return scaler
    order = [4 * i + j for j in range(4) for i in range(3) if (i, j) != (1, 3)]
    return StandardScaler().fit(values[:, order])


def test_zero_padded_objects_of_standardised_matrices_stay_absent(write):
    values = cartesian(momenta())
    scaler = StandardScaler().fit(values)
    rows = scaler.transform(values).reshape(N, 3, 4)
    rows[::2, 2] = 0
    feats = {**entry(VECS, ["px", "py", "pz", "E"], True), "zero_padded": True}
    fy = write(values, CARTESIAN, PhiRotation(), matrix=rows, matrix_feats=feats, preprocessing={"matrix": [scaler]})
    turned = fy.get_train_fold(0, 0)["inputs"][1]
    assert np.isnan(turned[::2, 2]).all()
    assert not np.isnan(turned[1::2]).any()


def test_a_scaler_of_flat_inputs_and_matrix_together_is_refused(write):
    values = cartesian(momenta())
    scaler = StandardScaler().fit(np.hstack((values, values)))
    rows = scaler.transform(np.hstack((values, values)))[:, 12:].reshape(N, 3, 4)
    feats = entry(VECS, ["px", "py", "pz", "E"], True)
    fy = write(np.zeros((N, 1)), ["met"], PhiRotation(), matrix=rows, matrix_feats=feats, preprocessing=[scaler])
    with pytest.raises(ShapeError, match=r'fitted to 24 columns, but there are 1; .*"matrix": '):
        fy.get_train_fold(0, 0)


def test_tensors_are_refused_unless_vectors_are_named(write):
    from lumin_core.data import tensor_entry

    values, image = cartesian(momenta()), np.ones((N, 2, 5, 5))
    options = {"matrix": image, "matrix_feats": tensor_entry("image", (2, 5, 5))}
    with pytest.raises(ConfigError, match=r"PhiRotation: the matrix has no named columns.*yield_matrix=False"):
        write(values, CARTESIAN, PhiRotation(), **options).get_train_fold(0, 0)
    fold = write(values, CARTESIAN, PhiRotation(vecs=VECS), **options).get_train_fold(0, 0)
    np.testing.assert_array_equal(fold["inputs"][1], image)


# Which vectors


def test_missing_vectors_stay_missing_and_others_turn():
    values = cartesian(momenta())
    values[5, 4:8] = np.nan
    values[6, 0] = np.nan
    for part in (PhiRotation(), AxisReflection("xyz"), ZBoost()):
        turned = trained(part, values, CARTESIAN)
        assert np.isnan(turned[5, 4:8]).all()
        assert np.isfinite(turned[5, [0, 1, 2, 3, 8, 9, 10, 11]]).all()
        assert np.isnan(turned[6, 0])
        assert np.isfinite(turned[7:]).all()


def test_named_vectors_turn_and_others_stay():
    values = cartesian(momenta())
    turned = trained(PhiRotation(vecs=["jet"]), values, CARTESIAN)
    np.testing.assert_array_equal(turned[:, [0, 1, 8, 9]], values[:, [0, 1, 8, 9]])
    assert not np.allclose(turned[:, 4:6], values[:, 4:6])


def test_scalars_are_left_and_categories_too():
    names = ["tau_px", "tau_py", "delta_phi", "tau_jet_delta_phi", "abs_eta", "tau_mass", "dR", "tau_pt", "cat_px"]
    values = np.random.default_rng(1).normal(size=(5, len(names)))
    fold = PhiRotation().train(fold_of(values, names, n_cont=8), np.random.default_rng(1))
    np.testing.assert_array_equal(fold.flat[:, 2:], values[:, 2:])
    assert (fold.flat[:, :2] != values[:, :2]).all()


def test_missing_transverse_momentum_turns_and_is_not_boosted():
    values = np.random.default_rng(1).normal(size=(5, 6))
    names = ["met_px", "met_py", *CARTESIAN[:4]]
    assert (trained(PhiRotation(), values, names)[:, :2] != values[:, :2]).all()
    np.testing.assert_array_equal(trained(ZBoost(), values, names)[:, :2], values[:, :2])


@pytest.mark.parametrize(
    ("part", "names", "words"),
    [
        (PhiRotation(), ["tau_px", "tau_pz"], "'tau' has px, pz but no py"),
        (PhiRotation(vecs="tau"), ["tau_py"], "'tau' has py but no px"),
        (PhiRotation(), ["tau_px", "tau_py", "jets_px"], "'jets' has px alone"),
        (PhiRotation(), ["tau_px", "tau_py", "met_phi"], "'met' has phi alone"),
        (AxisReflection("z"), ["tau_px", "tau_py", "prod_eta"], "'prod' has eta alone"),
        (PhiRotation(), ["tau_mass", "met"], "nothing to turn"),
        (AxisReflection("z"), ["tau_px", "tau_py"], "nothing to turn: no input is named {vec}_eta, {vec}_pz"),
        (PhiRotation(vecs=["tua"]), ["tau_px", "tau_py"], "no vector 'tua' among the inputs; did you mean 'tau'"),
        (PhiRotation(targ_vecs=["gen"]), ["tau_px", "tau_py"], "no vector 'gen' among the targets"),
        (ZBoost(), ["tau_px", "tau_py", "tau_pz"], "but no E, nor mass with pt"),
        (ZBoost(), ["tau_eta", "tau_phi", "tau_mass"], "but no pz, nor eta with pt"),
        (ZBoost(vecs="tau"), ["tau_pz", "tau_E", "tau_eta"], "but no pt, nor px with py"),
        (PhiRotation(), ["tau_px", "tau_py", "tau_PX"], "both the px of 'tau'"),
    ],
)
def test_what_cannot_be_turned_is_refused_with_the_reason(part, names, words):
    with pytest.raises(ConfigError) as error:
        trained(part, np.ones((2, len(names))), names)
    assert words in str(error.value)


def test_reflections_take_a_lone_px_that_is_named():
    assert AxisReflection("xy", vecs="tau").test(fold_of(np.ones((1, 1)), ["tau_px"]), 1).flat == -1


def test_a_lone_phi_turns_if_it_is_named():
    values = np.array([[1.0, 0.0, 3.0]])
    turned = PhiRotation(4, vecs=["tau", "met"]).test(fold_of(values, ["tau_px", "tau_py", "met_phi"]), 1).flat
    np.testing.assert_allclose(turned, [[0.0, 1.0, 3.0 + np.pi / 2 - 2 * np.pi]], atol=1e-12)


def test_targets_must_be_columns_of_floats(write):
    values = cartesian(momenta())
    part = PhiRotation(targ_vecs=["gen"])
    fy = write(values, CARTESIAN, part, np.ones((N, 2)), ["gen_px", "gen_py"], targ_type="int64")
    with pytest.raises(DataError, match="must be floats to be turned, got int64"):
        fy.get_train_fold(0, 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PhiRotation(n_test=0), "n_test must be a positive integer, got 0"),
        (lambda: ZBoost(n_test=1.5), "n_test must be a positive integer"),
        (lambda: ZBoost(max_rapidity=0), "max_rapidity must be a positive, finite number, got 0"),
        (lambda: ZBoost(max_rapidity=float("nan")), "max_rapidity"),
        (lambda: ZBoost(max_rapidity="0.5"), "max_rapidity must be a positive, finite number, got '0.5'"),
        (lambda: AxisReflection("w"), "axes must be one or more of 'x', 'y', 'z', got 'w'"),
        (lambda: AxisReflection([]), "axes must be one or more"),
        (lambda: AxisReflection("yy"), "axes names 'y' twice"),
        (lambda: PhiRotation(vecs=["a", "a"]), "vecs names 'a' twice"),
        (lambda: registry.build("augmentation", {"name": "phi_rotation", "n_tset": 3}), "did you mean 'n_test'"),
    ],
)
def test_options_are_checked(make, words):
    with pytest.raises(LuminError, match=words):
        make()


@pytest.mark.parametrize("n", [0, 1])
def test_empty_folds_and_single_events_turn(n):
    for part in (PhiRotation(), AxisReflection(), ZBoost()):
        assert trained(part, cartesian(momenta())[:n], CARTESIAN).shape == (n, 12)
        part.test(fold_of(cartesian(momenta())[:n], CARTESIAN), 0)


def test_it_works_without_the_plugin_of_the_preprocessing_until_it_is_asked_for(write, monkeypatch):
    values = cartesian(momenta())
    fy = write(values, CARTESIAN, PhiRotation(n_test=1), preprocessing=chain_of("scaler", values))
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "tabular")
    registry.refresh()
    try:
        np.testing.assert_array_equal(fy.get_test_fold(0, 0)["inputs"], fy[0]["inputs"])
        with pytest.raises(LuminError, match="tabular"):
            fy.get_train_fold(0, 0)
    finally:
        monkeypatch.undo()
        registry.refresh()


def test_a_training_with_augmentations_gives_the_same_weights_again(write, tmp_path):
    from lumin_core import Model, ModelBuilder

    rng = np.random.default_rng(1)
    path = tmp_path / "two.hdf5"
    with FoldFileWriter(path, cont_feats=CARTESIAN, targ_feats="y") as file:
        for i in range(2):
            file.append(i, inputs=cartesian(momenta(64, i)) / 100, targets=rng.integers(0, 2, 64))
    results = []
    for _ in range(2):
        with FoldYielder(path, augmentations=["phi_rotation", "axis_reflection"]) as fy:
            model = Model(ModelBuilder.from_fy(fy, "classification", seed=1), device="cpu")
            model.fit(2, fy, bs=32, val_idx=1, visible_bar=False, seed=1)
            model.predict(fy)
            results.append(FoldYielder(path).get_column("pred"))
    np.testing.assert_array_equal(*results)
