"""Questions about tables: `voxelry sql` beside DuckDB and Polars, on the same Parquet file and threads, in one run.

python3 benches/tables.py VOXELRY FOLDER [--rows N] [--threads N] [--table FILE]

Each question is asked three times and the best time counts. For Voxelry that is the whole program from its start; the
peers are asked within a process that has loaded them already.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--rows", type=int, default=10_000_000)
parser.add_argument("--threads", type=int, default=os.cpu_count())
parser.add_argument("--table", type=pathlib.Path)
arguments = parser.parse_args()
os.environ["POLARS_MAX_THREADS"] = str(arguments.threads)

import duckdb  # noqa: E402  (after the number of threads is known)
import polars  # noqa: E402

arguments.folder.mkdir(parents=True, exist_ok=True)
rows = arguments.rows
file = arguments.folder / f"objects-{rows}.parquet"
connection = duckdb.connect()
connection.execute(f"set threads = {arguments.threads}")
if not file.exists():
    connection.execute(f"""
        copy (
            select 's' || lpad((i * 1276 // {rows})::varchar, 4, '0') as sample,
                   i as label,
                   (hash(i) % 1000000)::bigint as cell,
                   exp(2 * sqrt(-2 * ln(1 - (hash(i + 1) % 1000003) / 1000003)) * cos((hash(i + 2) % 1000003) / 159155.4))
                       as volume,
                   (hash(i + 3) % 1000003) / 1000003 as sphericity
            from range({rows}) t(i)
        ) to '{file}' (format parquet, compression zstd, row_group_size 131072)""")

lazy = polars.scan_parquet(file)
column = polars.col
QUESTIONS = [
    ("mean, deviation and count by sample",
     "select sample, avg(volume) as m, stddev(volume) as s, count(*) as n from t group by sample",
     lambda: lazy.group_by("sample").agg(column("volume").mean(), column("volume").std().alias("s"), polars.len())),
    ("median by sample",
     "select sample, median(volume) as m from t group by sample",
     lambda: lazy.group_by("sample").agg(column("volume").median())),
    ("the 20 largest",
     "select sample, label, volume from t order by volume desc limit 20",
     lambda: lazy.select("sample", "label", "volume").top_k(20, by="volume")),
    ("sum and count by 1 million cells",
     "select cell, sum(volume) as v, count(*) as n from t group by cell",
     lambda: lazy.group_by("cell").agg(column("volume").sum(), polars.len())),
    ("mean of a column",
     "select avg(volume) as m from t",
     lambda: lazy.select(column("volume").mean())),
]


def best(ask):
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        ask()
        times.append(time.perf_counter() - begin)
    return min(times)


def voxelry(question):
    answer = arguments.folder / "answer.parquet"
    subprocess.run([arguments.program, "sql", str(file), question, "--threads", str(arguments.threads), "-q",
                    "-o", str(answer), "--overwrite"], check=True)


lines = [f"| {rows:,} rows, {arguments.threads} threads | Voxelry | DuckDB {duckdb.__version__} | Polars {polars.__version__} | "
         "to the better |", "|---|--:|--:|--:|--:|"]
for name, question, frame in QUESTIONS:
    theirs = question.replace(" from t", f" from '{file}'")
    own = best(lambda: voxelry(question))
    duck = best(lambda: connection.execute(theirs).arrow())
    polar = best(lambda: frame().collect())
    lines.append(f"| {name} | {own:.2f} s | {duck:.2f} s | {polar:.2f} s | × {own / min(duck, polar):.1f} |")
    print(lines[-1], file=sys.stderr)
print("\n".join(lines))
if arguments.table:
    arguments.table.write_text("\n".join(lines) + "\n")
