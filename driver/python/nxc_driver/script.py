"""A script's text: compiling it, and what can be wrong before it runs."""

from __future__ import annotations

import ast
import builtins
import difflib
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set

from .driver import Driver
from .machine import Machine


class Problem(NamedTuple):
    """Something wrong, and where. A line of 0 is nowhere."""

    summary: str
    detail: str
    line: int
    column: int


class Script:
    """A script, and the file that its lines stand in.

    lines gives for each line of the text the line of the file, where that is
    another: a testScript stands inside a composition.
    """

    def __init__(self, text: str, file: str, lines: Optional[Sequence[int]] = None) -> None:
        self.text = text
        self.file = file
        self.lines = list(lines or [])

    def line(self, number: int) -> int:
        """The file's line for a line of the text."""
        if not self.lines or number < 1:
            return number
        return self.lines[min(number, len(self.lines)) - 1]

    def compile(self) -> Any:
        tree = self._parse()
        for node in ast.walk(tree):
            if hasattr(node, "lineno"):
                node.lineno = self.line(node.lineno)
            if getattr(node, "end_lineno", None) is not None:
                node.end_lineno = max(self.line(node.end_lineno), getattr(node, "lineno", 0))
                if node.end_lineno == getattr(node, "lineno", 0):  # columns of an indented text mean little
                    node.end_col_offset = max(node.end_col_offset or 0, node.col_offset)
        return compile(tree, self.file, "exec", dont_inherit=True)

    def _parse(self) -> ast.Module:
        return ast.parse(self.text, filename=self.file)

    def problems(self, machines: Dict[str, str], symbols: Iterable[str]) -> List[Problem]:
        """What is wrong: its syntax, names that nothing has, methods that no machine has."""
        try:
            tree = self._parse()
            compile(tree, self.file, "exec", dont_inherit=True)
        except SyntaxError as e:
            return [Problem("The test script has a syntax error", _sentence(e.msg or "invalid syntax"),
                            self.line(e.lineno or 0), e.offset or 0)]  # fmt: skip
        except ValueError as e:  # a null byte
            return [Problem("The test script is no Python", _sentence(str(e)), 0, 0)]
        return self._names(tree, machines, set(symbols))

    def _names(self, tree: ast.Module, machines: Dict[str, str], symbols: Set[str]) -> List[Problem]:
        bound = _bound(tree)
        if bound is None:
            return []
        known = symbols | set(machines) | bound | set(dir(builtins)) | _MODULE
        found: List[Problem] = []
        told: Set[str] = set()
        for node in sorted(ast.walk(tree), key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known | told:
                told.add(node.id)
                detail = f"The machines are {', '.join(sorted(set(machines.values())))}."
                near = difflib.get_close_matches(node.id, sorted(set(machines) | symbols | bound), 1)
                found.append(Problem(f'The test script knows no "{node.id}"', detail + _meant(near),
                                     self.line(node.lineno), node.col_offset + 1))  # fmt: skip
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in machines
                and node.value.id not in bound
                and isinstance(node.ctx, ast.Load)
                and not hasattr(Machine, node.attr)
                and node.attr not in _ATTRIBUTES
            ):
                methods = [name for name in dir(Machine) if not name.startswith("_")]
                near = difflib.get_close_matches(node.attr, methods, 1)
                found.append(Problem(f'A machine has no "{node.attr}"',
                                     f"The website's page on test scripts lists what machines can do.{_meant(near)}",
                                     self.line(node.lineno), node.col_offset + 1))  # fmt: skip
        return found


_MODULE = {"__name__", "__file__", "__doc__", "__builtins__", "__debug__"}
_ATTRIBUTES = {"name", "backend", "driver", "report"}

#: A script that uses one of these may bind names that cannot be seen.
_HIDDEN = {"exec", "eval", "globals", "locals", "vars", "setattr", "NameError"}


def _bound(tree: ast.Module) -> Optional[Set[str]]:
    """All names that a script binds anywhere; None when that cannot be known."""
    names: Set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if node.id in _HIDDEN:
                return None
            if not isinstance(node.ctx, ast.Load):
                names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == "*":
                    return None
                names.add((alias.asname or alias.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        elif type(node).__name__ in ("MatchAs", "MatchStar") and getattr(node, "name", None):
            names.add(node.name)  # type: ignore[attr-defined]
        elif type(node).__name__ == "MatchMapping" and getattr(node, "rest", None):
            names.add(node.rest)  # type: ignore[attr-defined]
    return names


def symbols_of_driver() -> List[str]:
    """The names, beside machines, that every script finds in scope."""
    from .backend import Backend
    from .report import Report

    class Nobody(Backend):
        def names(self) -> List[str]:
            return []

    return sorted(Driver(Nobody(), Report()).test_symbols())


def _meant(near: Sequence[str]) -> str:
    return f' Did you mean "{near[0]}"?' if near else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."
