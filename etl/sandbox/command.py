"""`clickreplay sandbox`: the stand-in server by hand."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click

from etl.sandbox.settings import HELP, Misbehaviour, Settings

_Command = TypeVar("_Command", bound=Callable[..., Any])

_TYPES: dict[str, Any] = {"int": int, "float": float, "int | None": int, "float | None": float}


def _fault_options(command: _Command) -> _Command:
    """Give the command an option for each field of Misbehaviour."""
    for each in reversed(fields(Misbehaviour)):
        name = "--" + each.name.replace("_", "-")
        kind = str(each.type)
        if kind == "bool":
            command = click.option(name, is_flag=True, help=each.metadata[HELP])(command)
            continue
        rate = each.name.startswith("rate_")
        command = click.option(
            name,
            type=click.FloatRange(0, 1) if rate else _TYPES[kind],
            default=each.default,
            metavar="P" if rate else None,
            show_default=not rate and each.default is not None,
            help=("Probability: " if rate else "") + each.metadata[HELP],
        )(command)
    return command


@click.command("sandbox", short_help="A stand-in of the API on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8009, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback unless you say otherwise.")
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sandbox.sqlite"),
    show_default=True,
    help="SQLite file of all that was accepted; an existing one is continued.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    envvar="CLICKREPLAY_SANDBOX_KEY",
    help="Accept only this made-up API key (again for more); any key without it. Never give your real one.",
)
@click.option("--no-right-key", "no_right", multiple=True, help="A key that lacks the right: 403.")
@click.option("--info-right/--no-info-right", default=True, help="Whether keys may ask account/info (else 403).")
@click.option(
    "--organisation", default=Settings().organisation, show_default=True, help="Name that account/info gives."
)
@click.option("--limit/--no-limit", default=True, help="Keep the API's limits a second: 429 above them.")
@click.option(
    "--limit-event", type=click.IntRange(1), default=350, show_default=True, help="v2/event, requests a second."
)
@click.option(
    "--limit-past-events",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="past_events, requests a second.",
)
@click.option(
    "--check-types/--no-check-types",
    default=True,
    show_default=True,
    help="Refuse site-activity events whose structure is not the documented one.",
)
@click.option(
    "--too-large",
    type=click.Choice(["413", "400"]),
    default="413",
    show_default=True,
    help="Status of an event over 20 KB.",
)
@click.option("--repeat-409", type=float, metavar="SECONDS", help="409 for the same body again within this time.")
@click.option("--depth/--no-depth", default=True, help="past_events: refuse events older than two years.")
@click.option(
    "--segmentation-off",
    multiple=True,
    metavar="TYPE",
    help="past_events: EVENT_SEGMENTATION_DISABLED for it; * for all.",
)
@_fault_options
@click.option(
    "--json", "as_json", is_flag=True, help='Print one line {"url", "record"} when ready; other text to stderr.'
)
def sandbox(
    *,
    port: int,
    host: str,
    record: Path,
    keys: tuple[str, ...],
    no_right: tuple[str, ...],
    info_right: bool,
    organisation: str,
    limit: bool,
    limit_event: int,
    limit_past_events: int,
    check_types: bool,
    too_large: str,
    repeat_409: float | None,
    depth: bool,
    segmentation_off: tuple[str, ...],
    as_json: bool,
    **misbehaviour: Any,
) -> None:
    """Serve a stand-in of the eSputnik (Yespo) API until Ctrl-C, and record all that it accepts.

    It keeps the documented contract of v2/event, v2/past_events and account/info, and misbehaves when told to. Point a
    job at it with delivery.api; nothing that it accepts is ever sent anywhere.
    """
    settings = Settings(
        keys=keys,
        no_right=no_right,
        info_right=info_right,
        organisation=organisation,
        limit_event=limit_event if limit else None,
        limit_past_events=limit_past_events if limit else None,
        limit_other=Settings().limit_other if limit else None,
        check_types=check_types,
        too_large=int(too_large),
        repeat_409=repeat_409,
        depth_days=Settings().depth_days if depth else None,
        segmentation_off=segmentation_off,
        misbehaviour=Misbehaviour(**misbehaviour),
    )
    asyncio.run(_serve(record, host, port, settings, as_json=as_json))


async def _serve(record: Path, host: str, port: int, settings: Settings, *, as_json: bool) -> None:
    # Here, so that `--help` does not wait for aiohttp.
    from etl.sandbox.server import Sandbox

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    server = Sandbox(record, settings)
    async with server.serve(host, port) as url:
        if as_json:
            click.echo(json.dumps({"url": url, "record": str(record)}))
        click.echo(_welcome(url, record, settings), err=as_json)
        if not _loopback(host):
            click.echo(f"Note: {host} is open to other machines, and the record holds what they send.", err=True)
        await stop.wait()
    click.echo(_summary(server.requests, dict(server.accepted)), err=as_json)


def _welcome(url: str, record: Path, settings: Settings) -> str:
    key = "the key given" if settings.keys else "any key"
    return (
        f"The sandbox listens at {url}\n"
        f"Point a job at it:  delivery.api: {url}   (or: --set delivery.api={url}), with {key}\n"
        f"Record: {record}\n"
        "Stop with Ctrl-C."
    )


def _summary(requests: int, accepted: dict[str, int]) -> str:
    lines = [f"{requests} requests, {sum(accepted.values())} events accepted"]
    lines += [f"  {type_}: {count}" for type_, count in sorted(accepted.items())]
    return "\n".join(lines)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
