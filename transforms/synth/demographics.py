"""How old, tall and heavy the people of each group are, and how many of them are women.

The figures of the scoliosis classes are those of Table 1 of the Scoliosis1K paper (Zhou et al.,
2024). All figures of the spinal-deformity groups, severities included, are ours: chosen as of
elderly people in whom these diseases are treated, not taken from any publication.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ClassStatistics:
    """One group: means with standard deviations, and counts by sex."""

    age_years: tuple[float, float]
    height_cm: tuple[float, float]
    weight_kg: tuple[float, float]
    female_count: int
    male_count: int
    severity: tuple[float, float]  # ours: 0 none, 1 severe


CLASS_STATISTICS: Final = {
    "positive": ClassStatistics((14.3, 1.0), (161.6, 7.1), (48.3, 8.4), 113, 63, (0.68, 0.15)),
    "neutral": ClassStatistics((14.0, 0.6), (161.4, 6.7), (46.7, 7.8), 49, 33, (0.40, 0.11)),
    "negative": ClassStatistics((15.5, 1.5), (163.7, 9.3), (53.3, 11.1), 479, 313, (0.13, 0.10)),
}

# The groups differ little, so that who somebody is says little about the disease.
DEFORMITY_STATISTICS: Final = {
    "asd": ClassStatistics((71.0, 6.0), (152.5, 7.5), (54.0, 9.5), 23, 4, (0.60, 0.20)),
    "dhs": ClassStatistics((72.5, 6.0), (152.5, 7.5), (51.5, 9.0), 7, 2, (0.60, 0.20)),
    "lcs": ClassStatistics((70.5, 6.5), (155.5, 8.0), (57.5, 10.0), 4, 2, (0.60, 0.20)),
    "hipoa": ClassStatistics((67.5, 7.0), (153.5, 7.5), (56.0, 9.5), 4, 1, (0.60, 0.20)),
}

DEFORMITY_PARTICIPANTS: Final = {"asd": 27, "dhs": 9, "lcs": 6, "hipoa": 2}
"""How many of each group the published dual-view cohort has."""

STATISTICS: Final = CLASS_STATISTICS | DEFORMITY_STATISTICS
"""Of every label, in the order in which participants are drawn."""

ELDERLY: Final = ClassStatistics((71.0, 6.0), (153.0, 7.5), (54.0, 9.5), 4, 1, (0.0, 0.0))
"""Elderly people without any of the diseases; ours as well."""


def count_females(statistics: ClassStatistics, participant_count: int) -> int:
    """Return how many of so many participants are female, at the group's ratio."""
    total = statistics.female_count + statistics.male_count
    return round(participant_count * statistics.female_count / total)
