"""Fold files and what reads them: writing, yielders, augmentation, transforms."""
