"""What expressions may not say, and what is said about it."""

import numpy as np
import pytest

from lumin_core import registry
from lumin_core.data import ExpressionFunction
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import Expression
from lumin_plugin_io.syntax import DEEPEST, LONGEST

COLUMNS = {"x": np.array([1.5, 2.0]), "i": np.array([1, 2]), "t": np.array(["a", "b"]), "v": np.ones((2, 3))}


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("nJet > 2 && met > 30", "&&", "did you mean 'and'?"),
        ("nJet > 2 || met > 30", "||", "did you mean 'or'?"),
        ("!isGood", "!", "did you mean 'not'?"),
        ("x !== 1", "!==", "did you mean '!='?"),
        ("nJet = 2", "=", "did you mean '=='?"),
        ("x === 2", "===", "did you mean '=='?"),
        ("TMath::Abs(x)", "::", 'col("a::b")'),
        ("Sum$(x)", "$", "sum(x)"),
        ("x > 1 ? x : 0", "?", "where(condition, x, y)"),
        ("x if x > 1 else 0", "if", "where(condition, x, y)"),
        ("x[1:2]", ":", "an index is one number"),
        ("x # a comment", "#", "no comments"),
        ("x; y", ";", "there are operators"),
        ("x @ y", "@", "there are operators"),
        ("'a", "'", "has to end with the quote"),
        ("t == 'a\\'b'", "'", "has to end with the quote"),
        ("f'{x}'", "f'{x}'", "plain quotes"),
        ("b'x'", "b'x'", "plain quotes"),
        ("t in ('a' 'b')", "'a' 'b'", "a comma is missing"),
        ("1j", "1j", "a number is followed by something else"),
        ("1or x", "1or", "a number is followed by something else"),
        ("(y := 3)", ":=", "there are operators"),
        ("lambda: x", "lambda", "there are operators"),
        ("class > 1", "class", "a branch of that name is col('class')"),
        ("[y for y in x]", "for", "there are operators"),
        ("(yield x)", "yield", "there are operators"),
        ("await x", "await", "there are operators"),
        ("Jet.pt > 3", "Jet.pt", 'col("a.b")'),
        ("x.__class__.__mro__", "x.__class__.__mro__", "a point within a name"),
        ("x.astype(int)", "x.astype(int)", "by their names alone, as astype(x)"),
        ("np.sqrt(x)", "np.sqrt(x)", "by their names alone, as sqrt(x)"),
        ("__import__('os')", "__import__", "there is no function '__import__'"),
        ("eval('1')", "eval", "there is no function 'eval'"),
        ("sum(x)(x)", "sum(x)(x)", "only functions are called"),
        ("fabs(x)", "fabs", "write abs(x)"),
        ("pow(x, 2)", "pow", "write x**y"),
        ("log10(x)", "log10", "write log(x) / log(10)"),
        ("sqrtt(x)", "sqrtt", "did you mean 'sqrt' or 'sort'?"),
        ("nonsense(x)", "nonsense", "there are abs, sqrt, log"),
        ("sqrt(x, y)", "sqrt(x, y)", "sqrt(x) takes 1 argument, got 2"),
        ("where(x > 1, 2)", "where(x > 1, 2)", "where(condition, x, y) takes 3 arguments, got 2"),
        ("min()", "min()", "takes at least 1 argument, got 0"),
        ("min(x, y=2)", "=", "did you mean '=='?"),
        ("min(*x)", "*x", "one by one"),
        ("sum(x, axis==1)", "sum(x, axis==1)", "takes 1 argument, got 2"),
        ("col(x)", "col(x)", "takes the name of one branch, in quotes"),
        ("col('x', 'y')", "col('x', 'y')", "takes the name of one branch"),
        ("x is 3", "x is 3", "write '=='"),
        ("x is not 3", "x is not 3", "write '!='"),
        ("x == None", "None", "constants are numbers, text, True and False"),
        ("...", "...", "constants are numbers"),
        ("99999999999999999999 + x", "99999999999999999999", "at most 64 bits"),
        ("x in y", "x in y", "any(x == 1)"),
        ("(x, y)", "(x, y)", "to the right of 'in' alone"),
        ("[x]", "[x]", "to the right of 'in' alone"),
        ("x[1, 2]", "1, 2", "to the right of 'in' alone"),
        ("{x}", "{x}", "to the right of 'in' alone"),
        ("{**x}", "{**x}", "there are operators"),
        ("x > 1 & y > 2", "x > 1 & y > 2", "write brackets"),
        ("x +", "", "Python's syntax"),
        ("x y", "y", "Python's syntax"),
        ("(x", "(", "was never closed"),
        ("x)", ")", "unmatched"),
        ("x\x00", "\x00", "there are operators"),
        ("\ud800", "\ud800", "there are operators"),
    ],
)
def test_what_is_not_allowed_is_pointed_at(text, place, words):
    with pytest.raises(ConfigError) as info:
        Expression.parse(text, "selection")
    message, shown, carets = str(info.value).split("\n")
    assert message.startswith("selection: ")
    assert words in message
    assert shown == f"    {text}"
    start, stop = carets.index("^"), len(carets)
    assert (shown + " ")[start:stop] == (place or " ")


def test_python_s_own_precedence_is_left_alone_where_it_is_meant():
    found = Expression.parse("1 < (i & 3) < 3 and i & 2 != 0 and i == i & 3", "x")(COLUMNS, 2)
    assert found.tolist() == [False, True]


@pytest.mark.parametrize(("text", "got"), [(3, "3"), (None, "None"), (["x"], r"\['x'\]")])
def test_only_text_is_an_expression(text, got):
    with pytest.raises(ConfigError, match=f"variable 'a': an expression is needed, as text, got {got}"):
        Expression.parse(text, "variable 'a'")


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_text_is_no_expression(text):
    with pytest.raises(ConfigError, match="selection: an expression is needed, got an empty text"):
        Expression.parse(text, "selection")


@pytest.mark.parametrize(
    "text",
    [
        "(" * DEEPEST + "(x)" + ")" * DEEPEST,
        "-" * DEEPEST + "-x",
        "not " * 2000 + "x",
        "~" * 9000 + "x",
        "x" + "**x" * 3000,
        "- x ** " * 1400 + "x",
        "x" + "[0]" * 3000,
        "abs(" * 1500 + "x" + ")" * 1500,
        "(" * 9999,
        "[" * 5000 + "]" * 5000,
        "x + (" * 60 + "x" + ")" * 60,
    ],
)
def test_what_is_nested_too_deeply_is_refused_at_once(text):
    with pytest.raises(ConfigError, match="nested at most 50 deep"):
        Expression.parse(text, "x")


@pytest.mark.parametrize(
    "text", ["(" * 40 + "x" + ")" * 40, "-" * 40 + "x", "x" + " * (x - 1)" * 300, "abs(" * 40 + "x" + ")" * 40]
)
def test_what_is_not_too_deep_is_worked_out(text):
    assert Expression.parse(text, "x")(COLUMNS, 2).shape == (2,)


def test_what_is_too_long_is_refused():
    with pytest.raises(ConfigError, match=r"at most 10,000 characters, got 10,001"):
        Expression.parse("x" * (LONGEST + 1), "x")
    assert Expression.parse("x" * LONGEST, "x").names == ("x" * LONGEST,)


@pytest.mark.parametrize(
    "text", ["9**9**9", "9**9**9**9**9", "2**63", "-2**63 - 1", "1 << 64", "10**19 * 10", "i + 1 // 0", "7 % 0"]
)
def test_constants_that_do_not_fit_are_refused_at_once(text):
    with pytest.raises(DataError, match="a constant is beyond 64 bits"):
        Expression.parse(text, "x")(COLUMNS, 2)


def test_powers_of_columns_neither_hang_nor_wrap_around():
    big = np.array([3, 2**62, -(2**63), 1, 0, -1])
    found = Expression.parse("x ** x", "x")({"x": big}, 6)
    assert found.tolist() == [27, None, None, 1, 1, None]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("1 + t * 2", "t * 2", "numbers are needed, got text"),
        ("t + t", "t + t", "numbers are needed, got text"),
        ("sqrt(t)", "sqrt(t)", "numbers are needed, got text"),
        ("min(t, t)", "min(t, t)", "numbers are needed, got text"),
        ("t == 1", "t == 1", "text is compared with text, got text and whole numbers"),
        ("t in ('a', 1)", "t in ('a', 1)", "text is compared with text"),
        ("x > 1 and t", "x > 1 and t", "a condition is needed, got text; compare it"),
        ("not t", "not t", "a condition is needed, got text"),
        ("where(x > 1, t, 1)", "where(x > 1, t, 1)", "either text or numbers are needed"),
        ("x & 1", "x & 1", "bits are of whole numbers or conditions, got floats and whole numbers"),
        ("~x", "~x", "did you mean '-' or 'not'?"),
        ("x[0]", "x[0]", "there is one value per event, which takes no index"),
        ("i + x[x > 1]", "x[x > 1]", "a recipe's selection"),
        ("sum(x)", "sum(x)", "several values per event are needed, got one"),
        ("v[0.5]", "v[0.5]", "an index is a whole number, or a condition, got floats"),
        ("1 + nothing", "nothing", "there is no branch 'nothing'; known are x, i, t, v"),
        ("col('xx')", "col('xx')", "there is no branch 'xx'; did you mean 'x'?"),
    ],
)
def test_values_that_do_not_fit_are_pointed_at(text, place, words):
    with pytest.raises(DataError) as info:
        Expression.parse(text, "variable 'a'")(COLUMNS, 2)
    message, shown, carets = str(info.value).split("\n")
    assert message.startswith("variable 'a': ")
    assert words in message
    assert shown[carets.index("^") : len(carets)] == place


def test_a_column_of_another_length_or_sort_is_refused():
    with pytest.raises(DataError, match="the branch 'x' must have one entry for each of 3 events, got 2"):
        Expression.parse("x + 1", "a")(COLUMNS, 3)
    with pytest.raises(DataError, match="the branch 'x': numbers, conditions or text are needed, got datetime64"):
        Expression.parse("x", "a")({"x": np.zeros(2, "datetime64[s]")}, 2)
    with pytest.raises(DataError, match=r"the branch 'x': .* got objects of Python"):
        Expression.parse("x", "a")({"x": np.array([{}, 1], object)}, 2)


def test_a_long_expression_is_shown_around_the_place():
    with pytest.raises(ConfigError) as info:
        Expression.parse("x + " * 100 + "y && " + "z + " * 100 + "1", "a")
    _, shown, carets = str(info.value).split("\n")
    assert len(shown) < 100
    assert shown[carets.index("^") : len(carets)] == "&&"


def test_characters_beyond_ascii_are_pointed_at():
    with pytest.raises(ConfigError) as info:
        Expression.parse("größe + 'é' + a.b", "a")
    _, shown, carets = str(info.value).split("\n")
    assert shown[carets.index("^") : len(carets)] == "a.b"


def test_functions_of_hep_are_called_by_name():
    x, y = np.array([3.0, 0.0]), np.array([-3.0, np.pi])
    found = Expression.parse("delta_phi(x, y)", "a")({"x": x, "y": y}, 2)
    np.testing.assert_allclose(found, [2 * np.pi - 6, -np.pi])


def test_a_function_of_a_plugin_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        "lumin_plugin_io.functions.registry.not_installed", lambda *names: ["hep has it: pip install hep"]
    )
    with pytest.raises(ConfigError, match="'nonsense'; hep has it: pip install hep"):
        Expression.parse("nonsense(x)", "a")


def test_functions_of_the_session_take_jagged_and_missing_values():
    with registry.temporary():

        @registry.register("expression_function", "twice")
        class Twice(ExpressionFunction):
            arguments = ("x",)

            def __call__(self, *values):
                return 2 * values[0]

        columns = {"i": np.ma.masked_array([1, 2], [False, True])}
        np.testing.assert_array_equal(Expression.parse("twice(i) + 1", "a")(columns, 2), [3, np.nan])
        assert Expression.parse("sum(twice(v))", "a")(COLUMNS, 2).tolist() == [6, 6]
        with pytest.raises(ConfigError, match=r"twice\(x\) takes 1 argument, got 2"):
            Expression.parse("twice(i, i)", "a")


def test_a_function_that_gives_another_number_of_values_is_refused():
    with registry.temporary():

        @registry.register("expression_function", "one_value")
        class OneValue(ExpressionFunction):
            arguments = ("x",)

            def __call__(self, *values):
                return values[0][:1]

        with pytest.raises(
            DataError, match=r"the function 'one_value' must give as many values as it gets, \(2,\), got \(1,\)"
        ):
            Expression.parse("one_value(x)", "a")(COLUMNS, 2)


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 9000, "1" * 9000 + ".0.0"])
def test_numbers_of_thousands_of_digits_are_refused_briefly(number):
    with pytest.raises(ConfigError) as info:
        Expression.parse(f"x + {number}", "a")
    assert len(str(info.value)) < 500
