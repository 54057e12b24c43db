"""Walks through a module and lists its mutants, each with the lines and the names by which its tests are found."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from tests.mutants import rules
from tests.mutants.rules import Change
from tests.mutants.source import Mutant, Source

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORT = "the module"


def mutants_of(module: str, text: str) -> list[Mutant]:
    """List every change of this module, in its order; two that read alike are told apart by a number."""
    seen: Counter[str] = Counter()
    found = []
    for mutant in _Walk(module, Source(text)).whole():
        seen[mutant.id] += 1
        found.append(replace(mutant, number=seen[mutant.id]))
    return found


class _Walk:
    def __init__(self, module: str, source: Source) -> None:
        self._module = module
        self._source = source
        self._names: list[str] = []  # classes and functions around
        self._function: str | None = None  # the outermost function around
        self._returns: str | None = None
        self._lines: frozenset[int] = frozenset()
        self._given: frozenset[str] = frozenset()

    def whole(self) -> Iterator[Mutant]:
        for statement in self._source.tree.body:
            yield from self._statement(statement)

    def _statement(self, node: ast.stmt) -> Iterator[Mutant]:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self._definition(node)
        elif not _is_of_types(node):
            self._lines, self._given = _lines(node), _given(node)
            yield from map(self._mutant, rules.statement(node, self._returns))
            if isinstance(node, ast.With | ast.AsyncWith) and _guards(node):
                yield self._unguarded(node)
            yield from self._inside(node)

    def _definition(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mutant]:
        self._names.append(node.name)
        around = self._function, self._returns
        if isinstance(node, FUNCTIONS):
            self._lines, self._given = frozenset({node.lineno}), frozenset()
            for default in [*node.args.defaults, *node.args.kw_defaults]:
                yield from self._expression(default) if default else ()
            self._function = self._function or ".".join(self._names)
            self._returns = ast.unparse(node.returns) if node.returns else None
        for statement in node.body:
            yield from self._statement(statement)
        self._function, self._returns = around
        self._names.pop()

    def _inside(self, node: ast.AST) -> Iterator[Mutant]:
        """Go through all that a statement or an expression is made of, except types and what is said to people."""
        decides = {id(test) for test in _conditions(node, self._returns)}
        for field, value in ast.iter_fields(node):
            if field not in {"annotation", "returns", "decorator_list", "type_comment"}:
                for child in value if isinstance(value, list) else [value]:
                    yield from self._child(child, decides=id(child) in decides)

    def _child(self, child: object, *, decides: bool) -> Iterator[Mutant]:
        match child:
            case ast.stmt():
                yield from self._statement(child)
            case ast.expr():
                yield from self._expression(child, decides=decides)
            case ast.keyword() if child.arg not in rules.TEXT | rules.LOOKS:
                yield from self._expression(child.value)
            case ast.comprehension():
                for test in child.ifs:
                    yield from map(self._mutant, rules.condition(test))
                yield from self._inside(child)
            case ast.ExceptHandler() | ast.match_case() | ast.withitem():
                yield from self._inside(child)

    def _expression(self, node: ast.expr, *, decides: bool = False) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr) or rules.is_said(node):
            return
        if isinstance(node, ast.Slice) or _rounds(node) or _is_of_words(node):
            return
        if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and _is_a_list(node):
            yield from map(self._mutant, rules.elements(node))
        yield from map(self._mutant, rules.expression(node, decides=decides))
        yield from self._inside(node)

    def _unguarded(self, node: ast.With | ast.AsyncWith) -> Mutant:
        what = f"without {rules.short(', '.join(ast.unparse(item) for item in node.items))} around"
        made = self._mutant((node, "if True", what))
        return replace(made, span=self._source.header(node))

    def _mutant(self, change: Change) -> Mutant:
        node, text, what = change
        return Mutant(
            self._module,
            ".".join([*self._names, *(sorted(self._given) if self._function is None else ())]) or IMPORT,
            what,
            self._source.span(node),
            text,
            self._lines | frozenset(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            if isinstance(node, ast.expr)
            else self._lines,
            self._function,
            self._given if self._function is None else frozenset(),
        )


def _lines(node: ast.stmt) -> frozenset[int]:
    """The lines of a simple statement, or the first one of one that has others in it."""
    if hasattr(node, "body"):
        return frozenset({node.lineno})
    return frozenset(range(node.lineno, (node.end_lineno or node.lineno) + 1))


def _given(node: ast.stmt) -> frozenset[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return frozenset(name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def _conditions(node: ast.AST, returns: str | None) -> list[ast.expr]:
    """The parts that `rules.condition` and `rules.result` try both ways."""
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            return [node.test]
        case ast.comprehension():
            return node.ifs
        case ast.Return(value=ast.expr() as value) if returns == "bool":
            return [value]
    return []


def _guards(node: ast.With | ast.AsyncWith) -> bool:
    """Whether it could be left out; a lock could, and no test can be sure to notice."""
    said = " ".join(ast.unparse(item) for item in node.items)
    return not any(item.optional_vars for item in node.items) and not any(word in said for word in ("lock", "_room"))


def _is_a_list(node: ast.Tuple) -> bool:
    """Flags, reasons, types: a tuple that is gone through, not one that is taken apart."""
    return any(isinstance(element, ast.Constant | ast.Starred | ast.Tuple) for element in node.elts)


def _rounds(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "round"


def _is_of_words(node: ast.expr) -> bool:
    """A type made of words, or one that stands for others: a checker reads them, and where pydantic does, a schema."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.value, ast.Name) and node.value.id == "Literal"
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TypeVar"


def _is_of_types(node: ast.stmt) -> bool:
    """Imports, docstrings, types, asserts (which narrow types), and what only a type checker reads."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or rules.is_said(node.value)
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    if isinstance(node, ast.Assign):
        first = node.targets[0]
        named = isinstance(first, ast.Name) and (first.id == "__all__" or first.id.startswith(("log", "__")))
        return (
            named or _is_a_form_of_calls(node.value) or (isinstance(node.value, ast.BinOp) and _is_a_union(node.value))
        )
    return isinstance(node, ast.AnnAssign) and node.value is None


def _is_a_form_of_calls(node: ast.expr) -> bool:
    """Whether it is a type of what can be called: `Callable[[Key], None]`."""
    return isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Callable"


def _is_a_union(node: ast.expr) -> bool:
    """Whether it is a type made of several: `Write | Rest`."""
    if isinstance(node, ast.Name):
        return node.id[:1].isupper() and not node.id.isupper()
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitOr):
        return False
    return _is_a_union(node.left) and _is_a_union(node.right)
