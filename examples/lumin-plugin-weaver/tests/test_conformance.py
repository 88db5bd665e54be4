"""The components hold what every component of their kinds has to, one case for each check."""

from lumin_core.testing import Case, installed, parametrize_with_checks


@parametrize_with_checks(installed("lumin-plugin-weaver"))
def test_contract(check: Case) -> None:
    check()
