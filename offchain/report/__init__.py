"""From what was seen of an index to numbers, tables and a picture. Pure: nothing here asks a chain.

record        what was seen: days, reviews, plans, flows, transfers
performance   levels, the paper index, where the tracking difference comes from
accounting    is every token, share and dollar accounted for?
build         all numbers of a run, and its JSON
tables        the report as text; picture: as PNG; page: as one HTML file
"""

from offchain.report.build import Report, build_report
from offchain.report.page import write_report
from offchain.report.tables import report_text

__all__ = ["Report", "build_report", "report_text", "write_report"]
