"""Expressions of columns with one value per event, against Python's own arithmetic, event by event."""

import ast
import math
import operator
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from lumin_core.errors import DataError
from lumin_plugin_io import Expression
from lumin_plugin_io.columns import Columns

N = 4
SMALL = st.integers(-100, 100)
WHOLE = st.one_of(SMALL, st.integers(-(2**63), 2**63 - 1), st.integers(2**53 - 2, 2**53 + 2))
UNSIGNED = st.one_of(st.integers(0, 100), st.integers(0, 2**64 - 1), st.integers(2**63 - 2, 2**63 + 2))
FLOATS = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf, math.nan]))
COLUMNS = st.fixed_dictionaries(
    {
        "i": st.lists(WHOLE, min_size=N, max_size=N).map(lambda values: np.array(values, "int64")),
        "u": st.lists(UNSIGNED, min_size=N, max_size=N).map(lambda values: np.array(values, "uint64")),
        "s": st.lists(SMALL, min_size=N, max_size=N).map(lambda values: np.array(values, "int16")),
        "f": st.lists(FLOATS, min_size=N, max_size=N).map(np.array),
        "b": st.lists(st.booleans(), min_size=N, max_size=N).map(np.array),
        "m": st.lists(st.one_of(st.none(), SMALL), min_size=N, max_size=N).map(
            lambda values: np.ma.masked_array([value or 0 for value in values], [value is None for value in values])
        ),
    }
)
NUMBERS = st.sampled_from(["i", "u", "s", "f", "m", "0", "1", "3", "2.5", "-1"])


def wrapped(texts):
    arithmetic = st.tuples(texts, st.sampled_from(["+", "-", "*", "/", "//", "%"]), texts).map(" ".join)
    compared = st.tuples(texts, st.sampled_from(["<", "<=", "==", "!=", ">", ">="]), texts).map(" ".join)
    logical = st.tuples(texts, st.sampled_from(["and", "or"]), texts).map(" ".join)
    others = st.tuples(st.sampled_from(["-", "not ", "abs"]), texts).map(lambda both: f"{both[0]}({both[1]})")
    chosen = st.tuples(texts, texts, texts).map(lambda three: f"where({', '.join(three)})")
    return st.one_of(arithmetic, compared, logical, others, chosen).map(lambda text: f"({text})")


EXPRESSIONS = st.recursive(NUMBERS, wrapped, max_leaves=6)


OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Reference:
    """One event's value, worked out by Python; ``None`` is missing."""

    def __init__(self, event):
        self.event = event

    def value(self, node):
        return getattr(self, type(node).__name__.lower())(node)

    def constant(self, node):
        return node.value

    def name(self, node):
        return self.event[node.id]

    def binop(self, node):
        left, right = self.value(node.left), self.value(node.right)
        if left is None or right is None:
            return None
        if isinstance(left, float) or isinstance(right, float) or isinstance(node.op, ast.Div):
            with np.errstate(all="ignore"):
                return known(float(OPERATORS[type(node.op)](np.float64(left), np.float64(right))))
        return (
            None
            if right == 0 and isinstance(node.op, ast.FloorDiv | ast.Mod)
            else OPERATORS[type(node.op)](left, right)
        )

    def unaryop(self, node):
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not truth(value)
        return None if value is None else -value

    def compare(self, node):
        left, right = self.value(node.left), self.value(node.comparators[0])
        return left is not None and right is not None and COMPARISONS[type(node.ops[0])](left, right)

    def boolop(self, node):
        return (all if isinstance(node.op, ast.And) else any)([truth(self.value(value)) for value in node.values])

    def call(self, node):
        values = list(map(self.value, node.args))
        if node.func.id == "where":
            chosen = values[1] if truth(values[0]) else values[2]
            return float(chosen) if chosen is not None and any(map(is_float, node.args[1:])) else chosen
        return None if values[0] is None else abs(values[0])


def is_float(node):
    """Tell what sort of number a part of an expression is, for all events."""
    if isinstance(node, ast.Constant | ast.Name):
        return getattr(node, "value", None) == 2.5 or getattr(node, "id", None) == "f"
    if isinstance(node, ast.Compare | ast.BoolOp) or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        return False
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return True
    parts = node.args[-2:] if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    return any(is_float(part) for part in parts if isinstance(part, ast.expr))


def truth(value):
    return value is not None and bool(value)


def known(value):
    return None if isinstance(value, float) and math.isnan(value) else value


def events_of(columns):
    return [
        {name: None if np.ma.getmaskarray(array)[i] else known(array[i].item()) for name, array in columns.items()}
        for i in range(N)
    ]


def evaluate(text, n=None, **columns):
    return Expression.parse(text, "selection")(columns, len(next(iter(columns.values()))) if n is None else n)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(text=EXPRESSIONS, columns=COLUMNS)
def test_expressions_are_worked_out_as_python_does(text, columns):
    """Whole numbers that do not fit into 64 bits may be missing; all others are as Python's, whole ones exactly."""
    try:
        found = Expression.parse(text, "x")(columns, N)
    except DataError:  # a constant is divided by zero
        reject()
    for i, event in enumerate(events_of(columns)):
        if not overflows(text, event):
            value = None if np.ma.getmaskarray(found)[i] else known(found[i].item())
            reference = Reference(event).value(ast.parse(text, mode="eval").body)
            exact = reference is None or found.dtype.kind in "iub"
            assert value == (reference if exact else pytest.approx(float(reference), rel=1e-12)), (text, event)


def overflows(text, event):
    """Tell whether Python's whole numbers exceed what is held in 64 bits of either sort."""
    for node in ast.walk(ast.parse(text, mode="eval").body):
        if isinstance(node, ast.expr) and not (isinstance(node, ast.Name) and node.id not in event):
            value = Reference(event).value(node)
            if isinstance(value, int) and abs(value) >= 2**63:
                return True
    return False


EVENT = np.array([2**53 + 1, 2**63 - 1, 2**63 + 1, 2**64 - 1], "uint64")
NEAR = np.array([2**53, 2**53 + 1, -(2**63), 2**63 - 1], "int64")
MISSING = np.ma.masked_array([1, 2, 3, 4], [False, True, False, False])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("u", [2**53 + 1, 2**63 - 1, 2**63 + 1, 2**64 - 1]),
        ("u + 1", [2**53 + 2, 2**63, 2**63 + 2, None]),
        ("u - 1", [2**53, 2**63 - 2, None, None]),
        ("u * 2", [2**54 + 2, 2**64 - 2, None, None]),
        ("u % 10", [3, 7, 9, 5]),
        ("u // 3", [3002399751580331, 3074457345618258602, 3074457345618258603, 6148914691236517205]),
        ("u == 9007199254740993", [True, False, False, False]),
        ("u == 9223372036854775809", [False, False, True, False]),
        ("u > i", [True, True, True, True]),
        ("i < u", [True, True, True, True]),
        ("i == u", [False, False, False, False]),
        ("i == 9007199254740993", [False, True, False, False]),
        ("i == 9007199254740992.0", [True, False, False, False]),
        ("i > 9.3e18", [False, False, False, False]),
        ("-i", [-(2**53), -(2**53) - 1, None, -(2**63) + 1]),
        ("abs(i)", [2**53, 2**53 + 1, None, 2**63 - 1]),
        ("i // -1", [-(2**53), -(2**53) - 1, None, -(2**63) + 1]),
        ("i + u", [2**54 + 1, None, 1, None]),
        ("i ** 2", [None, None, None, None]),
        ("(i - i + 3) ** 39", [3**39] * 4),
        ("(i - i) ** u", [0] * 4),
        ("(i - i + 3) ** (u - u)", [1] * 4),
        ("(i - i + 3) ** (u // u + u // u)", [9] * 4),
        ("(u // u) ** (i - i + 2)", [1] * 4),
        ("2 ** (i - i - 1)", [None] * 4),
        ("2 ** -1", [0.5] * 4),
        ("1 << 62", [2**62] * 4),
        ("1 << (i - i + 63)", [None] * 4),
        ("u >> 60", [0, 7, 8, 15]),
        ("u & 3", [1, 3, 1, 3]),
        ("u ^ u", [0] * 4),
        ("i | 1", [2**53 + 1, 2**53 + 1, -(2**63) + 1, 2**63 - 1]),
        ("~i", [-(2**53) - 1, -(2**53) - 2, 2**63 - 1, -(2**63)]),
        ("max(u, 7)", [2**53 + 1, 2**63 - 1, 2**63 + 1, 2**64 - 1]),
        ("min(i, 5, 7)", [5, 5, -(2**63), 5]),
        ("where(i > 0, i, 0)", [2**53, 2**53 + 1, 0, 2**63 - 1]),
        ("18446744073709551615", [2**64 - 1] * 4),
    ],
)
def test_whole_numbers_are_exact_or_missing(text, expected):
    assert evaluate(text, u=EVENT, i=NEAR).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m + 1", [2, None, 4, 5]),
        ("m // (m - 3)", [-1, None, None, 4]),
        ("m == 2", [False] * 4),
        ("m != 2", [True, False, True, True]),
        ("m not in (1, 3)", [False, False, False, True]),
        ("m in (2, 4)", [False, False, False, True]),
        ("m > 0 and f > 0", [True, False, False, True]),
        ("not m > 0", [False, True, False, False]),
        ("not m", [False, True, False, False]),
        ("~(m > 0)", [False, True, False, False]),
        ("isfinite(m)", [True, False, True, True]),
        ("isfinite(f)", [True, True, False, False]),
        ("f != 1", [False, True, False, True]),
        ("where(m > 1, 10, m)", [1, None, 10, 10]),
        ("where(isfinite(f), f, -1)", [1, -2, -1, -1]),
        ("m", [1, None, 3, 4]),
    ],
)
def test_what_is_missing_stays_missing_and_is_false(text, expected):
    assert evaluate(text, m=MISSING, f=np.array([1.0, -2.0, np.nan, np.inf])).tolist() == expected


@pytest.mark.parametrize("text", ["m / 2", "m + 0.5", "sqrt(m)", "hypot(m, 1)", "atan2(m, 2)", "min(m, 0.5)"])
def test_missing_whole_numbers_are_nan_among_floats(text):
    found = evaluate(text, m=MISSING)
    assert found.dtype == np.float64
    assert not np.ma.isMaskedArray(found)
    assert np.isnan(found).tolist() == [False, True, False, False]


def test_masked_floats_are_nan():
    floats = np.ma.masked_array(np.array([1.0, 2.0], "float32"), [True, False])
    np.testing.assert_array_equal(evaluate("x", x=floats), [np.nan, 2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / x", [np.inf, 0.5, np.nan]),
        ("-1 / x", [-np.inf, -0.5, np.nan]),
        ("x // 0", [np.nan, np.inf, np.nan]),
        ("x % 0", [np.nan] * 3),
        ("log(x)", [-np.inf, np.log(2), np.nan]),
        ("sqrt(-x)", [0, np.nan, np.nan]),
        ("exp(1000 * x)", [1, np.inf, np.nan]),
        ("where(x > 0, log(x), 0)", [0, np.log(2), 0]),
        ("where(x > 0, 1 / x, 1 << 80)", [np.nan, 0.5, np.nan]),
    ],
)
def test_floats_follow_ieee_without_warnings(text, expected):
    text = text.replace("1 << 80", "1 << i")
    np.testing.assert_array_equal(evaluate(text, x=np.array([0.0, 2.0, np.nan]), i=np.array([80, 80, 80])), expected)


@pytest.mark.parametrize("name", ["sqrt", "log", "exp", "sin", "cos", "tan", "sinh", "cosh"])
def test_functions_are_those_of_mathematics(name):
    x = np.array([0.1, 0.7, 1.5], "float32")
    expected = [getattr(math, name)(float(value)) for value in x]
    np.testing.assert_allclose(evaluate(f"{name}(x)", x=x), expected, rtol=1e-14)


def test_functions_of_two_values():
    x, y = np.array([1.0, -2.0]), np.array([3.0, 0.5])
    np.testing.assert_allclose(evaluate("atan2(y, x)", x=x, y=y), list(map(math.atan2, y, x)))
    np.testing.assert_allclose(evaluate("hypot(x, y)", x=x, y=y), list(map(math.hypot, x, y)))
    assert evaluate("min(x, y) + max(x, y)", x=x, y=y).tolist() == (x + y).tolist()
    assert evaluate("cos(pi)", n=2, x=x).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 < i <= 3", [False, True, True]),
        ("1 < i < f", [False, True, False]),
        ("i in (1, 3)", [True, False, True]),
        ("i not in [1, f]", [False, True, True]),
        ("i in ()", [False] * 3),
        ("b & (i > 1)", [False, False, True]),
        ("b | (i > 1)", [True] * 3),
        ("b ^ b", [False] * 3),
        ("~b", [False, True, False]),
        ("b + b", [2, 0, 2]),
        ("-b", [-1, 0, -1]),
        ("+b", [1, 0, 1]),
        ("b & 3", [1, 0, 1]),
        ("i and f", [True, True, False]),
        ("i & 1 == 1", [True, False, True]),
        ("not b or i == 1", [True, True, False]),
        ("True", [True] * 3),
        ("where(b, b, False)", [True, False, True]),
        ("max(b, 0)", [1, 0, 1]),
        ("col('i') * 2", [2, 4, 6]),
        ("2 ** i ** 2", [2, 16, 512]),
        ("-i ** 2", [-1, -4, -9]),
        ("i <<1", [2, 4, 6]),
        ("0x10 + 1_000", [1016] * 3),
    ],
)
def test_operators_work_element_by_element(text, expected):
    columns = {"i": np.array([1, 2, 3], "int32"), "f": np.array([2.5, 2.5, 0.0]), "b": np.array([True, False, True])}
    assert evaluate(text, **columns).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("t == 'mu'", [True, False, False]),
        ('t != "mu"', [False, True, False]),
        ("t in ('mu', 'e')", [True, True, False]),
        ("t not in ('mu',)", [False, True, False]),
        ("where(t == 'mu', 'a muon', t)", ["a muon", "e", None]),
        ("t", ["mu", "e", None]),
        ("t < 'f'", [False, True, False]),
    ],
)
@pytest.mark.parametrize("is_object", [True, False])
def test_text_is_compared(text, expected, is_object):
    texts = np.array(["mu", "e", None], object) if is_object else np.ma.masked_array(["mu", "e", ""], [0, 0, 1])
    assert evaluate(text, t=texts).tolist() == expected


def test_bytes_are_text():
    assert evaluate("t == 'mü'", t=np.array(["mü".encode(), b"e"])).tolist() == [True, False]


def test_names_are_in_the_order_of_their_first_use():
    text = "where(b > 1, c[a] * pi, col('x.y')) in (d, b) and not e"
    assert Expression.parse(text, "x").names == ("b", "c", "a", "x.y", "d", "e")


def test_blocks_of_events_give_what_all_of_them_would(monkeypatch):
    columns = {
        "m": np.ma.masked_array(np.arange(100), np.arange(100) == 57),
        "t": np.array(["e"] * 50 + ["longer"] * 50),
        "x": np.arange(100.0),
    }
    texts = ["m + 1", "x / m", "where(m > 3, t, 'none')", "x > 3 and m < 60", "1 < 2"]
    expected = [evaluate(text, 100, **columns) for text in texts]
    monkeypatch.setattr("lumin_plugin_io.expression.BLOCK", 7)
    for text, whole in zip(texts, expected, strict=True):
        found = evaluate(text, 100, **columns)
        assert found.dtype == whole.dtype
        np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(whole))
        np.testing.assert_array_equal(found, whole)


def test_no_events_and_line_breaks_and_long_sums():
    assert evaluate("x\n + 1", x=np.zeros(0)).tolist() == []
    assert evaluate("x > 3", x=np.zeros(0, "int32")).dtype == bool
    assert evaluate(" + ".join(["x"] * 900), x=np.array([1, 2])).tolist() == [900, 1800]


def test_columns_are_prepared_once_and_left_as_they_are():
    x = np.ma.masked_array(np.array([1, 2], "int16"), [False, True])
    columns = Columns({"x": x}, 2)
    assert columns["x"] is columns["x"]
    assert Expression.parse("x + 1", "a")(columns, 2).tolist() == [2, None]
    assert x.tolist() == [1, None]


def test_an_expression_is_pickled_as_its_text():
    expression = pickle.loads(pickle.dumps(Expression.parse("min(x, 3)", "n")))
    assert (expression.what, expression({"x": np.array([1, 5])}, 2).tolist()) == ("n", [1, 3])


def test_flat_columns_need_neither_awkward_nor_torch():
    code = (
        "import sys, numpy as np; from lumin_plugin_io import Expression; "
        "x = np.ones(3, 'float32'); Expression.parse('delta_phi(x, 2 * x) < 2 and t == \"a\"', 'selection')"
        "({'x': x, 't': np.array(['a', 'b', 'c'])}, 3); assert not {'awkward', 'torch', 'vector'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("dtype", [">u8", ">i4", ">f4", "float16", "uint8", ">i8"])
def test_columns_of_any_width_and_byte_order_are_taken(dtype):
    x = np.array([1, 100], dtype)
    assert evaluate("x + 1", x=x).tolist() == [2, 101]
    if dtype == ">u8":
        assert evaluate("x", x=np.array([2**64 - 1], dtype)).tolist() == [2**64 - 1]
