"""The stubs, the compiled module and the Python classes that it fills agree with each other."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path
from types import ClassMethodDescriptorType, ModuleType

import pytest

import libstun
from libstun import _native, config, enums, events, info
from stubs import Parameter, built_in_rust, is_decorated, methods, parameters, read_stub, words_of_rust

STUB = read_stub()
CLASSES = sorted(STUB.classes)
# What Python itself puts into every class, and what comes with `__eq__`.
IMPLIED = {"__doc__", "__module__", "__new__", "__repr__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}
# `copyreg` writes it into a class when an instance is pickled first.
IMPLIED |= {"__slotnames__"}


def test_the_compiled_module_has_the_names_of_the_stubs_and_no_others() -> None:
    implied = {"__doc__", "__name__", "__package__", "__loader__", "__spec__", "__file__", "__all__"}
    assert set(vars(_native)) - implied == STUB.names


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_members_of_its_stub_and_no_others(name: str) -> None:
    members = set(vars(getattr(_native, name)))
    promised = set(methods(STUB.classes[name])) | assigned(STUB.classes[name])
    assert promised - members == set()
    assert members - promised - IMPLIED == set()


@pytest.mark.parametrize("name", CLASSES)
def test_members_are_of_the_kind_that_their_stubs_say(name: str) -> None:
    for member, stub in methods(STUB.classes[name]).items():
        found = inspect.getattr_static(getattr(_native, name), member)
        assert inspect.isgetsetdescriptor(found) == is_decorated(stub, "property"), member
        assert isinstance(found, ClassMethodDescriptorType) == is_decorated(stub, "classmethod")


@pytest.mark.parametrize("name", CLASSES)
def test_the_methods_of_a_class_take_what_their_stubs_say(name: str) -> None:
    native = getattr(_native, name)
    for member, stub in methods(STUB.classes[name]).items():
        if member == "__new__":
            assert_same(inspect.signature(native), parameters(stub), name)
        elif not member.startswith("__") and not is_decorated(stub, "property"):
            assert_same(inspect.signature(getattr(native, member)), parameters(stub), f"{name}.{member}")


@pytest.mark.parametrize("name", sorted(STUB.functions))
def test_a_function_takes_what_its_stub_says(name: str) -> None:
    assert_same(inspect.signature(getattr(_native, name)), parameters(STUB.functions[name]), name)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_without_a_constructor_in_its_stub_makes_no_objects(name: str) -> None:
    if "__new__" not in methods(STUB.classes[name]):
        with pytest.raises(TypeError):
            getattr(_native, name)()


@pytest.mark.parametrize("name", CLASSES)
def test_a_final_class_has_no_subclasses(name: str) -> None:
    assert is_decorated(STUB.classes[name], "final")
    with pytest.raises(TypeError):
        type("Sub", (getattr(_native, name),), {})


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_matched_by_the_attributes_that_its_stub_says(name: str) -> None:
    for node in STUB.classes[name].body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            assert getattr(_native, name).__match_args__ == ast.literal_eval(node.value)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_says_that_it_is_of_the_package(name: str) -> None:
    assert getattr(_native, name).__module__ in ("libstun", "libstun._native")
    assert getattr(libstun, name) is getattr(_native, name)


def test_constants_are_numbers_of_nanoseconds_or_counts() -> None:
    for name in STUB.constants - {"__version__"}:
        assert type(getattr(_native, name)) is int, name
    assert type(_native.__version__) is str


def test_what_rust_builds_are_the_classes_of_the_package_with_all_their_fields(project: Path) -> None:
    passed: dict[str, set[str]] = {}
    for built in built_in_rust(project / "python/src"):
        known = fields_of(class_named(built.name))
        assert built.fields <= set(known), f"{built.place}: {built.name} has no {built.fields - set(known)}"
        missing = {field for field, is_needed in known.items() if is_needed} - built.fields
        assert not missing, f"{built.place}: {built.name} needs {missing}"
        passed.setdefault(built.name, set()).update(built.fields)
    for name, fields in passed.items():
        unset = set(fields_of(class_named(name))) - fields
        assert not unset, f"nothing ever sets {unset} of {name}"


def test_every_event_is_built_by_rust(project: Path) -> None:
    concrete = {name for name, kind in vars(events).items() if is_event(kind)} - {"Event"}
    assert concrete <= {built.name for built in built_in_rust(project / "python/src")}


def test_the_words_that_rust_takes_and_gives_are_those_of_an_enum(project: Path) -> None:
    known = [frozenset(word.value for word in getattr(enums, name)) for name in enums.__all__]
    tables = [table for path in (project / "python/src").rglob("*.rs") for table in words_of_rust(path.read_text())]
    assert len(tables) > 10
    for name, words in tables:
        # "other" is what Rust says of what is newer than the table.
        assert any(words <= values <= words | {"other"} for values in known), name


@pytest.mark.parametrize("name", enums.__all__)
def test_every_word_of_an_enum_stands_in_the_rust_sources(name: str, rust: str) -> None:
    assert [word for word in getattr(enums, name) if f'"{word}"' not in rust] == []


@pytest.fixture(scope="module")
def rust(project: Path) -> str:
    """All Rust of the bindings and of the library."""
    folders = (project / "python/src", project / "src")
    return "\n".join(path.read_text() for folder in folders for path in folder.rglob("*.rs"))


def assigned(node: ast.ClassDef) -> set[str]:
    """The names that a class of the stub annotates."""
    return {
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }


def assert_same(signature: inspect.Signature, stub: list[Parameter], where: str) -> None:
    """Names, kinds, order and defaults are the same; a default that either of both calls "..." is any."""
    native = [
        Parameter(each.name, each.kind.name, None if each.default is each.empty else repr(each.default))
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    assert [(each.name, each.kind) for each in native] == [(each.name, each.kind) for each in stub], where
    for ours, theirs in zip(native, stub, strict=True):
        unsaid = {"...", "Ellipsis"} & {ours.default, theirs.default}
        assert (ours.default is None) == (theirs.default is None), f"{where}: {ours.name}"
        assert unsaid or ours.default == theirs.default, f"{where}: {ours.name}"


def class_named(name: str) -> type:
    """The class of the package that Rust means by a name."""
    modules: tuple[ModuleType, ...] = (events, info, config)
    found = [getattr(module, name) for module in modules if name in module.__all__]
    assert len(found) == 1, f"{name} is no class of the package"
    assert dataclasses.is_dataclass(found[0])
    return found[0] if isinstance(found[0], type) else type(found[0])


def fields_of(kind: type) -> dict[str, bool]:
    """The fields that Rust passes by name, and whether it has to; those of all events come from one place."""
    shared = {field.name for field in dataclasses.fields(events.Event)} if is_event(kind) else set()
    absent = dataclasses.MISSING
    assert dataclasses.is_dataclass(kind)
    return {
        field.name: field.default is absent and field.default_factory is absent
        for field in dataclasses.fields(kind)
        if field.name not in shared
    }


def is_event(kind: object) -> bool:
    """Whether it is a class of events."""
    return isinstance(kind, type) and issubclass(kind, events.Event)
