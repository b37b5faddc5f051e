"""The backfill proof: `python -m benchmarks.backfill`. Thirty days in one command, cut again and again, and the server's record judged.

Five cuts at random (SIGKILL and SIGTERM), one SIGTERM in the middle of a bulk pause, one window that closes while events go out. Prints
one JSON object on stdout; exit 1 when a promise was broken.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.crashing.days import Backfill, prove_backfill
from benchmarks.crashing.setup import Scene, Setup
from etl.sandbox.settings import Misbehaviour


@click.command()
@click.option("--days", type=click.IntRange(2), default=30, show_default=True, help="Days, an export each.")
@click.option("--rows", type=click.IntRange(40), default=2_000, show_default=True, help="Rows of each export, about.")
@click.option("--cuts", type=click.IntRange(0), default=5, show_default=True, help="Cuts at random.")
@click.option("--rate", type=click.IntRange(1), default=350, show_default=True, help="Requests a second.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the exports and the cuts.")
@click.option(
    "--closing/--closed", default=True, show_default=True, help="A window that closes, or one that is closed."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="An empty folder to work in, kept; else a temporary one."
)
def backfill(*, days: int, rows: int, cuts: int, rate: int, seed: int, closing: bool, folder: Path | None) -> None:
    """Cut a backfill until it has got through, and say whether anything was lost, twice or out of turn."""
    # Answers take a while, so that a kill catches requests on their way.
    setup = Setup(rows=rows, kills=cuts, seed=seed, rate=rate, faults=Misbehaviour(latency=0.03))
    with TemporaryDirectory() as temporary:
        scene = Scene((folder or Path(temporary)).resolve())
        scene.folder.mkdir(parents=True, exist_ok=True)
        proof = prove_backfill(setup, scene, days, closing=closing, say=lambda line: click.echo(line, err=True))
    click.echo(table(proof), err=True)
    click.echo(json.dumps(proof.to_json()))
    sys.exit(1 if proof.problems else 0)


def table(proof: Backfill) -> str:
    """Return what came of a proof, for people."""
    lines = [f"{'cut':<16} {'at':<10} {'accepted':>9} {'in flight':>9}"]
    lines += [f"{done.how:<16} {done.day or '':<10} {done.accepted:>9,} {done.in_flight:>9}" for done in proof.cuts]
    lines.append(
        f"{proof.days} days, {proof.events:,} events expected, {proof.arrived:,} arrived: {proof.lost} lost, {proof.doubles} twice of "
        f"{proof.listed} that were in flight at a cut; {proof.calls} calls, exit {proof.exit}, {proof.seconds:.0f} s; "
        f"a call on the finished days takes {proof.again_seconds:.1f} s"
    )
    return "\n".join([*lines, *(f"BROKEN: {problem}" for problem in proof.problems), "" if proof.problems else "kept"])


if __name__ == "__main__":
    backfill()
