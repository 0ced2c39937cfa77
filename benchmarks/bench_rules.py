"""What rules cost: microseconds for one decision of 50 rules, and beside it rule-engine evaluating the same.

    python -m benchmarks.bench_rules [--rules 50] [--decisions 10000]

Each rule has four comparisons; one in seven fires, one in ten is unknown. Facts are fresh for each decision.
"""

import argparse
import time
from collections.abc import Callable
from datetime import datetime

import rule_engine

from rules.actions import Route
from rules.decisions import decide
from rules.facts import Facts
from rules.ruleset import Rule, RuleSet
from rules.trace import explain

MODALITIES = ("CT", "MR", "US", "CR", "DX", "PT", "MG")
NOON = datetime(2024, 3, 1, 12)


def rules(count: int) -> RuleSet:
    """Return rules as a site has them: by modality, then station, size, type or body part."""
    made = []
    for number in range(count):
        modality = MODALITIES[number % len(MODALITIES)]
        station = '(Manufacturer ?? "") != "ACME"' if number % 10 else 'Manufacturer != "ACME"'
        when = (
            f'Modality == "{modality}" and {station} and Rows >= {number % 5 * 64}'
            f' and ("PRIMARY" in ImageType or SeriesDescription =~ "(?i)thorax {number}")'
        )
        made.append(Rule(f"rule {number}", when, (Route((f"PEER{number % 8}",)),)))
    return RuleSet(tuple(made))


def facts(number: int) -> Facts:
    """Return an instance."""
    return Facts(
        {
            "Modality": MODALITIES[number % len(MODALITIES)],
            "StationName": f"ST{number}",
            "Rows": "512",
            "ImageType": "ORIGINAL\\PRIMARY\\AXIAL",
            "SeriesDescription": "Thorax 1.0 B60f",
            "origin.way": "dimse",
            "origin.calling_ae": "SCANNER",
        }
    )


def microseconds(run: Callable[[int], object], times: int) -> float:
    """Return what one call costs, in the best of three rounds."""
    run(0)
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        for number in range(times):
            run(number)
        best = min(best, time.perf_counter() - begin)
    return best / times * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_rules", description=__doc__)
    parser.add_argument("--rules", type=int, default=50)
    parser.add_argument("--decisions", type=int, default=10_000)
    arguments = parser.parse_args()
    ruleset = rules(arguments.rules)
    begin = time.perf_counter()
    _ = ruleset.compiled
    print(f"{arguments.rules} rules made ready in {(time.perf_counter() - begin) * 1e3:.0f} ms")
    peers = {f"PEER{number}": f"AE{number}" for number in range(8)}
    decision = microseconds(lambda n: decide(ruleset, facts(n), NOON, peers=peers), arguments.decisions // 3)
    print(f"decide   {decision:8.1f} us for each instance")
    traced = microseconds(lambda n: explain(ruleset, facts(n), NOON, peers=peers), 100)
    print(f"explain  {traced:8.1f} us")
    theirs = [rule_engine.Rule(rule.when, rule_engine.Context(default_value=None)) for rule in ruleset.rules]
    values = {**facts(0).values, "Rows": 512, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}
    other = microseconds(lambda n: [rule.matches(values) for rule in theirs], 30)
    print(f"rule-engine's own evaluation of the same conditions {other:8.1f} us, without an unknown and why")


if __name__ == "__main__":
    main()
