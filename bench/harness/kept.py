"""Results that are kept row by row, so that a run can be cut in pieces and a row be measured anew."""

import json
import os

from . import RESULTS, report


class Kept:
    """The rows of a file in bench/results, by the values of `key`. Each has the commit at which it was measured; what is put is on the disk at once."""

    def __init__(self, name, key, folder=RESULTS, **more):
        self.name, self.key, self.folder = name, key, folder
        self.around = report.circumstances(**more)
        self._rows = {}
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path) as file:
                told = json.load(file)
            self._rows = {self._of(row): row for row in told["rows"]}

    def has(self, *key):
        """Whether this commit has measured it, without a fault."""
        row = self._rows.get(key)
        return row is not None and row["commit"] == self.around["commit"] and "fault" not in row

    def get(self, *key):
        return self._rows.get(key)

    def put(self, *rows):
        for row in rows:
            self._rows[self._of(row)] = {**row, "commit": self.around["commit"]}
        report.save(self.name, {**self.around, "rows": self.rows()}, self.folder)

    def rows(self):
        return [self._rows[key] for key in sorted(self._rows, key=lambda key: tuple((str(type(part)), part) for part in key))]

    def _of(self, row):
        return tuple(row[part] for part in self.key)
