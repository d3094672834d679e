"""What a lot came to, for people who run a plant: numbers, pictures and one page that holds both."""

from factory.lots.report.figures import Figure, main_figures
from factory.lots.report.frames import Calendar
from factory.lots.report.page import page
from factory.lots.report.report import Report, report

__all__ = ["Calendar", "Figure", "Report", "main_figures", "page", "report"]
