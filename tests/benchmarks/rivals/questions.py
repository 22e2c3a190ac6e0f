"""The four questions that everybody is asked, in one language: ours.

A learner of a list has six fields, one of them a local day of their latest window, and the windows beside them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import orjson

from models.ids import encode_id
from tests.benchmarks.portal_data import Portal

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

TEAM = 7
LEARNER = 70
PAGES = 4
# Everybody of the portal was active at some time within it.
ACTIVITY: JSON = {"activeDuring": {"dates": {"from": "2018-01-01", "through": "2026-01-31"}}}
CUTOFF: JSON = {"activeAt": {"cutoffOf": "2021-09-01"}}

LIST = """query List($team: ID!, $activity: ActivityFilter!, $after2: String, $after3: String, $after4: String) {
  node(id: $team) {
    ... on Team {
      id
      name
      p1: learners(activity: $activity, first: 100) { ...page }
      p2: learners(activity: $activity, first: 100, after: $after2) { ...page }
      p3: learners(activity: $activity, first: 100, after: $after3) { ...page }
      p4: learners(activity: $activity, first: 100, after: $after4) { ...page }
    }
  }
}
fragment page on LearnerConnection {
  nodes { id name email externalId department activatedOn windows(first: 10) { nodes { from to } } }
  pageInfo { hasNextPage }
}"""
NESTED = """query Nested($organization: ID!, $activity: ActivityFilter!) {
  organization(by: { id: $organization }) {
    id
    name
    teams(first: 20) {
      nodes {
        id
        name
        learners(activity: $activity, first: 50) {
          nodes { id name email windows(first: 10) { nodes { from to } } }
          pageInfo { hasNextPage }
        }
      }
    }
  }
}"""
POINT = "query Point($learner: ID!) { node(id: $learner) { ... on Learner { id name email externalId department } } }"
COUNTS = """query Counts($organization: ID!, $activity: ActivityFilter!) {
  organization(by: { id: $organization }) {
    id
    teams(first: 50) { nodes { id name activeCount(activity: $activity) { exact min max } } }
  }
}"""
CURSORS = """query Cursor($team: ID!, $activity: ActivityFilter!, $after: String) {
  node(id: $team) { ... on Team { learners(activity: $activity, first: 100, after: $after) {
    pageInfo { endCursor } } } }
}"""


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    document: str
    variables: dict[str, JSON]
    # How often it is asked in a round of somebody who is quick; who is slow is asked less often.
    times: int

    def body(self) -> bytes:
        return orjson.dumps({"query": self.document, "operationName": self.name, "variables": self.variables})

    def given(self, **variables: JSON) -> Question:
        return replace(self, variables=self.variables | variables)


def questions(portal: Portal, learner_id: int) -> dict[str, Question]:
    """All of them; those of the list still want the cursors of its pages."""
    big = portal.big
    organization, team = encode_id("Organization", big.id), encode_id("Team", big.id, big.teams[TEAM])
    asked = (
        Question("List", LIST, {"team": team, "activity": ACTIVITY}, 60),
        Question("Nested", NESTED, {"organization": organization, "activity": ACTIVITY}, 30),
        Question("Point", POINT, {"learner": encode_id("Learner", big.id, learner_id)}, 1_000),
        Question("Counts", COUNTS, {"organization": organization, "activity": CUTOFF}, 60),
    )
    return {question.name: question for question in asked}


def cursor_question(of: Question, after: str | None) -> Question:
    variables = {name: of.variables[name] for name in ("team", "activity")}
    return Question("Cursor", CURSORS, {**variables, "after": after}, 1)
