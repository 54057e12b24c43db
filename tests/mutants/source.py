"""Text of a module and where each of its nodes stands in it: a change is cut in, and all the rest stays as it was."""

import ast
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True)
class Mutant:
    """One change. `what` says it in the code's own words, so that an id outlives edits elsewhere in the file."""

    module: str  # "decide/outcome.py"
    where: str  # "Lease.acquire", or "the module" or a class for what runs at import
    what: str
    span: tuple[int, int]  # bytes
    text: str
    lines: frozenset[int]  # of the statement: a test that runs one of them may notice
    function: str | None  # the outermost function that it is in; None: it takes effect when the module is imported
    names: frozenset[str] = frozenset()  # which names a statement at import gives: who reads them may notice
    number: int = 1  # among those that read alike

    @property
    def id(self) -> str:
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.module} {self.where}: {self.what}{again}"


class Source:
    """One module's text."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        self._starts = [0, *accumulate(len(line) for line in self.bytes.splitlines(keepends=True))]
        self.tree = ast.parse(text)

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.ExceptHandler) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def header(self, statement: ast.With | ast.AsyncWith) -> tuple[int, int]:
        """From the statement's first byte to before its colon."""
        end = self.span(statement.items[-1].context_expr)[1]
        return self.span(statement)[0], self.bytes.index(b":", end)

    def with_change(self, mutant: Mutant) -> str:
        start, end = mutant.span
        return (self.bytes[:start] + mutant.text.encode() + self.bytes[end:]).decode()
