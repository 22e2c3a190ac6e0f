"""The operations the explorer offers: named GraphQL documents in files, each with a title and words for people.

A file, say operations/activity/active_on.graphql:

    # Who was active on a date?
    # Learners with an active window on that date, in the organization's own zone.
    # variables: {"organization": "Xtra Lease",
    #             "on": "2017-09-01"}
    query ActiveOn($organization: String!, $on: Date!) { … }

The first comment line is the title, those after it are the description, and all from `variables:` to the end of the
comment are the default variables. Then exactly one named operation, with fragments if it needs them. The folder is
the topic. Numbers before a name, as in `1_activity/2_active_on.graphql`, put it in order and are not shown.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

from graphql import DocumentNode, GraphQLSyntaxError, OperationDefinitionNode, parse

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

OPERATIONS_FOLDER = Path(__file__).parent / "operations"
TOPIC_OF_LOOSE_FILES = "General"
VARIABLES = "variables:"


class OperationFileError(ValueError):
    """A file of operations/ that cannot be offered; the message names the file and the line."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}, line {line}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


@dataclass(frozen=True)
class Operation:
    name: str
    title: str
    description: str
    topic: str
    query: str
    variables: dict[str, JSON]


@dataclass(frozen=True)
class _Heading:
    """The comment at the top of a file, taken apart."""

    title: str
    description: str
    variables: dict[str, JSON]
    length_lines: int
    variables_line: int


def load_operations(folder: Path = OPERATIONS_FOLDER) -> tuple[Operation, ...]:
    """Every operation below the folder, in the order of their paths; names are unique, as links use them."""
    found: dict[str, tuple[Operation, Path]] = {}
    for path in sorted(folder.rglob("*.graphql")):
        operation = read_operation(path, topic=_topic(path.relative_to(folder).parent))
        if operation.name in found:
            raise OperationFileError(path, 1, f"{operation.name} is already the name of {found[operation.name][1]}")
        found[operation.name] = (operation, path)
    return tuple(operation for operation, _ in found.values())


def read_operation(path: Path, topic: str) -> Operation:
    lines = _read_lines(path)
    heading = _read_heading(path, lines)
    body = "\n".join(lines[heading.length_lines :])
    name, declared = _only_operation(path, body, heading.length_lines)
    unknown = sorted(set(heading.variables) - declared)
    if unknown:
        raise OperationFileError(path, heading.variables_line, f"{name} declares no variable ${unknown[0]}")
    return Operation(name, heading.title, heading.description, topic, body.strip(), heading.variables)


def _read_lines(path: Path) -> list[str]:
    content = path.read_bytes()
    try:
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OperationFileError(path, line, "this is not UTF-8 text") from None


def _read_heading(path: Path, lines: list[str]) -> _Heading:
    comment = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    if not comment or not comment[0] or comment[0].startswith(VARIABLES):
        raise OperationFileError(path, 1, "the first line must be a comment with the title, `# Title`")
    start = next((index for index, text in enumerate(comment) if text.startswith(VARIABLES)), len(comment))
    return _Heading(
        title=comment[0],
        description=" ".join(text for text in comment[1:start] if text),
        variables=_read_variables(path, comment[start:], start + 1),
        variables_line=start + 1,
        length_lines=len(comment),
    )


def _read_variables(path: Path, comment: list[str], first_line: int) -> dict[str, JSON]:
    if not comment:
        return {}
    try:
        variables: JSON = json.loads("\n".join(comment).removeprefix(VARIABLES))
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise OperationFileError(path, line, f"the variables are no JSON: {error.msg}") from None
    if not isinstance(variables, dict):
        raise OperationFileError(path, first_line, "the variables must be a JSON object, {…}")
    return variables


def _only_operation(path: Path, body: str, lines_before: int) -> tuple[str, set[str]]:
    """The name of the one operation, and the names of its variables."""
    try:
        document = _parsed(body)
    except GraphQLSyntaxError as error:
        line = lines_before + error.locations[0].line if error.locations else 1
        raise OperationFileError(path, line, error.message) from None
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].name is None:
        raise OperationFileError(path, lines_before + 1, "there must be exactly one operation, and it must have a name")
    declared = {variable.variable.name.value for variable in operations[0].variable_definitions or ()}
    return operations[0].name.value, declared


@cache
def _parsed(body: str) -> DocumentNode:
    """Several applications in one process, as in tests, offer the same operations."""
    return parse(body)


def _topic(folder: Path) -> str:
    words = (re.sub(r"^\d+[_-]", "", part).replace("_", " ").replace("-", " ") for part in folder.parts)
    return " · ".join(part.capitalize() for part in words) or TOPIC_OF_LOOSE_FILES
