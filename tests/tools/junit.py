#!/usr/bin/env python3
"""Prints how many tests of JUnit's XML reports passed, failed and were skipped. Usage: junit.py REPORT.xml...

A report that is not there or was cut short is a failure, and so is a run without tests.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def main() -> None:
    reports = [pathlib.Path(name) for name in sys.argv[1:]]
    trees = [tree for tree in map(read, reports) if tree is not None]
    missing = len(reports) - len(trees)
    suites = [suite for tree in trees for suite in tree.iter("testsuite")]
    total, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    print(total - failed - skipped, failed + missing if total else 1, skipped)


def read(report: pathlib.Path) -> xml.ElementTree | None:
    try:
        return xml.parse(report)
    except (OSError, xml.ParseError) as error:
        print(f"{report}: {error}", file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
