"""How big each part of a multipart upload is, when nobody knows how long the stream will be.

S3 takes at most 10,000 parts of 5 MiB to 5 GiB, and 5 TiB in all
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html). Small parts keep memory low, so they stay small
as long as they can: 8 MiB for the first 100, then 6 % more with every further 100.
"""

MIB = 1 << 20
MAX_PARTS = 10_000
FIRST = 8 * MIB
STEP = 100  # parts of one size
GROWTH = 1.0625


def size_of_part(number: int) -> int:
    """Return the size of part `number` (from 1), bytes; whole MiB."""
    return int(FIRST / MIB * GROWTH ** ((number - 1) // STEP)) * MIB
