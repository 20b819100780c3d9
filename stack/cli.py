"""The `switchboard` command: finds the subcommand's module in one table and hands it the arguments.

Above: `.venv/bin/switchboard`. Below: `stack.commands`, one module per subcommand.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from stack.commands import COMMANDS
from stack.errors import StackError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status: 0 done, 1 could not be done, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(given).parse_args(given)
        return int(options.run(options))
    except StackError as problem:
        print(f"switchboard: {problem}", file=sys.stderr)
        return 1
    except PermissionError as problem:
        print(f"switchboard: no permission to use {problem.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough.
        sys.stderr.close()
        return 0


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for these arguments. Only the named command's module is imported: some of them load a lot."""
    parser = argparse.ArgumentParser(prog="switchboard", description="Run Switchboard on this machine.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = next((argument for argument in given if argument in COMMANDS), None)
    for name, command in COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        if name == wanted:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
