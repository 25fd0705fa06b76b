#!/usr/bin/env python3
"""Prints how many tests of JUnit's XML reports passed, failed and were skipped. Usage: junit.py REPORT.xml...

A report that is not there, and a run without tests, is one failure.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def main() -> None:
    reports = [pathlib.Path(name) for name in sys.argv[1:]]
    missing = sum(not report.exists() for report in reports)
    suites = [suite for report in reports if report.exists() for suite in xml.parse(report).iter("testsuite")]
    total, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    print(total - failed - skipped, failed + missing if total else 1, skipped)


if __name__ == "__main__":
    main()
