"""Method `partition`: an image streamed into a block device on the unit."""

from factory.flashing.partition.blanking import BlankPending, blank
from factory.flashing.partition.holding import let_go
from factory.flashing.partition.onto_partition import (
    PartitionPreflight,
    flash_partition,
    partition_bytes,
    preflight_partition,
    preflight_source,
)
from factory.flashing.partition.proof import partition_differs, prove_partition
from factory.flashing.partition.source import Source, source_of_file, source_of_image
from factory.flashing.partition.target import Target, inspect_target

__all__ = [
    "BlankPending",
    "PartitionPreflight",
    "Source",
    "Target",
    "blank",
    "flash_partition",
    "inspect_target",
    "let_go",
    "partition_bytes",
    "partition_differs",
    "preflight_partition",
    "preflight_source",
    "prove_partition",
    "source_of_file",
    "source_of_image",
]
