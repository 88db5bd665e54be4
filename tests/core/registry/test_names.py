import pytest

from lumin_core.registry import known_plugins, names
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
    assert known_plugins.owners("metric", "rocaucscore") == [("lumin-plugin-metrics", "roc_auc_score")]
    assert known_plugins.owners("metric", "gnnhead") == []


def test_processes_have_moved_to_the_farm():
    assert names.moved_to("executor", "core/processes") == "farm/processes"
    assert names.moved_to("executor", "Lumin_Core/Processes") == "farm/processes"
    assert names.moved_to("executor", "processes") is None
    assert names.moved_to("head", "core/processes") is None


@pytest.mark.parametrize("plugin", names.FIRST_PARTY)
def test_short_names_of_our_plugins_are_reserved(plugin):
    assert names.short(f"Lumin_Plugin.{plugin}") == plugin
    assert names.is_reserved(plugin)
    assert not names.is_reserved(f"lumin-plugin-{plugin}")


def test_other_distributions_have_their_whole_name():
    assert names.short("lumin-plugin-of-a-stranger") == "lumin-plugin-of-a-stranger"
    assert (names.short("lumin-core"), names.short("My_Blocks")) == ("core", "my-blocks")


def test_kinds_of_our_plugins_have_one_that_declares_them():
    assert known_plugins.declarer("graph_extractors") == "lumin-plugin-gnn"
    assert known_plugins.declarer("readers") == known_plugins.declarer("writers") == "lumin-plugin-io"
    assert known_plugins.declarer("heads") is None
