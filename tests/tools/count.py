#!/usr/bin/env python3
"""Adds up what the steps of a run reported. Usage: count.py LOG_FOLDER [FAILED_STEP...]

Steps report in cargo's words ("test result: ok. 3 passed; 0 failed; 1 ignored") or in a line of their own
("abi: 3 passed, 0 failed, 1 skipped"). A step that failed without a failed test counts as one failure, and a
step of tests that reported nothing is a failure too.
"""

import pathlib
import re
import sys

CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.M)
PLAIN = re.compile(r"^[\w-]+: (\d+) passed, (\d+) failed, (\d+) skipped$", re.M)
SILENT = {"format", "lint", "docs", "library"}  # checks, not tests: each counts as one


def main() -> int:
    folder, broken = pathlib.Path(sys.argv[1]), set(sys.argv[2:])
    total = [0, 0, 0]
    for log in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime):
        text = log.read_text(errors="replace")
        counts = [sum(column) for column in zip(*(map(int, found) for found in CARGO.findall(text) + PLAIN.findall(text)))]
        if log.stem in SILENT:
            counts = [0, 1, 0] if log.stem in broken else [1, 0, 0]
        elif not counts or (log.stem in broken and counts[1] == 0):
            counts = [counts[0] if counts else 0, (counts[1] if counts else 0) + 1, counts[2] if counts else 0]
        print(f"{log.stem:10} {counts[0]:6} passed {counts[1]:4} failed {counts[2]:4} skipped")
        total = [sum(pair) for pair in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
