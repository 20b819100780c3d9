"""What every Switchboard service shares: settings, logging, Postgres, errors, telemetry and the contract runtime.

Nothing in here knows a particular service, tool or action; services import it, it imports none of them.
"""
