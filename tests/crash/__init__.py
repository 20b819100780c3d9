"""The crash run: a whole stack under a load of writes while its processes are killed, and a reckoning afterwards.

`python -m tests.crash` (`make test-crash`) is the long run, `test_crash` the short one of `make test`.
`orders` is what visitors want and were told, `load` sends it through the front door, `kills` hits processes, `books` reads the
journal and the vendor, `reckoning` compares all of them, `report` prints.
"""
