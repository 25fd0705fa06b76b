#!/usr/bin/env python3
"""Prints how many tests of a pytest report passed, failed and were skipped. Usage: junit.py REPORT.xml

A report that is not there, or of a run without tests, is one failure.
"""

import pathlib
import sys
import xml.etree.ElementTree as xml


def main() -> None:
    report = pathlib.Path(sys.argv[1])
    if not report.exists():
        print(0, 1, 0)
        return
    suites = list(xml.parse(report).iter("testsuite"))
    total, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    print(total - failed - skipped, failed if total else 1, skipped)


if __name__ == "__main__":
    main()
