"""SQL of people is read only, and bounded in time, memory, rows and files."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from jobs.core.errors import UserError
from jobs.view import database
from jobs.view.database import Database, check_expression

Served = tuple[TestClient, list[str]]


def test_a_select_is_answered(db: Database) -> None:
    answer = db.ask("select decision, count(*) n from clips group by 1 order by 2 -- a comment")
    assert answer == {
        "columns": ["decision", "n"],
        "rows": [["reject", 4], ["keep", 5]],
        "more": False,
    }
    assert db.ask("select text from captions where kind = 'dense' limit 1")["rows"][0][
        0
    ].startswith("dense")
    assert db.ask("summarize clips")["columns"][0] == "column_name"


@pytest.mark.parametrize(
    "sql",
    [
        "", "select 1; select 2", "select 1; drop view clips", "drop view clips", "create table t as select 1",
        "insert into side values (1)", "update side set rn = 0", "delete from side", "copy clips to 'x.csv'",
        "copy (select 1) to '{folder}/manifest/part-00000.parquet'", "attach '{folder}/x.db'", "install httpfs",
        "load httpfs", "set memory_limit = '99GB'", "pragma database_list", "call pragma_version()",
        "explain select 1", "export database '{folder}'", "begin", "use memory", "vacuum", "checkpoint",
        "select * from read_text('/etc/passwd')", "select * from read_csv('/etc/passwd')",
        "select * from glob('/etc/*')", "select * from '/etc/passwd'",
        "select * from read_blob('{folder}/recipe.toml')",
        "select * from read_parquet('{folder}/*.parquet')", "select * from parquet_scan('{folder}/../x.parquet')",
        "from 'https://example.com/x.parquet'", "select * from 's3://bucket/x.parquet'",
        "select * from duckdb_secrets()",
        "select * from self", "select * from db", "select nope from clips", "selec 1",
    ],
)  # fmt: skip
def test_anything_else_is_refused(db: Database, sql: str) -> None:
    folder = db.data.run.path
    before = sorted((str(p), p.stat().st_mtime_ns) for p in Path(str(folder)).rglob("*"))
    with pytest.raises(UserError) as error:
        db.ask(sql.replace("{folder}", str(folder)))
    assert "\n" not in str(error.value) and str(error.value)
    assert sorted((str(p), p.stat().st_mtime_ns) for p in Path(str(folder)).rglob("*")) == before
    assert db.ask("select count(*) from clips")["rows"] == [[9]]


def test_a_query_that_does_not_end_is_stopped(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "USER_SECONDS", 0.3)
    with pytest.raises(UserError, match="stopped after 0.3 s"):
        db.ask(
            "select count(*) from range(100000000000) a, range(1000) b where a.range * b.range % 7 = 3"
        )
    assert db.ask("select 1")["rows"] == [[1]]


def test_memory_and_rows_are_bounded(db: Database) -> None:
    answer = db.ask("select range from range(50000000)")
    assert len(answer["rows"]) == 1000 and answer["more"]
    with pytest.raises(UserError, match="memory|stopped|size"):
        db.ask("select list(range) from range(2000000000)")
    with pytest.raises(UserError, match="longer than"):
        db.ask("select 1 " + "-" * 30_000)


@pytest.mark.parametrize(
    "text", ["a > 1", "a is null or b between 1 and 2", "abs(a) < .5", "a in (1, 2)", "not a"]
)
def test_conditions_are_read(text: str) -> None:
    assert check_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a >",
        "1) or (1",
        "a; b",
        "a > (select 1)",
        "exists (from x)",
        "select 1",
        "drop table x",
        "a -- b\n) or (1",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        check_expression(text)


def test_through_the_page_too(served: Served) -> None:
    client, _ = served
    assert client.post("/api/sql", json={"sql": "select 1 as a"}).json()["rows"] == [[1]]
    answer = client.post("/api/sql", json={"sql": "copy (select 1) to '/x'"})
    assert answer.status_code == 400 and "SELECT" in answer.json()["error"]
    answer = client.post("/api/sql", json={"sql": "select 1"}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403
