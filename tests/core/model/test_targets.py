"""What targets torch's losses take, told by a table."""

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core.errors import DataError, ShapeError
from lumin_core.model.targets import TORCH_LOSSES, check_targets, count_classes

ONE, TWO, FLAT = np.zeros((6, 1)), np.zeros((6, 2)), np.zeros(6)


class Own(nn.MSELoss):
    """A loss of the user's that is one of torch's, too."""


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.BCELoss(), nn.HuberLoss(), Own()], ids=repr)
@pytest.mark.parametrize(("n_out", "targets"), [(1, TWO), (2, ONE), (3, FLAT)])
def test_one_column_against_several_is_refused(loss, n_out, targets):
    width = targets.shape[1] if targets.ndim > 1 else 1
    with pytest.raises(ShapeError, match=f"n_out={n_out} outputs, but the data have {width} targets an event"):
        check_targets(loss, "regression", n_out, targets)


@pytest.mark.parametrize(("n_out", "targets"), [(1, ONE), (1, FLAT), (2, TWO)])
def test_one_target_an_output_is_welcome(n_out, targets):
    for loss in (nn.MSELoss(), nn.BCELoss(), Own()):
        check_targets(loss, "classification", n_out, targets)


def test_a_subclass_may_have_rules_of_its_own():
    check_targets(Own(), "regression", 2, np.zeros((6, 3)))
    check_targets(type("Soft", (nn.BCELoss,), {})(), "classification", 1, np.full((6, 1), 7.0))
    check_targets(type("Hot", (nn.CrossEntropyLoss,), {})(), "multiclass", 3, TWO)
    with pytest.raises(ShapeError, match=r"Own would compare with each other in all pairs; derive it from nn\.Module"):
        check_targets(Own(), "regression", 1, TWO)


def test_any_other_loss_has_rules_of_its_own():
    for loss in (lambda y_pred, y: y_pred, nn.Linear(1, 1), object()):
        check_targets(loss, "classification", 1, np.full((6, 3), -5.0))


def test_a_class_of_torch_s_name_is_not_told_by_it():
    named = type("MSELoss", (nn.Module,), {"__module__": nn.MSELoss.__module__})
    check_targets(named(), "regression", 1, TWO)


def test_two_classes_of_other_numbers_are_mapped():
    with pytest.raises(DataError, match=r"got -1.0 to 1.0; df\[target\].map\(\{-1: 0, 1: 1\}\) makes such"):
        check_targets(nn.BCELoss(), "classification", 1, np.array([[1.0], [-1.0], [1.0]]))


@pytest.mark.parametrize("loss", [nn.BCELoss(), nn.BCEWithLogitsLoss()], ids=repr)
@pytest.mark.parametrize("value", [-1.0, 1.5, 2.0])
def test_probabilities_are_in_their_range(loss, value):
    with pytest.raises(DataError, match=r"must be in \[0, 1\], got .*objective='multiclass' for more classes"):
        check_targets(loss, "classification", 1, np.array([[0.5], [value]]))
    check_targets(nn.MSELoss(), "classification", 1, np.array([[0.5], [value]]))


def test_classes_are_one_an_event_and_below_the_number_of_outputs():
    check_targets(nn.NLLLoss(), "multiclass", 3, np.array([0, 1, 2]))
    check_targets(nn.NLLLoss(), "multiclass", 3, np.array([[0], [1], [2]]))
    with pytest.raises(DataError, match="must be below n_out=3, got 3; set n_out"):
        check_targets(nn.NLLLoss(), "multiclass", 3, np.array([0, 1, 3]))
    with pytest.raises(ShapeError, match=r"one target an event, its class, got shape \(6, 2\)"):
        check_targets(nn.NLLLoss(), "multiclass", 3, TWO)


@pytest.mark.parametrize("loss", [nn.MSELoss(), lambda y_pred, y: y_pred])
def test_there_must_be_targets_whatever_the_loss(loss):
    with pytest.raises(DataError, match="there are no targets"):
        check_targets(loss, "regression", 1, None)
    with pytest.raises(DataError, match="there are no events"):
        check_targets(loss, "regression", 1, np.zeros((0, 1)))


def test_text_is_not_a_target():
    with pytest.raises(DataError, match="targets must be numbers, got <U1; encode them first"):
        check_targets(nn.MSELoss(), "regression", 1, np.array([["a"], ["b"]]))


@pytest.mark.parametrize("loss", TORCH_LOSSES, ids=lambda loss: loss.__name__)
def test_losses_of_the_table_are_called_with_outputs_and_targets_and_checked(loss):
    takes_classes = loss in (nn.NLLLoss, nn.MultiMarginLoss)
    y = torch.zeros(4, dtype=torch.int64) if takes_classes else torch.zeros(4, 2)
    y = y.long() if loss is nn.MultiLabelMarginLoss else y
    assert loss(reduction="none")(torch.full((4, 2), 0.5), y).shape[0] == 4
    with pytest.raises(ShapeError, match="n_out=2 outputs, but the data have 3 targets"):
        check_targets(loss(), "regression", 2, np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("classes", "way_out"),
    [
        ([[1, 2], [3]], r"\{1: 0, 2: 1, 3: 2\}"),
        ([[11.0, 13.0], [211.0]], r"\{11: 0, 13: 1, 211: 2\}"),
        ([[-11, 11]], r"\{-11: 0, 11: 1\}"),
        ([[0, 2]], "give n_out where a class has no event .*map"),
    ],
)
def test_classes_that_skip_are_refused_with_the_line_that_maps_them(classes, way_out):
    with pytest.raises(DataError, match=f"without gaps, got .* in 'process'; .*{way_out}"):
        count_classes([np.array(fold) for fold in classes], "process")


def test_classes_are_counted_over_all_folds():
    assert count_classes([np.array([[0.0], [2.0]]), np.array([[1.0]])], "process") == 3
    with pytest.raises(DataError, match=r"classes 0, 1, 2, ..., got 0.5"):
        count_classes([np.array([0.5, 1.0])], "process")


def test_classes_beyond_the_outputs_are_told_how_to_be_mapped():
    with pytest.raises(DataError, match=r"below n_out=3, got 3; .*map\(\{1: 0, 2: 1, 3: 2\}\)"):
        check_targets(nn.NLLLoss(), "multiclass", 3, np.array([[1], [2], [3]]))
    with pytest.raises(DataError, match=r"set n_out to the number of classes$"):  # other folds may have others
        check_targets(nn.NLLLoss(), "multiclass", 3, np.array([[0], [3]]))


@pytest.mark.parametrize("shape", [(5, 1, 1, 2), (5, 1, 1)])
def test_fault_targets_of_more_axes_than_outputs_are_refused(shape):
    for loss in (nn.BCELoss(), nn.MSELoss()):
        with pytest.raises(ShapeError, match=r"takes targets of shape \(n, 1\), as n_out says, got \(5, 1, 1"):
            check_targets(loss, "regression", 1, np.zeros(shape))
