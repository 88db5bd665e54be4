"""Builders of small models."""

from lumin_core import ModelBuilder

FEATS = ["a", "b", "c", "d", "e"]
SMALL = {"body": {"depth": 1, "width": 4}}


def build(*args, **options):
    return ModelBuilder(*(args or ("classification", 1, FEATS)), **{"model_args": SMALL, "seed": 1, **options})
