"""Which faults are put in: for one node of the syntax tree, each change that somebody could make by mistake.

Not in here: whatever is said to people. Log lines, docstrings, messages and remedies are no behaviour of the code.
A change that another one includes is left out: where a condition is tried as always true and as never true, nothing
is learned from its opposite.
"""

import ast
import re
from collections.abc import Callable, Iterator

Change = tuple[ast.expr | ast.stmt, str, str]  # what is replaced, by which text, and how to say so

TEXT = {"description", "title", "message", "remedy", "help", "sentence", "examples", "doc", "hint"}
# How a thing looks or is named, and how finely a metric tells times apart.
LOOKS = {"thread_name_prefix", "daemon", "indent", "ensure_ascii", "usedforsecurity", "buckets"}
TIMES = re.compile(r"\b(now|due|deadline|until|began|started|monotonic|seconds|\w+_at)\b")  # never met to the tick
LOGGERS = {"log", "logger", "logging", "warnings"}
SAID = {"print", "say", "tell"}
WAITS = {"sleep"}  # without it the same is done, sooner
BOUNDARIES: dict[type[ast.cmpop], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
OPPOSITES: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
SWAPS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


def short(node: ast.AST | str, limit: int = 90) -> str:
    """Code on one line, cut where it is long."""
    text = " ".join((node if isinstance(node, str) else ast.unparse(node)).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def is_said(call: ast.AST) -> bool:
    """Whether this call only tells people something."""
    if not isinstance(call, ast.Call):
        return False
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in SAID
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and function.id in LOGGERS


def instead(node: ast.expr | ast.stmt, text: str) -> Change:
    return node, text, f"{short(node)} -> {short(text)}"


def without(node: ast.expr, part: ast.AST, copy: ast.expr) -> Change:
    return node, _atom(copy), f"{short(node)} without {short(part)}"


def _atom(node: ast.expr) -> str:
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BoolOp | ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp) else text


def _binds(node: ast.AST) -> bool:
    """Whether others need a name that is given in here."""
    return any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node))


# Expressions


def condition(test: ast.expr, *, loop: bool = False) -> Iterator[Change]:
    """What stands in `if`, `while`, and behind `if` in expressions: always, and never."""
    if isinstance(test, ast.Constant):
        return
    if _binds(test):
        if not isinstance(test, ast.BoolOp):
            yield instead(test, f"(not ({ast.unparse(test)}))")
        return
    if not loop and not (isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)):
        yield instead(test, "True")
    if not (isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or)):
        yield instead(test, "False")


def alternatives(node: ast.BoolOp) -> Iterator[Change]:
    for value in node.values:
        if not _binds(value) and not _is_nothing(value):
            rest = [other for other in node.values if other is not value]
            yield without(node, value, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _is_nothing(node: ast.expr) -> bool:
    """Whether this is what stands in for a value that is absent: without it another absence would do the same."""
    empty = (isinstance(node, ast.List | ast.Tuple) and not node.elts) or (isinstance(node, ast.Dict) and not node.keys)
    return empty or (isinstance(node, ast.Constant) and not node.value)


def comparison(node: ast.Compare, *, decides: bool) -> Iterator[Change]:
    """`decides`: it is a whole condition, which `condition` has tried both ways."""
    for place, op in enumerate(node.ops):
        other = BOUNDARIES.get(type(op)) or (None if decides else OPPOSITES[type(op)])
        if other and not (type(op) in BOUNDARIES and TIMES.search(ast.unparse(node))):
            words = [ast.unparse(node.left)]
            for at, (each, right) in enumerate(zip(node.ops, node.comparators, strict=True)):
                sign = other if at == place else ast.unparse(ast.Compare(ast.Name("a"), [each], [ast.Name("b")]))[2:-2]
                words += [sign, f"({ast.unparse(right)})" if isinstance(right, ast.BoolOp) else ast.unparse(right)]
            yield node, f"({' '.join(words)})", f"{short(node)} -> {other}"


def constant(node: ast.Constant) -> Iterator[Change]:
    """True and False, and numbers: a small one by one, of a large one (a limit, a time) it is twice as much."""
    if isinstance(node.value, bool):
        yield node, str(not node.value), f"{node.value} -> {not node.value}"
    elif isinstance(node.value, int | float):
        other = node.value + 1 if abs(node.value) <= 10 else node.value * 2
        yield node, str(other), f"{node.value} -> {other}"


def call(node: ast.Call) -> Iterator[Change]:
    for keyword in node.keywords:
        if keyword.arg not in TEXT | LOOKS:
            copy = ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])
            yield node, ast.unparse(copy), f"{short(node.func)}(…) without {short(keyword)}"
    if isinstance(node.func, ast.Name) and node.func.id in SWAPS:
        yield node.func, SWAPS[node.func.id], f"{short(node)} -> {SWAPS[node.func.id]}"


def elements(node: ast.List | ast.Set | ast.Tuple) -> Iterator[Change]:
    for element in node.elts:
        rest = [other for other in node.elts if other is not element]
        if isinstance(node, ast.Set) and not rest:
            yield node, "set()", f"{short(node)} without {short(element)}"
        else:
            yield without(
                node, element, type(node)(rest, ast.Load()) if not isinstance(node, ast.Set) else ast.Set(rest)
            )


def entries(node: ast.Dict) -> Iterator[Change]:
    for place, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
        keys = node.keys[:place] + node.keys[place + 1 :]
        copy = ast.Dict(keys, node.values[:place] + node.values[place + 1 :])
        said = f"{short(key)}: {short(value, 50)}" if key else f"**{short(value)}"
        yield node, ast.unparse(copy), f"a dict without {said}"


def operation(node: ast.BinOp) -> Iterator[Change]:
    """Sums and unions lose one side; what is made of text is said to people, or of keys whose order shows at once."""
    if any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in (node.left, node.right)):
        return
    if isinstance(node.op, ast.Add | ast.BitOr):
        yield instead(node, _atom(node.left))
        yield instead(node, _atom(node.right))
    elif isinstance(node.op, ast.Sub):
        yield instead(node, _atom(node.left))
        yield node, f"({ast.unparse(ast.BinOp(node.left, ast.Add(), node.right))})", f"{short(node)} -> +"
    elif not isinstance(node.op, ast.Mod):
        yield instead(node, _atom(node.left))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def negation(node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.Not):
        yield instead(node, f"bool({ast.unparse(node.operand)})")


def cut(node: ast.Subscript) -> Iterator[Change]:
    if isinstance(node.slice, ast.Slice):
        yield instead(node, _atom(node.value))


_EXPRESSIONS: dict[type, Callable[..., Iterator[Change]]] = {
    ast.BinOp: operation,
    ast.BoolOp: alternatives,
    ast.Call: call,
    ast.Constant: constant,
    ast.Dict: entries,
    ast.IfExp: lambda node: condition(node.test),
    ast.List: elements,
    ast.Set: elements,
    ast.Subscript: cut,
}


def expression(node: ast.expr, *, decides: bool) -> Iterator[Change]:
    """All changes of one expression; those of its parts come by themselves."""
    if isinstance(node, ast.Compare):
        yield from comparison(node, decides=decides)
    elif isinstance(node, ast.UnaryOp):
        yield from () if decides else negation(node)
    elif type(node) in _EXPRESSIONS:
        yield from _EXPRESSIONS[type(node)](node)


# Statements


_LEFT_OUT = (ast.Raise, ast.AugAssign, ast.Delete, ast.Break, ast.Continue)


def statement(node: ast.stmt, returns: str | None) -> Iterator[Change]:
    """All changes of one statement; `returns` is the annotation of the function that it is in."""
    if isinstance(node, _LEFT_OUT) or _is_done_for_its_effect(node):
        yield left_out(node)
    elif isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
        yield from result(node.value, returns)
    elif isinstance(node, ast.If | ast.While):
        yield from condition(node.test, loop=isinstance(node, ast.While))
    elif isinstance(node, ast.Try):
        yield from handlers(node)


def _is_done_for_its_effect(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call() as called) | ast.Expr(value=ast.Await(value=ast.Call() as called)):
            waits = isinstance(called.func, ast.Attribute) and called.func.attr in WAITS
            return not waits and not is_said(called)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
    return False


def left_out(node: ast.stmt) -> Change:
    return node, "pass", f"without {short(node)}"


def result(value: ast.expr, returns: str | None) -> Iterator[Change]:
    if returns == "bool":
        yield value, "True", f"return {short(value)} -> True"
        yield value, "False", f"return {short(value)} -> False"
    else:
        yield value, "None", f"return {short(value)} -> None"


def handlers(node: ast.Try) -> Iterator[Change]:
    for handler in node.handlers:
        if isinstance(handler.type, ast.Tuple):
            yield from elements(handler.type)
        elif handler.type:
            yield handler.type, "()", f"except {short(handler.type)} -> nothing"
