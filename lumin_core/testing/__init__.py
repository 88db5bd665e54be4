"""What a component must hold: checks for authors of plugins, in pytest and in notebooks.

::

    component  ->  Subject  ─┐
                             ├─  Case, one for each check  ->  Outcome  ->  Report
    kind       ->  checks   ─┘

A check is a function `check_<kind>_<what>(subject)` that raises `CheckFailed` where a promise is
broken, and `NotApplicable` where there is nothing to look at. Nothing here imports pytest before
`parametrize_with_checks` is called.
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "asking": ["check", "check_distribution"],
    "cases": ["Case", "cases_of", "checks_of"],
    "for_pytest": ["parametrize_with_checks"],
    "outcome": ["Advice", "CheckFailed", "CheckWarning", "NotApplicable", "Outcome", "Report"],
    "promises": ["Check"],
    "shipped": ["is_of_these_sources"],
    "small_fits": ["small_model"],
    "subject": ["Subject", "installed", "subject_of"],
}
_MODULES = ["samples"]
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES, _MODULES)
