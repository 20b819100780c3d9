"""A tool server for tests, with a contract of its own that has a tool of every level, effect and scope."""
