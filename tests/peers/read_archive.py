"""Reads the archives in the working directory with DuckDB or pandas, as docs/archive.md says, and prints what it finds."""

import glob
import json
import sys


def with_duckdb():
    import duckdb

    duckdb.sql("SET TimeZone = 'UTC'")
    counts = duckdb.sql("SELECT query, count(*) FROM 'searches_*.parquet' GROUP BY 1").fetchall()
    types = duckdb.sql("DESCRIBE SELECT * FROM 'searches_*.parquet'").fetchall()
    rows, seqs, tokens, first, canaries, username = duckdb.sql("""
        SELECT count(*), sum(seq), sum(token), min(received_at)::VARCHAR, count(*) FILTER (canary),
               arg_max(username, token)
        FROM 'searches_*.parquet'""").fetchall()[0]
    raw = duckdb.sql("SELECT query_raw FROM 'searches_*.parquet' WHERE query_raw IS NOT NULL").fetchall()
    return {
        "rows": rows,
        "types": {name: kind for name, kind, *_ in types},
        "queries": dict(counts),
        "seq_sum": int(seqs),
        "token_sum": int(tokens),
        "first_received_at": first.replace("+00", "+00:00"),
        "canaries": canaries,
        "username": username,
        "raw": [bytes(value).hex() for (value,) in raw],
    }


def with_pandas():
    import pandas

    searches = pandas.concat(pandas.read_parquet(file) for file in glob.glob("searches_*.parquet"))
    return {
        "rows": len(searches),
        "types": {name: str(kind) for name, kind in searches.dtypes.items()},
        "queries": {query: int(count) for query, count in searches["query"].value_counts().items()},
        "seq_sum": int(searches["seq"].sum()),
        "token_sum": int(searches["token"].sum()),
        "first_received_at": str(searches["received_at"].min()),
        "canaries": int(searches["canary"].sum()),
        "username": searches.sort_values("token")["username"].iloc[-1],
        "raw": [value.hex() for value in searches["query_raw"].dropna()],
    }


def csv_with_both():
    """The number of rows on which the two agree, text for text."""
    import duckdb
    import pandas

    files = sorted(glob.glob("searches_*.csv.gz"))
    ours = pandas.concat(pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files)
    parquet = duckdb.sql("SELECT username, query, token::VARCHAR AS token FROM 'searches_*.parquet'").fetchall()
    assert sorted(parquet) == sorted(ours[["username", "query", "token"]].itertuples(index=False, name=None))
    return len(ours)


if __name__ == "__main__":
    readers = {"duckdb": with_duckdb, "pandas": with_pandas, "csv": csv_with_both}
    print(json.dumps(readers[sys.argv[1]]()))
