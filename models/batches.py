"""Passing many keys to one statement, the first rows of each, and counting: the only place with SQL of one dialect.

Keys travel as one JSON text, so that the statement, and with it its plan and the driver's prepared form, is the same
for one key and for a thousand, and no limit on the number of variables is met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Join,
    Label,
    ScalarSelect,
    Select,
    Subquery,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.expression import CTE
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Text, TypeEngine

Group = TypeVar("Group", bound=tuple[int, ...])


class Elements(FunctionElement[Any]):
    """The elements of a JSON list, one a row, in a column named `value`."""

    name = "elements"
    inherit_cache = True


@compiles(Elements, "sqlite")
def _elements_on_sqlite(elements: Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(elements.clauses, **options)})"


@compiles(Elements, "postgresql")
def _elements_on_postgresql(elements: Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements(CAST(CAST({compiler.process(elements.clauses, **options)} AS TEXT) AS JSON))"


class Item(FunctionElement[Any]):
    """What stands at a place of a JSON list, as a value of the type it was given."""

    name = "item"
    inherit_cache = True

    def __init__(self, value: ColumnElement[Any], place: int, type_: TypeEngine[Any]) -> None:
        self.type = type_
        super().__init__(value, literal_column(str(place)))


@compiles(Item, "sqlite")
def _item_on_sqlite(item: Item, compiler: SQLCompiler, **options: Any) -> str:
    value, place = (compiler.process(clause, **options) for clause in item.clauses)
    return f"json_extract({value}, '$[{place}]')"


@compiles(Item, "postgresql")
def _item_on_postgresql(item: Item, compiler: SQLCompiler, **options: Any) -> str:
    value, place = (compiler.process(clause, **options) for clause in item.clauses)
    return f"CAST({value} ->> {place} AS {compiler.dialect.type_compiler_instance.process(item.type)})"


class InOrder(Join):
    """A join of which SQLite reads the left side first, whatever it expects of the right one."""

    inherit_cache = True


@compiles(InOrder, "sqlite")
def _in_order_on_sqlite(join: InOrder, compiler: SQLCompiler, **options: Any) -> str:
    options |= {"asfrom": True, "from_linter": None}
    sides = (compiler.process(side, **options) for side in (join.left, join.right))
    return " CROSS JOIN ".join(sides)


class Itself(FunctionElement[int]):
    """An element of a JSON list that is a whole number, as one."""

    name = "itself"
    type = BigInteger()
    inherit_cache = True


@compiles(Itself, "sqlite")
def _itself_on_sqlite(itself: Itself, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(itself.clauses, **options)


@compiles(Itself, "postgresql")
def _itself_on_postgresql(itself: Itself, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(CAST({compiler.process(itself.clauses, **options)} AS TEXT) AS BIGINT)"


class AsList(FunctionElement[str]):
    """Values as one JSON text, a list of them."""

    name = "as_list"
    type = Text()
    inherit_cache = True


@compiles(AsList, "sqlite")
def _as_list_on_sqlite(values: AsList, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array({compiler.process(values.clauses, **options)})"


@compiles(AsList, "postgresql")
def _as_list_on_postgresql(values: AsList, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_build_array({compiler.process(values.clauses, **options)}) AS TEXT)"


def as_parameter(keys: Iterable[Sequence[int | str | None]]) -> str:
    """Keys as the one JSON text in which they travel."""
    return orjson.dumps(list(keys)).decode()


def as_keys(keys: Iterable[Sequence[int | str | None]]) -> dict[str, object]:
    """Keys as the parameter `keys` of a statement, each behind its place among them."""
    return {"keys": as_parameter((place, *key) for place, key in enumerate(keys))}


def asked(parameter: str, *names: str, texts: Sequence[str] = (), dates: Sequence[str] = ()) -> CTE:
    """The keys given as `parameter`, a row each, with the place of each in the list order of their columns.

    All are 64-bit integers but those named in `texts`, and in `dates`, which travel as 2017-09-01. SQLite is told to
    take the text apart once, and not again for each row that is compared with a key.
    """
    elements = Elements(bindparam(parameter, type_=Text)).table_valued("value", name=f"{parameter}_elements")
    types = (Text() if name in texts else Date() if name in dates else BigInteger() for name in names)
    columns = [
        Item(elements.c.value, place, type_).label(name)
        for place, (name, type_) in enumerate(zip(names, types, strict=True))
    ]
    return select(*columns).select_from(elements).cte(parameter).prefix_with("MATERIALIZED", dialect="sqlite")


class OneOf(FunctionElement[bool]):
    """Whether a text is among those of a JSON list, each in a list of its own. PostgreSQL is told that they are few: it
    would join a whole table with them instead of looking each up.
    """

    name = "one_of"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str], parameter: str) -> None:
        texts = asked(parameter, "text", texts=["text"])
        super().__init__(column, select(texts.c.text).scalar_subquery())


@compiles(OneOf, "sqlite")
def _one_of_on_sqlite(one_of: OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in one_of.clauses)
    return f"{column} IN {texts}"


@compiles(OneOf, "postgresql")
def _one_of_on_postgresql(one_of: OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(clause, **options) for clause in one_of.clauses)
    return f"{column} = ANY (ARRAY {texts})"


def groups_as_parameter(groups: Mapping[Group, Sequence[int]]) -> str:
    """Groups as the one JSON text in which they travel, for `asked_in_groups`."""
    return orjson.dumps([(place, *group, numbers) for place, (group, numbers) in enumerate(groups.items())]).decode()


class Groups(NamedTuple):
    """The keys of groups: a row for each group, with its place and what its keys share, and the numbers of each."""

    shared: CTE
    numbers: FromClause

    @property
    def number(self) -> ColumnElement[int]:
        return Itself(self.numbers.c.value)


def asked_in_groups(parameter: str, *names: str, beside: Callable[[CTE], Sequence[Label[Any]]]) -> Groups:
    """The groups given as `parameter`, with what they share by `names`, and what is worked out `beside` these once for
    a group.

    A number is taken out of its text in half the time that a whole key takes.
    """
    groups = asked(parameter, "place", *names, "numbers", texts=["numbers"])
    shared = select(*groups.c, *beside(groups)).cte(f"{parameter}_shared").prefix_with("MATERIALIZED", dialect="sqlite")
    return Groups(shared, Elements(shared.c.numbers).table_valued("key", "value", name=f"{parameter}_numbers"))


def packed_rows_of_groups(
    dialect: str, groups: Groups, parts: Sequence[Select[Any]], most: BindParameter[int]
) -> Select[Any]:
    """All rows of selects that refer to a group and its number, each from one table and of integers and texts alone;
    to be read with `unpacked_rows`. Both databases find them by the number, however many they expect: PostgreSQL would
    read a whole table of middling size. No more than `most`, of each table on SQLite.
    """
    if dialect == "postgresql":
        rows = union_all(*parts).lateral("rows")
        of_each = groups.shared.join(groups.numbers, true()).join(rows, true())
        return select(groups.shared.c.place, groups.number, *rows.c).select_from(of_each).limit(most)
    packs = (_packed(_along(groups, part).limit(most).subquery(), groups.shared) for part in parts)
    return select(groups.shared.c.place, *packs).select_from(groups.shared)


def _along(groups: Groups, part: Select[Any]) -> Select[Any]:
    (table,) = part.columns_clause_froms
    along = part.with_only_columns(groups.numbers.c.key, *part.selected_columns)
    return along.select_from(InOrder(groups.numbers, table, true())).correlate(groups.shared)


def unpacked_rows(
    dialect: str, found: Iterable[Sequence[Any]], groups: Mapping[Group, Sequence[int]]
) -> Iterator[Sequence[Any]]:
    """Rows as `packed_rows_of_groups` finds them: the place of the group, the number, and then the columns. SQLite
    tells which of a group's numbers it is: a number that is known need not be read.
    """
    if dialect == "postgresql":
        yield from found
        return
    numbers = list(groups.values())
    for place, *packs in found:
        for which, *columns in map(orjson.loads, packs):
            yield from zip(repeat(place), map(numbers[place].__getitem__, which), *columns, strict=False)


def packed_rows_of_each(dialect: str, keys: CTE, key: str, rows: Select[Any]) -> Select[Any]:
    """The same as `first_rows_of_each`, to be read with `unpacked`: of integers and texts alone, and in half the time,
    since SQLite packs the columns of a key into one text and takes none of it apart.
    """
    if dialect == "postgresql":
        return first_rows_of_each(dialect, keys, key, rows)
    return select(keys.c[key], _packed(rows.subquery("inner_rows"), keys))


def unpacked(dialect: str, found: Iterable[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Rows as `first_rows_of_each` gives them: the key, and then the columns."""
    if dialect == "postgresql":
        yield from found
        return
    for key, packed in found:
        for row in _taken_apart(packed):
            yield key, *row


def unpacked_by_key(dialect: str, found: Iterable[Sequence[Any]]) -> Mapping[Any, Iterable[Sequence[Any]]]:
    """The rows of each key, which is no part of them here; to be gone through once."""
    if dialect != "postgresql":
        return {key: _taken_apart(packed) for key, packed in found}
    by_key: dict[Any, list[Sequence[Any]]] = {}
    for key, *row in found:
        by_key.setdefault(key, []).append(tuple(row))
    return by_key


def _packed(rows: Subquery, keys: CTE) -> ScalarSelect[Any]:
    """A list for each column, of the values of all rows."""
    columns = func.json_array(*map(func.json_group_array, rows.c))
    return select(columns).select_from(rows).correlate(keys).scalar_subquery()


def _taken_apart(packed: str) -> Iterable[Sequence[Any]]:
    return zip(*orjson.loads(packed), strict=True)


def first_rows_of_each(dialect: str, keys: CTE, key: str, rows: Select[Any]) -> Select[Any]:
    """For each of `keys` the rows of a select that refers to it, and stops early by its own LIMIT.

    SQLite has no LATERAL; a table-valued function that takes a subquery does the same.
    """
    if dialect == "postgresql":
        page = rows.lateral("page")
        return select(keys.c[key], *page.c).select_from(keys).join(page, true())
    inner = rows.subquery("inner_rows")
    rows_in_json = select(func.json_group_array(func.json_array(*inner.c))).select_from(inner).correlate(keys)
    page_rows = func.json_each(rows_in_json.scalar_subquery()).table_valued("value", name="page")
    columns = [Item(page_rows.c.value, place, column.type).label(column.name) for place, column in enumerate(inner.c)]
    return select(keys.c[key], *columns).select_from(keys).join(page_rows, true())


class position_in(FunctionElement[int]):  # noqa: N801  # reads as the function that it is
    """Where a term first stands in a text, from 1; 0 if it does not."""

    name = "position_in"
    type = BigInteger()
    inherit_cache = True


@compiles(position_in, "sqlite")
def _position_on_sqlite(position: position_in, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(position.clauses, **options)})"


@compiles(position_in, "postgresql")
def _position_on_postgresql(position: position_in, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(position.clauses, **options)})"


def counting(
    dialect: str, table: Table, column: str, most: ColumnElement[int], *, beside: Sequence[str] = ()
) -> ReturningInsert[Any]:
    """Counts one up in a row of its own, which is made where there is none; returns nothing if that were too many,
    counted together with the columns `beside` it.

    Of any number of callers at once no more get through than `most`: each waits for the row.
    """
    added = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    count = table.c[column]
    keys = [key.name for key in table.primary_key]
    row = {name: bindparam(name, type_=table.c[name].type) for name in keys}
    together = sum((table.c[name] for name in beside), start=count)
    counted: ReturningInsert[Any] = (
        added.values({**row, column: 1, **dict.fromkeys(beside, 0)})
        .on_conflict_do_update(index_elements=keys, set_={column: count + 1}, where=together < most)
        .returning(count)
    )
    return counted
