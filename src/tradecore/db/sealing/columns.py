"""How a column is declared sealed, what its type refuses, and how a value in it is found: by its blind index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, Text, TypeDecorator, inspect
from sqlalchemy.dialects.mysql import TEXT as MYSQL_TEXT
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import InstrumentedAttribute, MappedColumn, Mapper, mapped_column
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeEngine

from ...crypto import Keyring, blind_index, normal
from ...errors import ConfigurationError
from ..pages.parsing import kind_of
from .box import Place, Sealed, Stand, boxed

__all__ = ["SealedColumn", "SealedText", "columns_of", "sealed", "sealed_equals"]

_SEALED = "tradecore.sealed"
_ROW = "its primary key"
_NAMES = (int, str, UUID)  # what can name a row: kinds with one spelling


_SAMENESS = (operators.eq, operators.ne, operators.is_, operators.is_not)


class _Comparator(TypeDecorator.Comparator[Any], Text.Comparator[Any]):
    """Lets a sealed column be compared with NULL, and with nothing else."""

    def operate(self, op: Any, *other: Any, **keywords: Any) -> ColumnElement[Any]:
        if not (op in _SAMENESS and (other[0] is None or self._is_itself(other[0]))):
            self._refuse()
        return super().operate(op, *other, **keywords)

    def reverse_operate(self, op: Any, other: Any, **keywords: Any) -> ColumnElement[Any]:
        self._refuse()
        return super().reverse_operate(op, other, **keywords)

    def _is_itself(self, other: Any) -> bool:
        # What SQLAlchemy asks when it looks the column up in a dictionary, where it stands with other annotations.
        return isinstance(other, ColumnElement) and hash(other) == hash(self.expr)

    def _refuse(self) -> None:
        raise ConfigurationError(
            f"{self.expr} is sealed: equal values differ each time, and their order means nothing. Filter by its blind "
            "index (sealed_equals), or by another column"
        )


class SealedText(TypeDecorator[Sealed]):
    """The type of a sealed column: boxes in Python, tokens in the database. :func:`sealed` declares one on a model."""

    impl = Text
    cache_ok = True
    comparator_factory: Any = _Comparator

    @property
    def python_type(self) -> type[Any]:
        """A box."""
        return Sealed

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type."""
        if dialect.name in ("mysql", "mariadb"):  # whose other collations take a key's id for another's
            return dialect.type_descriptor(MYSQL_TEXT(charset="ascii", collation="ascii_bin"))
        return Text()

    def process_bind_param(self, value: Sealed | None, dialect: Dialect) -> str | None:
        """Return the token of a box that was sealed for the row it goes to.

        Raises:
            ConfigurationError: for anything else: this way of writing does not seal.
        """
        if value is None:
            return None
        if isinstance(value, Sealed) and value._outgoing:
            return value._token
        raise ConfigurationError(
            "a sealed column is written by adding and changing rows in a session of a Database, or by "
            "Repository.upsert(): this way of writing does not know the row, and seals nothing"
        )

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return what boxes a token."""
        return _boxed_or_none

    def compare_values(self, x: Any, y: Any) -> bool:
        """Whether both are the same box, or of the same token."""
        return x is y or (
            isinstance(x, Sealed) and isinstance(y, Sealed) and x._token is not None and x._token == y._token
        )


def _boxed_or_none(token: Any) -> Sealed | None:
    return None if token is None else boxed(token)


@dataclass(frozen=True, slots=True)
class _Declared:
    context: str | None
    bind: str | None
    index: str | None
    normalize: Callable[[str], str]


def sealed(
    *,
    context: str | None = None,
    bind: str | Literal["its primary key"] | None = _ROW,
    index: str | None = None,
    normalize: Callable[[str], str] = normal,
    nullable: bool | None = None,
) -> MappedColumn[Any]:
    """Declare a column whose text is sealed in the database.

    Example:
        >>> class Credential(Base):                                                    # doctest: +SKIP
        ...     secret: Mapped[Sealed] = sealed(context="credential")


    Every value is bound to the context, the column and its row; moved elsewhere it does not open.

    Args:
        context: what the values are; the table's name when left out. It stays what it is when the table is renamed.
        bind: the attribute that names the row and never changes. Left out, the primary key, which must be known before
            the row is inserted: where the database makes it, name another attribute, or say None to bind a value to
            its column only (a swap of two rows is then not seen).
        index: the attribute that holds the blind index, declared beside it as ``Mapped[str | None] =
            mapped_column(ExactString(23), index=True)``.
        normalize: spells a text as it is compared by the index.
        nullable: whether it may be NULL; as the annotation says when left out.
    """
    declared = {_SEALED: _Declared(context, bind, index, normalize)}
    if nullable is None:
        return mapped_column(SealedText(), info=declared)
    return mapped_column(SealedText(), info=declared, nullable=nullable)


@dataclass(frozen=True, slots=True, eq=False)
class SealedColumn:
    """One sealed column of a mapped class.

    Attributes:
        table: the table it stands in.
        column: the column.
        key: the attribute's name.
        stand: what its values are bound to beside their row.
        bind: the names of the attributes that name the row.
        bound: their columns.
        index: the name of the attribute with the blind index.
        index_column: its column.
        normalize: spells a text for the index.
    """

    table: Table
    column: Column[Any]
    key: str
    stand: Stand
    bind: tuple[str, ...]
    bound: tuple[Column[Any], ...]
    index: str | None
    index_column: Column[Any] | None
    normalize: Callable[[str], str]

    def __str__(self) -> str:
        """Spell it ``table.column``."""
        return f"{self.table.name}.{self.column.name}"

    def place(self, row: Sequence[Any]) -> Place:
        """Return the place in the row that these values name.

        Raises:
            ConfigurationError: if one of them is not known yet.
        """
        if None in row:
            raise ConfigurationError(
                f"{self} is bound to {', '.join(self.bind)}, which is not known before "
                "the row is inserted: set it, bind the column to another attribute, or to none (bind=None)"
            )
        return Place(self.stand, tuple(row))

    def indexed(self, ring: Keyring, text: str, key_id: str | None = None) -> str:
        """Return the blind index of a text in this column."""
        return blind_index(ring, self.normalize(text), self.stand.context, self.column.name, key_id=key_id)


def columns_of(mapper: Mapper[Any]) -> tuple[SealedColumn, ...]:
    """Return a class's sealed columns.

    Raises:
        ConfigurationError: for an attribute that does not exist, or cannot name a row.
    """
    return tuple(
        _column_of(mapper, prop.key, prop.columns[0])
        for prop in mapper.column_attrs
        if isinstance(prop.columns[0].type, SealedText) and isinstance(prop.columns[0], Column)
    )


def _column_of(mapper: Mapper[Any], key: str, column: Column[Any]) -> SealedColumn:
    declared: _Declared = column.info.get(_SEALED) or _Declared(None, _ROW, None, normal)
    name = f"{mapper.class_.__name__}.{key}"
    if declared.bind == _ROW:
        bind = tuple(mapper.get_property_by_column(one).key for one in mapper.primary_key)
    else:
        bind = () if declared.bind is None else (declared.bind,)
    for attribute in (*bind, *filter(None, [declared.index])):
        if attribute not in mapper.column_attrs:
            raise ConfigurationError(f"{name} names {attribute!r}, which is no column of {mapper.class_.__name__}")
    columns: dict[str, Any] = {attribute.key: attribute.columns[0] for attribute in mapper.column_attrs}
    for attribute in bind:
        kind = kind_of(columns[attribute].type)
        if not issubclass(kind, _NAMES):
            raise ConfigurationError(f"{name} cannot be bound to {attribute!r}: a {kind.__name__} has many spellings")
    table: Any = column.table
    context = declared.context or table.name
    _alone(table, column, context)
    bound = tuple(columns[attribute] for attribute in bind)
    index = columns[declared.index] if declared.index is not None else None
    stand = Stand.of(table.name, column.name, context)
    return SealedColumn(table, column, key, stand, bind, bound, declared.index, index, declared.normalize)


def _alone(table: Table, column: Column[Any], context: str) -> None:
    """Refuse two columns whose values would open in each other's place."""
    known: dict[Any, str] = table.metadata.info.setdefault(_SEALED, {})
    other = known.setdefault((context, column.name), table.fullname)
    if other != table.fullname:
        raise ConfigurationError(
            f"{other} and {table.fullname} seal {column.name!r} in one context, {context!r}: give one another context"
        )


def sealed_equals(attribute: InstrumentedAttribute[Any], text: str, ring: Keyring) -> ColumnElement[bool]:
    """Return the filter that finds the rows whose sealed column holds ``text``, by its blind index.

    While a rotation goes on, rows under any key of the ring are found.

    Args:
        attribute: the sealed column, such as ``Credential.account``.
        text: what is looked for.
        ring: the Database's ring.

    Raises:
        ConfigurationError: if the column was declared without an index.
    """
    mapper = inspect(attribute.class_)
    found = next((column for column in columns_of(mapper) if column.key == attribute.key), None)
    if found is None or found.index is None:
        raise ConfigurationError(f"{attribute} has no blind index: declare it with sealed(index=...)")
    wanted = [found.indexed(ring, text, key.id) for key in ring.keys if key.readable]
    here: InstrumentedAttribute[Any] = getattr(attribute.class_, found.index)
    return here.in_(wanted)
