"""The Housecall Pro tool server as a process, against the sandbox as another."""
