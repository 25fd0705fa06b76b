"""The stubs of the compiled module, and the sources of it, read as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

Function = ast.FunctionDef


@dataclass
class Stub:
    """The names of a stub file."""

    functions: dict[str, Function] = field(default_factory=dict)
    constants: set[str] = field(default_factory=set)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return self.functions.keys() | self.constants | self.classes.keys()


def read_stub() -> Stub:
    """The names that `_native.pyi` promises. Type aliases are for type checkers alone, and left out."""
    stub = Stub()
    for node in ast.parse(files("libstun").joinpath("_native.pyi").read_text()).body:
        match node:
            case ast.FunctionDef(name=name):
                stub.functions[name] = node
            case ast.ClassDef(name=name):
                stub.classes[name] = node
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation) if "Final" in ast.unparse(annotation):
                stub.constants.add(name)
    return stub


def methods(node: ast.ClassDef) -> dict[str, Function]:
    """What a class defines, properties too."""
    return {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}


def is_decorated(node: Function | ast.ClassDef, name: str) -> bool:
    """Whether it carries that decorator."""
    return any(ast.unparse(decorator) == name for decorator in node.decorator_list)


@dataclass(frozen=True)
class Parameter:
    """A parameter; `default` is its source text, "..." where it is not said, `None` where there is none."""

    name: str
    kind: str
    default: str | None


def parameters(node: Function) -> list[Parameter]:
    """The parameters of a function of a stub, without `self` and `cls`."""
    arguments = node.args
    ordered = [*arguments.posonlyargs, *arguments.args]
    absent = [None] * (len(ordered) - len(arguments.defaults))
    found = [
        Parameter(
            each.arg, "POSITIONAL_ONLY" if each in arguments.posonlyargs else "POSITIONAL_OR_KEYWORD", text(value)
        )
        for each, value in zip(ordered, [*absent, *arguments.defaults], strict=True)
    ]
    found += [
        Parameter(each.arg, "KEYWORD_ONLY", text(value))
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return [each for each in found if each.name not in ("self", "cls")]


def text(expression: ast.expr | None) -> str | None:
    """The source text of a default."""
    return None if expression is None else ast.unparse(expression)


@dataclass(frozen=True)
class Built:
    """A place where Rust builds an object of a Python class."""

    place: str
    name: str
    fields: frozenset[str]


def built_in_rust(folder: Path) -> Iterator[Built]:
    """Every `build!(py, Name { field: expression, ... })` of the sources in a folder."""
    for path in sorted(folder.rglob("*.rs")):
        source = without_text(path.read_text())
        for start in re.finditer(r"\bbuild!\s*[({\[]\s*\w+\s*,\s*(\w+)\s*\{", source):
            body = source[start.end() : closing(source, start.end())]
            place = f"{path.name}:{source.count(chr(10), 0, start.start()) + 1}"
            yield Built(place, start[1], frozenset(field_names(body)))


def words_of_rust(source: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The tables `NAME: &Words<...> = &[("word", ...), ...];` of a source."""
    for table in re.finditer(r"const (\w+): &Words<[^=]*> =\s*&\[(.*?)\];", source, re.DOTALL):
        yield table[1], frozenset(re.findall(r'\(\s*"([^"]+)"', table[2]))


def without_text(source: str) -> str:
    """Rust without comments, and with nothing inside string and character literals. Lines stay where they are."""
    pattern = r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"|\'(?:\\[^\n]+?|[^\'\\\n])\''

    def emptied(found: re.Match[str]) -> str:
        return ("" if found[0].startswith("/") else '""') + "\n" * found[0].count("\n")

    return re.sub(pattern, emptied, source, flags=re.DOTALL)


def closing(source: str, start: int) -> int:
    """Where the bracket closes inside which `start` is."""
    depth = 0
    for place in range(start, len(source)):
        if source[place] in "([{":
            depth += 1
        elif source[place] in ")]}":
            if depth == 0:
                return place
            depth -= 1
    raise AssertionError("a bracket is never closed")


def field_names(body: str) -> Iterator[str]:
    """The names before the colons of `field: expression, ...`; commas inside brackets separate nothing."""
    depth, entry = 0, ""
    for character in body + ",":
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            if entry.strip():
                yield entry.split(":", 1)[0].strip()
            entry = ""
        else:
            entry += character
