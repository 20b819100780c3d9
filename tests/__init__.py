"""The test suite. A package, so that fixture plugins (`tests/fix_*.py`) and test folders have unambiguous names."""
