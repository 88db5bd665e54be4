import json
import pickle

import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_io import Recipe

SAMPLES = {"qcd": {"files": "qcd.root", "target": 0}, "higgs": {"files": "higgs.root", "target": 1}}
WHOLE = {
    "sample": {
        "qcd": {
            "files": "q*.root",
            "target": 0,
            "xsec": 10,
            "sum_of_weights": "Runs:sumw",
            "friends": {"files": "f.root"},
        },
        "higgs": {"files": ["h.root"], "target": 1, "selection": "gen == 1", "weights": "v"},
    },
    "tree": "Events",
    "lumi": 100,
    "weights": "w",
    "selection": "n >= 2",
    "targets": {"mass": "gen_mass"},
    "variables": {"pt": "jet_pt[0]", "ht": "sum(jet_pt)"},
    "categories": {
        "n_jets": "min(n, 3)",
        "lepton": {"value": "abs(pdg)", "map": {"11": "e", "13": "mu"}, "unknown": True},
    },
    "matrix": {
        "jets": {"fields": {"pt": "jet_pt", "eta": "jet_eta"}, "n": 2, "by": "pt"},
        "muons": {"fields": {"pt": "mu_pt", "q": "mu_q"}, "n": 1},
    },
    "misc": {"event": "event", "run": "run"},
    "variations": {"jes": {"up": {"pt": "2"}, "down": {"pt": "1"}}, "pdf": {"up": {"weight": "w * 2"}}},
    "split": {"by": ["run", "event"], "salt": 3, "parts": {"train": 0.5, "test": 0.5}},
    "train_weight": {"balance": "target", "flat": {"mass": [0, 50, 100]}, "to": "higgs"},
    "n_folds": 4,
    "strata": ["sample", "n_jets"],
    "group_key": "event",
    "compression": "lzf",
    "seed": 7,
    "units": {"pt": "GeV", "mass": "GeV"},
}


def recipe(**keys):
    return Recipe(**{"sample": SAMPLES, "variables": {"pt": "jet_pt[0]"}, **keys})


def refused(message, **keys):
    with pytest.raises(ConfigError, match=f"^{message}"):
        recipe(**keys)


def test_the_columns_of_the_file_follow():
    whole = Recipe(**WHOLE)
    assert (whole.cont_feats, whole.cat_feats, whole.targ_feats) == (
        ["pt", "ht"],
        ["n_jets", "lepton"],
        ["target", "mass"],
    )
    assert (whole.wgt_feat, whole.scalar_target) == ("weight", False)
    assert whole.roles == {
        "file": "key",
        "entry": "key",
        "event": "group",
        "run": "",
        "pt__jes_up": "variation",
        "pt__jes_down": "variation",
        "weight__pdf_up": "variation",
        "train_weight": "weight",
    }


def test_tables_are_stacked_in_one_matrix_with_the_union_of_their_fields():
    schema = Recipe(**WHOLE).matrix_schema()
    assert (schema.vecs, schema.feats_per_vec) == (["jets_0", "jets_1", "muons_0"], ["pt", "eta", "q"])
    assert schema.elements == [
        "jets_0_pt",
        "jets_0_eta",
        "",
        "jets_1_pt",
        "jets_1_eta",
        "",
        "muons_0_pt",
        "",
        "muons_0_q",
    ]
    assert (schema.shape, schema.row_wise) == ([3, 3], True)


def test_without_targets_and_weights_there_are_none():
    plain = Recipe(sample={"data": {"files": "data.root"}}, variables={"pt": "x"})
    assert (plain.targ_feats, plain.wgt_feat, plain.matrix_schema(), plain.scalar_target) == ([], None, None, False)


def test_a_sample_with_weights_gives_all_a_weight():
    assert recipe(sample={"a": {"files": "a", "weights": "w"}, "b": {"files": "b"}}).wgt_feat == "weight"


def test_the_normal_form_is_plain_without_files_and_makes_the_same_recipe():
    whole = Recipe(**WHOLE, folder="/somewhere")
    config = json.loads(json.dumps(whole.to_config()))
    assert not any(word in whole.normal_form() for word in ("root", "somewhere"))
    assert (config["sample"]["qcd"]["target"], config["sample"]["qcd"]["friends"]) == (0, [{}])
    assert config == whole.to_config()
    assert Recipe(**config).normal_form() == whole.normal_form()
    assert isinstance(Recipe.from_config(config), Recipe)


@pytest.mark.parametrize("tree", ["Events", ["Events"]])
def test_spellings_of_one_thing_have_one_normal_form(tree):
    other = {**WHOLE, "tree": tree, "lumi": 100.0, "scaling": "tabular/standard_scaler", "targ_type": "f4"}
    other["units"] = {"mass": "GeV", "pt": " GeV "}
    assert Recipe(**other).normal_form() == Recipe(**WHOLE).normal_form()


def test_the_order_of_columns_is_part_of_the_normal_form():
    assert recipe(variables={"a": "x", "b": "y"}).normal_form() != recipe(variables={"b": "y", "a": "x"}).normal_form()


def test_categories_that_were_found_are_stored():
    found = {"n_jets": {0: 2, 1: 3}, "lepton": {0: "e", 1: "mu", 2: "<unknown>"}}
    stored = Recipe(**Recipe(**WHOLE).stored_config(found))
    assert [c.map for c in stored.categories] == [{"2": "2", "3": "3"}, {"11": "e", "13": "mu"}]
    assert [c.unknown for c in stored.categories] == [False, True]


def test_any_column_and_field_may_have_a_unit_and_none_changes_no_form():
    columns = ["ht", "n_jets", "mass", "event", "pt__jes_up", "jets_1_pt", "muons_0_q", "eta"]
    units = dict.fromkeys(columns, "GeV")
    assert Recipe(**{**WHOLE, "units": units}).units == units
    assert recipe().column_units == {}
    varied = {"jes": {"up": {"pt": "2"}, "down": {"pt": "1"}}}
    of_varied = recipe(variations=varied, units={"pt": "GeV", "pt__jes_up": "MeV"}).column_units
    assert of_varied == {"pt": "GeV", "pt__jes_up": "MeV", "pt__jes_down": "GeV"}
    assert "units" not in recipe().to_config()


def test_a_recipe_goes_to_another_process():
    assert pickle.loads(pickle.dumps(Recipe(**WHOLE))).normal_form() == Recipe(**WHOLE).normal_form()


@pytest.mark.parametrize(
    ("message", "keys"),
    [
        (r"a recipe needs inputs: \[variables\], \[categories\] or \[matrix.<name>\]", {"variables": {}}),
        ("tree must be text, got 3", {"tree": 3}),
        ("lumi must be a positive number, got -1", {"lumi": -1}),
        ("n_folds must be a whole number, at least 1, got 0", {"n_folds": 0}),
        ("seed must be a whole number, at least 0, got 'a'", {"seed": "a"}),
        ("targ_type must be a numpy dtype such as 'float32' or 'int64', got 'floaty'", {"targ_type": "floaty"}),
        ("targ_type must be a dtype of numbers", {"targ_type": "U3"}),
        ("compression must be 'lzf' or 'gzip', or left out, got 'zip'", {"compression": "zip"}),
        ("scaling must be the name of a transform, or a table with one", {"scaling": {"copy": True}}),
        (r"\[variables\] must be a table, got 3", {"variables": 3}),
        (r"\[variables\] a: ", {"variables": {"a": "x +"}}),
        (r"\[sample.a\] selection: ", {"sample": {"a": {"files": "a", "selection": "&&"}}}),
        (r"\[categories\] c: ", {"categories": {"c": "x +"}}),
        (r"\[matrix.jets\] fields.pt: ", {"matrix": {"jets": {"fields": {"pt": "x +"}, "n": 2}}}),
        (r"\[split\] by: ", {"split": {"by": ["x +"]}}),
        (r"\[variations.v\] up.pt: ", {"variations": {"v": {"up": {"pt": "x +"}}}}),
        ("group_key: ", {"group_key": "x +"}),
        ("strata: there is no stratum 'smaple'; did you mean 'sample'", {"strata": ["smaple"]}),
        ("strata must name one of sample, target, or more, got none", {"strata": []}),
        (r"\[train_weight\] balance: there is no stratum 'class'", {"train_weight": {"balance": "class"}}),
        (r"\[train_weight\] flat: there is no variable 'm'", {"train_weight": {"flat": {"m": [0, 1]}}}),
        (
            r"\[train_weight\] to: there is no sample 'higs'; did you mean 'higgs'",
            {"train_weight": {"flat": {"pt": [0, 1]}, "to": "higs"}},
        ),
        (
            r"\[variations.v\] up: there is no variable 'ptt'; did you mean 'pt'",
            {"variations": {"v": {"up": {"ptt": "1"}}}},
        ),
        (r"\[units\]: there is no column 'ptt'; did you mean 'pt'", {"units": {"ptt": "GeV"}}),
        (r"\[units\] pt must be text, got 1", {"units": {"pt": 1}}),
        (r"\[units\] must be a table, got 'GeV'", {"units": "GeV"}),
        (r"\[variations.v\] down: there is no variable 'weight'", {"variations": {"v": {"down": {"weight": "1"}}}}),
    ],
)
def test_mistakes(message, keys):
    refused(message, **keys)


@pytest.mark.parametrize("name", ["inputs", "targets", "weights", "matrix_inputs", "file", "entry", "weight", "sample"])
def test_reserved_names(name):
    refused(rf"\[variables\] {name}: the name is taken in fold files; choose another", variables={name: "x"})
    refused(rf"\[misc\] {name}: the name is taken", misc={name: "x"})


def test_names_that_come_twice():
    refused(r"'pt' is a name in \[variables\] and in \[misc\]; choose another", misc={"pt": "x"})
    refused(r"'target' is a name in targets and in \[sample.<name>\] target", targets={"target": "x"})
    refused(
        r"'jets_0_pt' is a name in \[variables\] and in \[matrix\]",
        variables={"jets_0_pt": "x"},
        matrix={"jets": {"fields": {"pt": "x"}, "n": 1}},
    )
    refused(
        r"'pt__v_up' is a name in \[misc\] and in \[variations\]",
        misc={"pt__v_up": "x"},
        variations={"v": {"up": {"pt": "x"}}},
    )
    refused(r"\[misc\] 'a/b' cannot be a column's name", misc={"a/b": "x"})


def test_two_tables_cannot_make_the_same_rows():
    refused(
        "'a_0_0_pt' is a name in",
        matrix={"a": {"fields": {"0_pt": "x"}, "n": 1}, "a_0": {"fields": {"pt": "x"}, "n": 1}},
    )


def test_cross_sections_need_luminosity_and_sums():
    sample = {"files": "a.root", "xsec": 1.0, "sum_of_weights": 2.0}
    refused(r"\[sample.a\] has xsec, but there is no lumi", sample={"a": sample})
    refused(r"\[sample.a\] has xsec, but lacks sum_of_weights", sample={"a": {"files": "a", "xsec": 1.0}}, lumi=1)
    refused(
        r"\[sample.a\] has sum_of_weights, but lacks xsec", sample={"a": {"files": "a", "sum_of_weights": 1.0}}, lumi=1
    )
    refused(r"there is lumi, but no \[sample.<name>\] has xsec", lumi=1)


def test_all_samples_have_a_target_or_none():
    refused(
        "some samples have a target and some have none", sample={"a": {"files": "a", "target": 1}, "b": {"files": "b"}}
    )


def test_some_samples_without_files():
    refused(r"\[sample.b\] needs files, such as files = \['b_\*.root'\]", sample={"a": {"files": "a"}, "b": {}})


def test_a_table_of_the_matrix_may_stay_unscaled_and_the_form_says_so():
    keys = {"fields": {"pt": "Jet_pt"}, "n": 2}
    plan = Recipe(sample={"a": {}}, matrix={"jets": {**keys, "unscaled": True}, "muons": keys})
    assert [table.unscaled for table in plan.matrix] == [True, False]
    assert plan.to_config()["matrix"] == {"jets": {**keys, "unscaled": True}, "muons": keys}
