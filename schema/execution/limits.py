"""What a document may come to before it is even validated, and the refusal of one that comes to more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schema.errors import RequestErrorCode, RequestRefused
from schema.execution.documents import JSON
from schema.execution.survey import FULL, Extent, Survey

MONEY_MUTATIONS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that a document may hold, with every fragment counted wherever it is spread."""

    tokens: int = 1_000
    characters: int = 32_768
    # Operations and fragments.
    definitions: int = 40
    depth: int = 20
    fields: int = 500
    aliases: int = 50
    root_fields: int = 40
    directives: int = 50
    # Of one list, and how deep lists and objects lie in each other, in the document and in its variables.
    list_items: int = 250
    value_depth: int = 20
    cost: int = 200_000


ASK_LESS = "Ask for less at once."
IN_LOTS = "Send them in several lots."
NEST_LESS = "Nest them less."
# A roster's rows reach their mutation even if they are more than it takes, up to so many times more: it knows what else
# to do with them. No other input has a field of this name.
ROWS, MORE_ROWS = "rows", 4


def refuse_length(text: str, limits: Limits) -> None:
    _refuse("characters", len(text), limits.characters, "Send long texts and lists as variables.")


def refuse_extent(survey: Survey, limits: Limits) -> None:
    """Of every definition in the document, as all of them are validated."""
    _refuse("operations and fragments", survey.definitions, limits.definitions, "Send one operation at a time.")
    _refuse("items in one list", survey.longest_list, limits.list_items, IN_LOTS)
    _refuse("levels of lists and objects in a value", survey.deepest_value, limits.value_depth, NEST_LESS)
    # Of each the most that any operation or fragment has.
    most = Extent(*(max(each) for each in zip(*survey.extents, strict=True)))
    _refuse("levels of fields", most.depth, limits.depth, "Ask for the inner things by their ids.")
    _refuse("fields, with those of fragments", most.fields, limits.fields, ASK_LESS)
    _refuse("aliases, with those of fragments", most.aliases, limits.aliases, ASK_LESS)
    _refuse("directives, with those of fragments", most.directives, limits.directives, ASK_LESS)
    for operation in survey.operations.values():
        _refuse("fields at the root of an operation", operation.breadth, limits.root_fields, ASK_LESS)
        if operation.money > MONEY_MUTATIONS:
            raise RequestRefused(RequestErrorCode.SEVERAL_MONEY_MUTATIONS)


def refuse_cost(cost: int, limits: Limits) -> None:
    if cost > limits.cost:
        asked, allowed = _number(cost), f"{limits.cost:,}"
        message = f"The operation may cost {asked} points; {allowed} are allowed. Ask for fewer or smaller pages."
        raise RequestRefused(RequestErrorCode.TOO_COSTLY, message)


def _refuse(what: str, asked: int, allowed: int, instead: str) -> None:
    if asked > allowed:
        message = f"The request has {_number(asked)} {what}; {allowed:,} are allowed. {instead}"
        raise RequestRefused(RequestErrorCode.TOO_COMPLEX, message)


def _number(asked: int) -> str:
    return f"{asked:,}" if asked < FULL else f"more than {FULL:,}"


def refuse_values(variables: Mapping[str, JSON], limits: Limits) -> None:
    """A long list is refused before it is looked through, so that little is done for what is refused."""
    usual, of_rows = limits.list_items, limits.list_items * MORE_ROWS
    waiting: list[tuple[JSON, int, int]] = [(value, 1, usual) for value in variables.values()]
    while waiting:
        value, level, most = waiting.pop()
        if isinstance(value, list):
            if len(value) > most:
                _refuse("items in one list of a variable", len(value), usual, IN_LOTS)
            inner = [(each, level + 1, usual) for each in value]
        elif isinstance(value, dict):
            inner = [(each, level + 1, of_rows if name == ROWS else usual) for name, each in value.items()]
        else:
            continue
        _refuse("levels of lists and objects in a variable", level, limits.value_depth, NEST_LESS)
        waiting += inner
