"""What tests and benchmarks import is there: mypy leaves them out, and many run seldom."""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NOT_LOCKED = frozenset({"openvino_genai", "stable_diffusion_cpp"})
"""What only a benchmark needs, which says how to install it."""


def find(name: str) -> Path | None:
    """Return the file of a module of this checkout, or the folder of a package without one."""
    path = ROOT.joinpath(*name.split("."))
    candidates = [path.with_suffix(".py"), path / "__init__.py", path]
    return next((one for one in candidates if one.exists()), None)


def is_ours(name: str) -> bool:
    return find(name.partition(".")[0]) is not None


@cache
def is_installed(package: str) -> bool:
    # What is imported already is there, even where it replaced itself and has no spec, as kombu.
    if package in NOT_LOCKED or package in sys.modules:
        return True
    return importlib.util.find_spec(package) is not None


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def names(file: Path) -> frozenset[str]:
    """Return what a module's own statements bind, in all branches, but not in its functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = [parse(file)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        waiting.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str, str]]:
    """Return (line, module, name) of each import, inside functions too; a name may be empty."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: -node.level + 1 or None] if node.level else []
            module = ".".join([*parents, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, module, alias.name


def resolves(module: str, name: str) -> bool:
    """Check that a module of ours has a name, or a module below it; that others are installed."""
    if not is_ours(module):
        return is_installed(module.partition(".")[0])
    file = find(module)
    if file is None or not name or name == "*":
        return file is not None
    init = file / "__init__.py" if file.is_dir() else file
    return find(f"{module}.{name}") is not None or (init.is_file() and name in names(init))


def unresolved(source: ast.AST, package: str) -> list[str]:
    return [
        f"line {line}: {name or '-'} of {module}"
        for line, module, name in imports(source, package)
        if not resolves(module, name)
    ]


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_everything_imported_is_there(folder: str):
    missing = {
        str(file.relative_to(ROOT)): lines
        for file in sorted((ROOT / folder).rglob("*.py"))
        if (lines := unresolved(parse(file), ".".join(file.relative_to(ROOT).parent.parts)))
    }
    assert missing == {}


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("import core.settings, json, yaml", 0),
        ("from core import settings", 0),
        ("from core.settings import Settings", 0),
        ("from tests.static import test_checks", 0),
        ("from .test_checks import test_layers_hold", 0),
        ("from ..support.costs import read", 0),
        ("from core.settings import Setting", 1),
        ("import core.setting", 1),
        ("from core import setting", 1),
        ("def later():\n from core.errors import NoSuchError", 1),
        ("from .test_checks import gone", 1),
        ("from ..support import gone", 1),
        ("import no_such_package_anywhere", 1),
        ("from core.settings import Settings, here, there", 2),
    ],
)
def test_what_is_not_there_is_found(source: str, missing: int):
    assert len(unresolved(ast.parse(source), "tests.static")) == missing
