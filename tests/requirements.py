"""The requirement ids that are claimed done. `tests/unit/test_requirements.py` holds the claim to the tests, both ways.

An id stands here when at least one test that is marked with it passes. Browser UI items of S0 (S0.2, S0.3,
S0.7, S0.8, S0.15, S0.16, S0.66, S0.69 to S0.71, S0.81, S0.87, S0.88) are not claimed: the website is not built yet.
Nor are those of permission that need it (S1.62, S1.63, S4.17, S4.18) or tool servers that are not there yet (S1.79, S1.80, S3.9,
S3.10, S3.11).
"""

_CARDS = (
    *(1, 4, 5, 6, 9, 10, 11, 12, 13, 14),
    *range(17, 41),
    *range(41, 45),
    *range(45, 58),
    *range(59, 66),
    *(67, 68),
    *(72, 73, 74, 75, 76, 77),
    *(78, 79, 80, 82, 83, 84, 85, 86),
)
_OFFICE_MANAGER = (10, 11, *range(46, 60), 61, 64, 65, 66, 77, 78, 81, 82, 83)
_PROPERTIES = (4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17, 18, 19, 20, 36, 37)
_PUSH = (*range(1, 17), *range(19, 25))

DONE = frozenset(
    f"S{document}.{number}"
    for document, numbers in ((0, _CARDS), (1, _OFFICE_MANAGER), (3, _PROPERTIES), (4, _PUSH))
    for number in numbers
)
