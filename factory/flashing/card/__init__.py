"""Method `card`: an SD card or USB disk in the station, written whole and proved from the medium."""

from factory.flashing.card.disk import CardRefused, Host, find_disk
from factory.flashing.card.jobs import card_job, system_image
from factory.flashing.card.unpack import DamagedImage
from factory.flashing.card.work import CardJob, CardResult, Outcome, flash_card, flash_cards
from factory.flashing.card.writing import Holds, Stage

__all__ = [
    "CardJob",
    "CardRefused",
    "CardResult",
    "DamagedImage",
    "Holds",
    "Host",
    "Outcome",
    "Stage",
    "card_job",
    "find_disk",
    "flash_card",
    "flash_cards",
    "system_image",
]
