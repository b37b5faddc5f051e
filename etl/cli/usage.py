"""A slip in the command line, with the word that was meant."""

from __future__ import annotations

import click

from etl.job.mistakes import near

_DRY_RUNS = ("--dry-run", "--dryrun", "--dry")


def advised(error: click.ClickException) -> click.ClickException:
    """Return the error with what to say instead, where that is known."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    words = _instead(error.option_name, error.ctx)
    return error if words is None else click.UsageError(f"{error.message} {words}", error.ctx)


def unknown_command(name: str, context: click.Context, known: list[str]) -> click.UsageError:
    """Return the error for a command that there is not."""
    if name.endswith((".yaml", ".yml")):
        return click.UsageError(
            f"No command before {name}: say `clickreplay run {name}` or `clickreplay plan {name}`.", context
        )
    return click.UsageError(f"No such command '{name}'{near(name, known, 'commands: ' + ', '.join(known))}", context)


def _instead(option: str, context: click.Context) -> str | None:
    if option in _DRY_RUNS:
        return "`clickreplay plan JOB` is the dry run: it does everything but the posting."
    group, own = context.find_root().command, context.command
    if not isinstance(group, click.Group) or own is group:
        return None
    owners = [
        name
        for name in group.list_commands(context)
        if (command := group.get_command(context, name)) is not None and option in _options_of(command)
    ]
    if owners:
        return f"It is an option of {' and '.join(f'`{name}`' for name in owners)}."
    meant = near(option, _options_of(own)).removeprefix("; ")
    return meant.capitalize() if meant else None


def _options_of(command: click.Command) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
