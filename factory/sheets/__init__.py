"""The files that people and portals exchange: profiles, the upload CSV, the workbook for people."""

from factory.sheets.csv import Part, decode_csv, encode_csv, write_csv
from factory.sheets.errors import SheetError
from factory.sheets.profile import Column, Profile, Row
from factory.sheets.profiles import REMOTEIT_BULK

__all__ = [
    "REMOTEIT_BULK",
    "Column",
    "Part",
    "Profile",
    "Row",
    "SheetError",
    "decode_csv",
    "encode_csv",
    "write_csv",
]
