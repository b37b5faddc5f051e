"""The crash matrix: `python -m benchmarks.crash_matrix --kills 500`. Both methods, both policies, faults on, SIGKILL at random.

The kills are shared out evenly over runs, each with an export, a seed and a server's record of its own. Prints a table and
one JSON object; exit 1 when a promise was broken.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from benchmarks.crash import table, trouble
from benchmarks.crashing.proof import Proof, prove
from benchmarks.crashing.setup import Scene, Setup

_METHODS, _POLICIES = ("event", "past_events"), ("resend", "hold")


@click.command()
@click.option("--kills", type=click.IntRange(4), default=500, show_default=True, help="SIGKILLs in all.")
@click.option("--each", type=click.IntRange(1), default=25, show_default=True, help="Kills a run, about.")
@click.option("--rows", type=click.IntRange(200), default=10_000, show_default=True, help="Rows of each export.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of exports, kills and faults.")
def main(kills: int, each: int, rows: int, seed: int) -> None:
    """Run it all, one proof after the other."""
    kinds = list(itertools.product(_METHODS, _POLICIES))
    rounds = max(1, round(kills / each / len(kinds)))
    proofs: list[tuple[str, Proof]] = []
    for number, (method, policy) in enumerate(itertools.islice(itertools.cycle(kinds), rounds * len(kinds))):
        mine = seed * 1000 + number
        share = kills // (rounds * len(kinds)) + (number < kills % (rounds * len(kinds)))
        faults = trouble(method, mine)
        setup = Setup(
            rows=rows, kills=share, seed=mine, faults=faults, method=method, on_unknown=policy, timeout=1.5, batch=13
        )
        with TemporaryDirectory() as folder:
            proof = prove(setup, Scene(Path(folder)))
        proofs.append((f"{method}, {policy}", proof))
        click.echo(f"run {number + 1}, seed {mine}, {method}, {policy}\n{table(proof)}\n", err=True)
    click.echo(
        json.dumps(
            {
                "kills": sum(len(p.deaths) for _, p in proofs),
                "kinds": [_sum(k, proofs) for k in sorted({k for k, _ in proofs})],
            },
            indent=1,
        )
    )
    sys.exit(1 if any(proof.problems for _, proof in proofs) else 0)


def _sum(kind: str, proofs: list[tuple[str, Proof]]) -> dict[str, Any]:
    mine = [proof for name, proof in proofs if name == kind]
    counts = ("events", "arrived", "lost", "extras", "resent", "unknown", "hidden", "calls")
    return {
        "kind": kind,
        "runs": len(mine),
        "kills": sum(len(proof.deaths) for proof in mine),
        "kills_in_flight": sum(bool(death.in_flight) for proof in mine for death in proof.deaths),
        "most_in_flight": max((len(death.in_flight) for proof in mine for death in proof.deaths), default=0),
        **{name: sum(getattr(proof, name) for proof in mine) for name in counts},
        "problems": [problem for proof in mine for problem in proof.problems],
    }


if __name__ == "__main__":
    main()
