"""Heads for objects: matrices and masks, from a matrix or from flat columns."""

import pickle

import pytest
import torch

from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model.matrix_head import MatrixHead, matrix_elements

NAN = float("nan")
VECS, FEATS = ["tau", "jet", "met"], ["px", "py"]
EXISTING = ["tau_px", "tau_py", "jet_py", "jet_px", "met_px"]


class Objects(MatrixHead):
    def __init__(self, cont_feats, vecs=VECS, feats_per_vec=FEATS, row_wise=True):
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.feat_map = self.map_to_all()

    def forward(self, x):
        return self.get_matrix(x)[0].flatten(1)

    def get_out_size(self):
        return self.n_v * self.n_fpv


def test_matrix_elements_go_row_by_row():
    assert matrix_elements(["a", "b"], ["x", "y"]) == ["a_x", "a_y", "b_x", "b_y"]


def test_matrix_head_gathers_flat_columns():
    matrix, mask = Objects(EXISTING).get_matrix(torch.tensor([[1.0, 2, 3, 4, 5]]))
    assert matrix.tolist() == [[[1, 2], [4, 3], [5, 0]]]
    assert mask.tolist() == [[True, True, True]]


@pytest.mark.parametrize("absent", [0.0, NAN])
def test_matrix_head_finds_objects_without_values_in_flat_inputs(absent):
    matrix, mask = Objects(EXISTING).get_matrix(torch.tensor([[1.0, absent, absent, absent, absent]]))
    assert matrix.tolist() == [[[1, 0], [0, 0], [0, 0]]]
    assert mask.tolist() == [[True, False, False]]


def test_matrix_head_does_not_spread_infinities_to_missing_elements():
    matrix, _ = Objects(EXISTING).get_matrix(torch.tensor([[float("inf"), 2, 3, 4, 5]]))
    assert matrix[0, 2, 1] == 0


@pytest.mark.parametrize("row_wise", [True, False])
def test_matrix_head_hands_rows_and_mask_of_a_matrix(row_wise):
    rows = torch.tensor([[[1.0, 2], [NAN, NAN], [5, 0]]])
    given = rows if row_wise else rows.transpose(1, 2)
    for x in (given, (torch.zeros(1, 7), given)):
        matrix, mask = Objects(EXISTING, row_wise=row_wise).get_matrix(x)
        assert matrix.tolist() == [[[1, 2], [0, 0], [5, 0]]]
        assert mask.tolist() == [[True, False, True]]


def test_matrix_head_takes_a_matrix_alike_from_flat_inputs_and_matrix():
    torch.manual_seed(0)
    flat = torch.randn(6, 5)
    head = Objects(EXISTING)
    matrix, _ = head.get_matrix(flat)
    torch.testing.assert_close(head(matrix), head(flat))


def test_matrix_head_leaves_its_inputs_alone():
    x = torch.tensor([[[1.0, 2], [NAN, NAN], [5, 0]]])
    Objects(EXISTING).get_matrix(x)
    assert x[0, 1].isnan().all()


def test_matrix_head_without_cont_feats_has_every_element():
    head = Objects([])
    assert list(head.feat_map) == matrix_elements(VECS, FEATS)
    assert head(torch.ones(2, 3, 2)).shape == (2, 6)


def test_matrix_head_s_feature_map_spans_all_outputs():
    head = Objects(EXISTING)
    assert head.feat_map == {feat: list(range(6)) for feat in EXISTING}


def test_matrix_head_keeps_its_tables_out_of_the_weights_and_moves_them():
    head = pickle.loads(pickle.dumps(Objects(EXISTING)))
    assert head.state_dict() == {}
    assert head.to("meta").get_matrix(torch.ones(2, 5, device="meta"))[0].device.type == "meta"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["tau_px", "tau_pz", "m"],), "cont_feats has tau_pz, m, no elements.*multi_head.*ignore_feats"),
        ((["tau_px", "tau_py", "jet_px"],), "is 'met' misspelt. none of met_px, met_py is among"),
        ((["tau_px", "jet_px", "met_px"],), "'py' misspelt"),
        ((EXISTING, []), "each once"),
        ((EXISTING, ["tau", "tau", "jet", "met"]), "each once"),
    ],
)
def test_matrix_head_refuses_features_that_do_not_fit(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Objects(*arguments)


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 3, 3), (2, 4), (6,)])
def test_matrix_head_refuses_other_shapes(shape):
    with pytest.raises(ShapeError, match=r"expected a matrix \(B, N, F\) = \(B, 3, 2\) or flat inputs \(B, 5\)"):
        Objects(EXISTING).get_matrix(torch.zeros(shape))


def test_matrix_head_without_cont_feats_refuses_flat_inputs():
    with pytest.raises(ShapeError, match="expected a matrix"):
        Objects([]).get_matrix(torch.zeros(2, 6))
