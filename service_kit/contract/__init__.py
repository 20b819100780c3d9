"""The contract-derived runtime: parsing, normalising, validating, redacting, rendering and describing any message.

Above: every service, which hands in messages and documents. Below: generated descriptors and their options. Everything is
compiled once per message type into a plan (`fields`), so that a call pays for its data and not for reflection.
"""
