"""The command line: a file a command, loaded when it is called, so that `--help` is quick.

Errors become words and an exit code here and nowhere else.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from etl import __version__
from etl.cli.answer import Answer
from etl.cli.usage import unknown_command
from etl.errors import ClickreplayError, Exit
from etl.output import outlets

_COMMANDS = {
    "check": ("etl.cli.check", "Say every mistake of a job file, and what is wrong with its inputs."),
    "plan": ("etl.cli.plan", "Read the inputs and write the outbox: everything but the posting."),
    "run": ("etl.cli.run", "Go on with what was cut, then plan and post what is new."),
    "status": ("etl.cli.status", "Show the runs of a job, also while one is at work."),
    "rejects": ("etl.cli.rejects", "What a run refused: see it, export it to be mended, replay it."),
    "purge": ("etl.cli.purge", "Take contact data away: of old runs, or of a person."),
    "sandbox": ("etl.sandbox.command", "A stand-in of the API on this machine."),
}


class _Commands(click.Group):
    """The commands by name; the module of one is imported when it is called."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(_COMMANDS[name][0]), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise unknown_command(args[0], ctx, list(_COMMANDS))
        return super().resolve_command(ctx, args)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clickreplay")
def cli() -> None:
    """Replay clickstream history into the eSputnik (Yespo) event API: nothing lost, nothing twice, everything accounted for."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code: errors of an analyst as words, ours with their stack (exit 1)."""
    given = sys.argv[1:] if arguments is None else arguments
    with outlets():
        answer = Answer(given)
        with answer.alone_on_stdout():
            code = _code_of(given, answer)
    sys.exit(code)


def _code_of(arguments: list[str], answer: Answer) -> int:
    try:
        code = cli.main(args=arguments, prog_name="clickreplay", standalone_mode=False, obj=answer)
    except click.ClickException as error:
        return answer.misused(error)
    except (click.Abort, KeyboardInterrupt):
        return answer.interrupted()
    except ClickreplayError as error:
        return answer.failed(error)
    except Exception as error:
        return answer.broken(error)
    return code if isinstance(code, int) else int(Exit.OK)
