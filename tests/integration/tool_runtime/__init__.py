"""The tool-server runtime, seen from outside: over HTTP, with a servicer that answers at once."""
