"""What is read of a data configuration, and what of it is recorded."""

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_weaver import WeaverData, WeaverScaling

MASK = {"length": 4, "pad_mode": "constant", "vars": [["part_mask", None]]}


def config(*variables, **others):
    """Give a configuration with one group of variables."""
    return {"inputs": {"pf_features": {"length": 4, "vars": list(variables)}, "pf_mask": MASK}, **others}


def row(*entry, **others):
    """Give centre, scale, low and high of a variable."""
    data = WeaverData.from_config(config([*entry], **others))
    return tuple(values[0] for values in data.scaling().to_config().values())


def test_groups_variables_and_labels_are_read(data):
    assert data.roles["points"] == ["part_deta", "part_dphi"]
    assert data.roles["features"] == [
        *("part_pt_log", "part_e_log", "part_deltaR", "part_charge", "part_d0err", "part_deta", "part_dphi")
    ]
    assert data.feats == [*data.roles["points"], *data.roles["features"][:5]]
    assert data.labels == ["label_QCD", "label_Hbb", "label_Tbl"]
    assert data.new_variables["part_e_log"] == "np.log(part_energy)"


def test_further_roles_are_read_where_they_are_asked_for(fixtures):
    data = WeaverData.read(fixtures / "jets.yaml", roles=["vectors", "jet"])
    assert data.roles == {"vectors": ["part_px", "part_py", "part_pz", "part_energy"]}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (("x",), (None, None, None, None)),
        (("x", None, 3.0), (None, None, None, None)),
        (("x", 1.7, 0.7), (1.7, 0.7, -5.0, 5.0)),
        (("x", 0, 1, 0, 1), (0, 1, 0, 1)),
        (("x", 0, 1, 0, 1, -9), (0, 1, 0, 1)),
    ],
)
def test_what_is_not_written_is_the_default(entry, expected):
    assert row(*entry) == expected


def test_what_weaver_found_out_itself_is_taken():
    params = {"x": {"length": 4, "center": 2.0, "scale": 0.5, "min": -3, "max": 4, "pad_value": 0}}
    assert row("x", preprocess={"method": "auto", "params": params}) == (2.0, 0.5, -3, 4)


@pytest.mark.parametrize("pad_mode", ["wrap", "constant"])
def test_absent_particles_stay_absent(pad_mode):
    group = {"length": 4, "pad_mode": pad_mode, "vars": [["x", 1.0, 2.0, -3.0, 3.0, -9.0], ["y", None]]}
    data = WeaverData.from_config({"inputs": {"pf_features": group, "pf_mask": MASK}})
    columns = data.columns({"x": [[1.5, 9.0, np.nan]], "y": [[7.0, -7.0, np.nan]]})
    assert list(columns) == [f"part{i}_{name}" for i in range(3) for name in ("x", "y")]
    found = np.concatenate(list(columns.values()))
    assert found.dtype == np.float32
    assert np.array_equal(found, [1.0, 7.0, 3.0, -7.0, np.nan, np.nan], equal_nan=True)


def test_scaling_is_undone_within_its_range():
    scaling = WeaverScaling([1.7, None], [0.7, None], [-5.0, None], [5.0, None])
    x = np.array([[2.7, 100.0, 1.0, np.nan], [99.0, 1.0, 2.0, 0.0]])
    back = scaling.inverse_transform(scaling.transform(x))
    expected = x.copy()
    expected[1, 0] = 5 / 0.7 + 1.7  # it was clipped
    assert np.allclose(back, expected, equal_nan=True)
    again = WeaverScaling.from_config(scaling.to_config())
    assert np.array_equal(again.transform(x), scaling.transform(x), equal_nan=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ([], "not a data configuration of weaver's: it has no table inputs"),
        ({"inputs": {"pf_features": {"length": 4, "vars": ["x"]}}}, "must be a group with a mask"),
        ({"inputs": {"pf_features": ["x"], "pf_mask": MASK}}, "pf_features must have a length and a list of vars"),
        ({"inputs": {"pf_mask": MASK, "sv_mask": MASK}}, "one collection of particles .* pf_mask, sv_mask"),
        ({"inputs": {"pf_features": {"length": 5, "vars": ["x"]}, "pf_mask": MASK}}, "must have one length"),
        ({"inputs": {"pf_features": {"length": None, "vars": ["x"]}, "pf_mask": MASK}}, "must have one length"),
        ({"inputs": {"pf_mask": MASK}}, "none of the groups that are asked for"),
        (config(["x", "auto"]), r"x has the centre 'auto': give .* \*.auto.yaml"),
        (config("x", preprocess={"method": "auto"}), "x has the centre 'auto'"),
        (config("x", preprocess={"method": "manual", "params": {"y": {}}}), "no params for x, only for y"),
        (config(["x", "1e-3", 1]), "x must have numbers as centre"),
        (config(["x", 0, 0]), "a scale that is not 0"),
    ],
)
def test_what_cannot_be_read_is_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        WeaverData.from_config(changed).scaling()


def test_a_variable_that_is_scaled_in_two_ways_is_refused():
    groups = {"pf_points": {"length": 4, "vars": ["x"]}, "pf_features": {"length": 4, "vars": [["x", 1, 2]]}}
    with pytest.raises(ConfigError, match="x is scaled in two ways"):
        WeaverData.from_config({"inputs": {**groups, "pf_mask": MASK}})


def test_a_file_that_is_not_yaml_is_refused(tmp_path):
    path = tmp_path / "data.yaml"
    for text in ("inputs: [", "!!python/object/apply:os.getcwd []"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="cannot be read as YAML"):
            WeaverData.read(path)
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        WeaverData.read(tmp_path / "none.yaml")


def test_what_particles_lack_is_named_with_its_formula(data, particles):
    without = {name: values for name, values in particles.items() if name != "part_e_log"}
    with pytest.raises(DataError, match=r"lack part_e_log; by the configuration part_e_log = np.log\(part_energy\)"):
        data.columns(without)
    with pytest.raises(ShapeError, match=r"must be \(n, N\), all the same"):
        data.columns({**particles, "part_e_log": particles["part_e_log"][:, :3]})


def test_columns_that_are_not_of_whole_particles_are_refused(data):
    with pytest.raises(ShapeError, match="the 7 variables of each particle, flattened, got 8 columns"):
        data.scaling().transform(np.zeros((1, 8)))
