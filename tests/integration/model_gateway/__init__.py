"""The door for models: alone in front of a scripted dispatch, and on the whole stack."""
