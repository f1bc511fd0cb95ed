"""Runs the suite, prints it, and leaves a JUnit file where the caller wants one."""

import os
import sys
import time
import unittest
from pathlib import Path
from xml.etree import ElementTree

from . import settings, test_processors


class TimedResult(unittest.TextTestResult):
    """Also remembers each case with its time and how it ended."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cases = []
        self.started = time.monotonic()

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def remember(self, test, kind=None, detail=""):
        seconds = time.monotonic() - self.started
        name = getattr(test, "_testMethodName", str(test))
        self.cases.append((type(test).__name__, name, seconds, kind, detail))

    def addSuccess(self, test):
        super().addSuccess(test)
        self.remember(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.remember(test, "failure", self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.remember(test, "error", self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.remember(test, "skipped", reason)


def write_junit(result, path):
    count = {"failure": 0, "error": 0, "skipped": 0}
    suite = ElementTree.Element("testsuite", name="acceptance", tests=str(len(result.cases)))
    for group, name, seconds, kind, detail in result.cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname=group, name=name, time=f"{seconds:.3f}"
        )
        if kind:
            count[kind] += 1
            last = detail.strip().splitlines()[-1:]
            ElementTree.SubElement(case, kind, message="".join(last)).text = detail
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(count[kind]))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def main():
    try:
        settings.check()
    except settings.SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    suite = unittest.defaultTestLoader.loadTestsFromModule(test_processors)
    result = unittest.TextTestRunner(verbosity=2, resultclass=TimedResult).run(suite)
    if folder := os.environ.get("PIPELINE_REPORT_DIR"):
        write_junit(result, Path(folder) / "junit.xml")
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
