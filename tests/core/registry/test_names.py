import pytest

from lumin_core.registry import names
from lumin_core.registry.kind_table import CORE_KINDS


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("CatEmbHead", "cat_emb_head"),
        ("GNNHead", "gnn_head"),
        ("BCELoss", "bce_loss"),
        ("RunningBatchNorm2d", "running_batch_norm2d"),
        ("_Private", "private"),
        ("AMS", "ams"),
        ("L1Loss", "l1_loss"),
    ],
)
def test_snake_case(class_name, expected):
    assert names.snake_case(class_name) == expected
    assert names.normalise(class_name.strip("_")) == names.normalise(expected)


@pytest.mark.parametrize("kind", CORE_KINDS, ids=lambda kind: kind.plural)
def test_singular_of_every_kind_of_the_core(kind):
    assert names.singular(kind.plural) == kind.singular


def test_owners_ignores_case_and_separators():
    assert names.owners("metric", "rocaucscore") == [("lumin-plugin-metrics", "roc_auc_score")]
    assert names.owners("metric", "gnnhead") == []
