"""What can go wrong, named for what the caller does next, with the exit code of each.

One root (:class:`ClickreplayError`); the CLI turns it into words and a code in one place. Anything else that reaches the CLI is a
bug of ours (exit 1).
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of DESIGN: a contract that schedulers rely on."""

    OK = 0
    BUG = 1
    USAGE = 2
    PARTIAL = 3
    INPUT = 4
    GUARD = 5
    AGAIN = 75
    REFUSED = 77


# RULES §8: of several codes the worst wins, in this order; a mistake in the job waits for people, as a refusal does.
_WORST_FIRST = (Exit.BUG, Exit.REFUSED, Exit.USAGE, Exit.GUARD, Exit.INPUT, Exit.AGAIN, Exit.PARTIAL, Exit.OK)


def worst(codes: list[Exit]) -> Exit:
    """Return the code that stands for several calls in one (RULES §8); OK when there are none."""
    return min(codes, key=_WORST_FIRST.index, default=Exit.OK)


class ClickreplayError(Exception):
    """A mistake or a state of the world that an analyst can act upon; `hint` says what to do next."""

    exit: Exit = Exit.BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        # Lines within it are set in: what data or a file's name puts there does not read as a message of ours.
        return "\n".join([self.message, *([self.hint] if self.hint else [])]).replace("\n", "\n  ")


class JobError(ClickreplayError):
    """The job file or the command line is wrong (exit 2)."""

    exit = Exit.USAGE


class InputError(ClickreplayError):
    """An input is missing or cannot be read (exit 4)."""

    exit = Exit.INPUT


class GoneInputError(InputError):
    """A file that the job names is not there (exit 4)."""


class MissingInputError(GoneInputError):
    """There is no input at all (exit 4): nothing was found at any of the source's paths."""


class GuardError(ClickreplayError):
    """A guard stopped the run (exit 5); `guard` is its name in the JSON."""

    exit = Exit.GUARD

    def __init__(self, guard: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.guard = guard


class StateError(GuardError):
    """The state folder cannot be trusted or used: damaged, newer, of another job, full (exit 5)."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__("state", message, hint=hint)


class AgainError(ClickreplayError):
    """Another run of this job is at work, or the call was interrupted: run again to go on (exit 75)."""

    exit = Exit.AGAIN


class BusyError(AgainError):
    """Another call of this job is at work (exit 75)."""


class RefusedError(ClickreplayError):
    """Credentials, account or endpoint were refused (exit 77)."""

    exit = Exit.REFUSED
