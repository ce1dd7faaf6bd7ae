#!/usr/bin/env python3
"""Writes tests/fuzz/rows.arrow: the first rows of data/census_nano.csv.gz as an Arrow IPC stream.

    pip install pyarrow
    scripts/golden/rows_arrow.py
"""
import pathlib

import pyarrow.csv

ROOT = pathlib.Path(__file__).parents[2]
options = pyarrow.csv.ConvertOptions(null_values=["", "?"], strings_can_be_null=True)
table = pyarrow.csv.read_csv(ROOT / "data/census_nano.csv.gz", convert_options=options)[:3]
with pyarrow.ipc.new_stream(ROOT / "tests/fuzz/rows.arrow", table.schema) as stream:
    stream.write(table)
