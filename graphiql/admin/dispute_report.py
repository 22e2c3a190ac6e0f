"""/admin/disputes/report: how cases ended, and how much time was saved. Staff only."""

from __future__ import annotations

from collections.abc import Mapping

from graphiql.admin.pages import Page, Variables, Visit


class DisputeReportPage(Page):
    path = "/admin/disputes/report"
    operation = "DisputeReportPage"
    template = "dispute_report.html"
    section = "disputes"

    def __init__(self, visit: Visit) -> None:
        super().__init__(visit)
        this_year = visit.today.replace(month=1, day=1).isoformat()
        self.first = visit.text("from") or this_year
        self.last = visit.text("through") or visit.today.isoformat()

    def variables(self) -> Variables:
        return {"dates": {"from": self.first, "through": self.last}}

    def variables_of_form(self) -> Variables:
        today = self.visit.today.isoformat()
        return {"dates": {"from": today, "through": today}, "answered": False}

    def content(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return {"report": data.get("report")}
