"""The report: one HTML file that needs no network.

Report("My plant", "A week of logs.", (graph_section(graph, schema),)).html()
"""

from doworld.session.report.page import Report as Report
from doworld.session.report.page import Section as Section
from doworld.session.report.sections import answer_section as answer_section
from doworld.session.report.sections import calibration_section as calibration_section
from doworld.session.report.sections import fit_section as fit_section
from doworld.session.report.sections import graph_section as graph_section
from doworld.session.report.sections import learned_section as learned_section
from doworld.session.report.sections import notes_section as notes_section
from doworld.session.report.whole import answer_report as answer_report
from doworld.session.report.whole import model_report as model_report
from doworld.session.report.whole import tour_report as tour_report
