"""The sources of the six packages, as house tests read them: by `ast`, without importing anything."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("console", "node", "rules", "scp", "scu", "storage")


@dataclass(frozen=True)
class Import:
    """One name of a module that another imports, wherever in it the statement stands."""

    module: str
    line: int


@dataclass(frozen=True)
class Source:
    """One module."""

    path: Path

    @property
    def where(self) -> str:
        """Path from the root of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def name(self) -> str:
        """Dotted name; that of a package for its ``__init__``."""
        return self.where.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def folder(self) -> str:
        """Dotted name of the folder in which it lies."""
        return self.path.parent.relative_to(ROOT).as_posix().replace("/", ".")

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def imports(self) -> list[Import]:
        """Return every import, those for type checking only and those within functions too."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                found.append(Import(base, node.lineno))
                found += [Import(f"{base}.{alias.name}", node.lineno) for alias in node.names]
        return found

    def relative_imports(self) -> list[int]:
        """Return the lines of imports that begin with a dot."""
        return [n.lineno for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom) and n.level]


def sources(*packages: str) -> list[Source]:
    """Return the modules of `packages`, of all six when none is named."""
    folders = [ROOT / package for package in packages or PACKAGES]
    return [Source(path) for folder in folders for path in sorted(folder.rglob("*.py"))]


def modules() -> dict[str, Source]:
    """Return every module of ours by its dotted name."""
    return {source.name: source for source in sources()}
