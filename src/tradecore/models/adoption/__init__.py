"""Adopting an existing database: its rows are read as they are, mended by rule, and copied into our tables."""

from .adopting import adopt
from .declaration import ColumnDeclaration, Declaration, TableDeclaration
from .findings import Kind, Rule
from .renaming import put_back, set_aside
from .report import AdoptionReport, TableReport

__all__ = [
    "AdoptionReport",
    "ColumnDeclaration",
    "Declaration",
    "Kind",
    "Rule",
    "TableDeclaration",
    "TableReport",
    "adopt",
    "put_back",
    "set_aside",
]
