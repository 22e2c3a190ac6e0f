"""Documents that cost a server much more than they cost to send, if it takes them as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

MONEY = 'a%d: paymentRecord(input: {payment: "x", idempotencyKey: "%d"}) { userErrors { code } }'


@dataclass(frozen=True)
class Attack:
    """A request, and the code of its refusal."""

    name: str
    query: str
    code: str
    variables: dict[str, object] = field(default_factory=dict)
    operation: str | None = None
    # What the setting max_query_tokens must be raised to for it to be read at all.
    tokens: int = 1_000

    def body(self) -> dict[str, object]:
        return {"query": self.query, "variables": self.variables, "operationName": self.operation}


def times(text: str, many: int) -> str:
    """The text so often; each %d in it is the number of the repetition."""
    return " ".join(text.replace("%d", str(number)) for number in range(many))


def bomb(levels: int, spread: str = "...F%d ...F%d") -> str:
    """Fragments each of which spreads the next one twice."""
    chain = "".join(f"fragment F{level} on Query{{{spread.replace('%d', str(level + 1))}}}" for level in range(levels))
    return f"{{...F0}}{chain}fragment F{levels} on Query{{viewer{{name}}}}"


def circle(turns: int) -> str:
    return "{__schema{types" + "{fields{type" * turns + "{name}" + "}}" * turns + "}}"


def nested(levels: int, text: str = "viewer") -> str:
    return ("{" + text) * levels + "{name}" + "}" * levels


def deep_value(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


RAISED = 100_000
FRAGMENTS = [
    Attack("a bomb of 18 doubled spreads, 670 bytes", bomb(18), "TOO_COMPLEX"),
    Attack("a bomb of 30 doubled spreads", bomb(30), "TOO_COMPLEX"),
    Attack("a bomb under aliases", bomb(12, "a:node(id:1){...on Query{...F%d}}b:viewer{...F%d}"), "TOO_COMPLEX"),
    Attack("a bomb of 200 levels, tokens raised", bomb(200), "TOO_COMPLEX", tokens=RAISED),
    Attack("a bomb nobody spreads", "{viewer{name}}" + bomb(30).partition("}")[2], "TOO_COMPLEX"),
    Attack(
        "fragments in a circle",
        "{...A}fragment A on Query{...B}fragment B on Query{...A ...B}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    Attack("fragments nobody spreads", "{viewer{name}}" + times("fragment F%d on Query{a}", 100), "TOO_COMPLEX"),
    Attack("one fragment many times", "{" + "...A " * 450 + "}fragment A on Query{viewer{name}}", "TOO_COMPLEX"),
    Attack(
        "types nobody knows",
        "{viewer{name}}" + times("fragment F%d on VoucherOrdr%d{a}", 39),
        "GRAPHQL_VALIDATION_FAILED",
    ),
    Attack("a fragment of a type nobody knows", "{...on VoucherOrdr{name}}", "GRAPHQL_VALIDATION_FAILED"),
]
FLOODS = [
    Attack("aliases", "{viewer{" + times("a%d:name", 300) + "}}", "TOO_COMPLEX"),
    Attack("aliases at the root", "{" + times("a%d:viewer{name}", 160) + "}", "TOO_COMPLEX"),
    Attack("directives on a field", "{viewer{name " + "@include(if:true)" * 140 + "}}", "TOO_COMPLEX"),
    Attack("directives on fields", "{viewer{" + "name @skip(if:false)" * 120 + "}}", "TOO_COMPLEX"),
    Attack("directives nobody knows", "{viewer{name " + times("@inclde%d", 400) + "}}", "TOO_COMPLEX"),
    Attack("one field", "{" + "viewer{name}" * 240 + "}", "TOO_COMPLEX"),
    Attack("__typename", "{viewer{" + "__typename " * 990 + "}}", "TOO_COMPLEX"),
    Attack(
        "__typename, as often as fields may be", "{viewer{" + "__typename " * 490 + "}}", "GRAPHQL_VALIDATION_FAILED"
    ),
    Attack("one alias, many arguments", "{" + times('node(id:"%d"){id}', 39) + "}", "GRAPHQL_VALIDATION_FAILED"),
    Attack("fields nobody knows", "{viewer{" + times("organisation%d", 400) + "}}", "GRAPHQL_VALIDATION_FAILED"),
    Attack("arguments nobody knows", "{viewer(" + times("a%d:1", 300) + "){name}}", "GRAPHQL_VALIDATION_FAILED"),
    Attack("variables nobody uses", "query(" + times("$a%d:Int", 240) + "){viewer{name}}", "GRAPHQL_VALIDATION_FAILED"),
    Attack(
        "variables of types nobody knows",
        "query(" + times("$a%d:Vouchr", 240) + "){viewer{name}}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    Attack("tokens", "{" + "a " * 100_000 + "}", "TOO_COMPLEX"),
    Attack("tokens, fewer", "{" + "a " * 10_000 + "}", "GRAPHQL_PARSE_FAILED"),
    Attack("comments", "{viewer{name}}" + "#\n" * 10_000, "GRAPHQL_PARSE_FAILED"),
    Attack("a thousand operations", times("query Q%d{viewer{name}}", 1_000), "GRAPHQL_PARSE_FAILED", operation="Q1"),
    Attack("a hundred operations", times("query Q%d{viewer{name}}", 100), "TOO_COMPLEX", operation="Q1"),
    Attack("two payments", "mutation{" + times(MONEY, 2) + "}", "SEVERAL_MONEY_MUTATIONS"),
    Attack(
        "two payments in a fragment",
        "mutation{...P}fragment P on Mutation{" + times(MONEY, 2) + "}",
        "SEVERAL_MONEY_MUTATIONS",
    ),
]
DEPTHS = [
    Attack("fields", nested(190), "TOO_COMPLEX"),
    Attack("fields beyond what is read", nested(250), "GRAPHQL_PARSE_FAILED"),
    Attack("introspection in circles", circle(12), "TOO_COMPLEX"),
    Attack("introspection in shorter circles", circle(8), "TOO_COSTLY"),
    Attack("introspection in the shortest circles", circle(3), "GRAPHQL_VALIDATION_FAILED"),
    Attack("introspection many times", "{" + times("a%d:__schema{types{name fields{name}}}", 40) + "}", "TOO_COSTLY"),
]
VALUES = [
    Attack("a long text", '{node(id:"' + "a" * 200_000 + '"){id}}', "TOO_COMPLEX"),
    Attack("a long block text", '{node(id:"""' + "a\n" * 60_000 + '"""){id}}', "TOO_COMPLEX"),
    Attack("a long name", "{" + "a" * 200_000 + "}", "TOO_COMPLEX"),
    Attack("a long name that is read", "{" + "a" * 32_000 + "}", "GRAPHQL_VALIDATION_FAILED"),
    Attack("a long number", "{nodes(ids:" + "1" * 200_000 + "){id}}", "TOO_COMPLEX"),
    Attack(
        "a page size of many digits",
        "{organizations(first:" + "9" * 30_000 + "){totalCount}}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    Attack("a long list", "{nodes(ids:[" + "1 " * 900 + "]){id}}", "TOO_COMPLEX"),
    Attack("a long object", "{organization(by:{" + times("a%d:1", 300) + "}){id}}", "GRAPHQL_VALIDATION_FAILED"),
    Attack("a deep list", "{nodes(ids:" + "[" * 190 + "]" * 190 + "){id}}", "TOO_COMPLEX"),
    Attack("a deep default", "query($a:[ID!]=" + "[" * 50 + "]" * 50 + "){nodes(ids:$a){id}}", "TOO_COMPLEX"),
    Attack("a long list in a variable", "query($a:[ID!]!){nodes(ids:$a){id}}", "TOO_COMPLEX", {"a": ["x"] * 20_000}),
    Attack("a long list in no variable", "{viewer{name}}", "TOO_COMPLEX", {"a": [["x"] * 251]}),
    Attack("a deep variable", "query($a:[ID!]!){nodes(ids:$a){id}}", "TOO_COMPLEX", {"a": deep_value(500)}),
    Attack(
        "wide and long lists",
        "query($a:[ID!]!){nodes(ids:$a){id}}",
        "TOO_COMPLEX",
        {"a": [["x"] * 250 for _ in range(150)] + [["x"] * 251]},
    ),
]
COSTS = [
    Attack(
        "pages of pages",
        "{organizations(first:100){nodes{learners(first:100){nodes{windows(first:100){nodes{from}}}}}}}",
        "TOO_COSTLY",
    ),
    Attack(
        "pages of pages by variables",
        "query($n:Int){organizations(first:$n){nodes{learners(first:$n){nodes{windows(first:$n){nodes{from}}}}}}}",
        "TOO_COSTLY",
        {"n": 100},
    ),
    Attack("what is dear, many times", "{" + times("a%d:invariants{__typename}", 40) + "}", "TOO_COSTLY"),
]
ATTACKS = [*FRAGMENTS, *FLOODS, *DEPTHS, *VALUES, *COSTS]
