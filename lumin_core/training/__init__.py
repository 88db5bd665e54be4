"""The loop, its thirteen points, models, ensembles and runs of many trainings."""
