"""The dispatch service decides and records: every action walks `journey.Journey.travel`, whatever door it came through.

Read in this order: `servicers/dispatch.py` (the door), `journey.py` (the path), `actions/` (what each action means),
`journal/` (the record), `cards/` (what people see), `app.py` (how it is put together).
"""
