"""The crash proof: `python -m benchmarks.crash`. A run is killed with SIGKILL again and again, and the server's record judged.

Prints one JSON object on stdout; exit 1 when a promise was broken.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.crashing.proof import Proof, prove
from benchmarks.crashing.setup import TROUBLE, TROUBLE_OF_BATCHES, Scene, Setup
from etl.sandbox.settings import Misbehaviour


@click.command()
@click.option("--rows", type=click.IntRange(200), default=200_000, show_default=True, help="Rows of the export.")
@click.option("--kills", type=click.IntRange(0), default=10, show_default=True, help="Times that the run is killed.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the export, the kills and the faults.")
@click.option("--faults/--no-faults", default=False, show_default=True, help="Resets, hangs, 429, 5xx, half answers.")
@click.option("--method", type=click.Choice(["event", "past_events"]), default="event", show_default=True)
@click.option(
    "--batch", type=click.IntRange(1, 500), default=37, show_default=True, help="Events a request, past_events."
)
@click.option("--on-unknown", type=click.Choice(["resend", "hold"]), default="resend", show_default=True)
@click.option("--concurrency", type=click.IntRange(1), default=16, show_default=True, help="Requests in flight.")
@click.option("--timeout", type=float, default=5.0, show_default=True, help="Seconds for a request.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="An empty folder to work in, kept; else a temporary one."
)
def crash(*, seed: int, faults: bool, method: str, folder: Path | None, **options: object) -> None:
    """Kill a run at random moments until it has got through, and say whether anything was lost, twice or out of turn."""
    setup = Setup(seed=seed, faults=trouble(method, seed) if faults else Misbehaviour(), method=method, **options)  # type: ignore[arg-type]
    with TemporaryDirectory() as temporary:
        scene = Scene((folder or Path(temporary)).resolve())
        scene.folder.mkdir(parents=True, exist_ok=True)
        proof = prove(setup, scene, lambda line: click.echo(line, err=True))
    click.echo(table(proof), err=True)
    click.echo(json.dumps(proof.to_json()))
    sys.exit(1 if proof.problems else 0)


def trouble(method: str, seed: int) -> Misbehaviour:
    """Return the faults for a method."""
    return replace(TROUBLE if method == "event" else TROUBLE_OF_BATCHES, seed=seed)


def table(proof: Proof) -> str:
    """Return what came of a proof, for people."""
    lines = [f"{'kill':>4}  {'phase':<9} {'after s':>8} {'accepted':>9} {'in flight':>9}"]
    lines += [
        f"{number:>4}  {death.phase:<9} {death.seconds:>8.2f} {death.accepted:>9,} {len(death.in_flight):>9}"
        for number, death in enumerate(proof.deaths, 1)
    ]
    lines.append(
        f"{proof.events:,} events expected, {proof.arrived:,} arrived: {proof.lost} lost, {proof.extras} twice "
        f"({proof.resent} resent, {proof.hidden} answers hidden by faults), {proof.unknown} unknown; "
        f"{proof.calls} calls, {proof.requests:,} requests, exit {proof.exit}, {proof.seconds:.0f} s"
    )
    return "\n".join([*lines, *(f"BROKEN: {problem}" for problem in proof.problems), "" if proof.problems else "kept"])


if __name__ == "__main__":
    crash()
