"""Files become logs: layouts seen or said, schemas, limits, and the way back."""

import gzip
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import doworld as dw
from doworld._core.errors import DataError, DoworldWarning, SchemaError, UnknownNameError
from doworld.data import Kind, Policy, Role, Schema, Trajectories, Variable
from doworld.data.files import Limit, read
from doworld.data.schema_file import read_schema, write_schema

RUN = "t,T1,Q1\n0,20.5,0\n1,21.25,50\n2,22.0,\n"
ROLES = {"state": "T1", "action": "Q1", "time": "t"}


@pytest.fixture
def run(tmp_path):
    """A function that writes a file and returns its path."""

    def make(content: str, name: str = "run.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            gzip.compress(content.encode()) if name.endswith("gz") else content.encode()
        )
        return path

    return make


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.csv", RUN),
        ("run.csv.gz", RUN),
        ("run.tsv", RUN.replace(",", "\t")),
        ("run.txt", RUN.replace(",", ";")),
        ("run.csv", " t, T1 ,Q1\n0, 20.5,0\n1, 21.25,50\n2, 22.0,\n"),
        ("run.dat", "t T1   Q1\n0 20.5 0\n 1  21.25 50\n2 22.0 NA\n"),
        ("run.csv", RUN.replace("\n", "\r")),
        ("run.csv", "\ufeff" + RUN.replace("\n", "\r\n")),
    ],
)
def test_layouts_are_seen(run, name, content):
    log = read(run(content, name), **ROLES)
    assert log.column("T1").tolist() == [20.5, 21.25, 22.0]
    np.testing.assert_array_equal(log.column("Q1"), [0, 50, np.nan])
    assert log.labels == ("run",)
    assert log.schema["Q1"].kind is Kind.COUNT


def test_parquet(run, tmp_path):
    pl.read_csv(run(RUN)).write_parquet(tmp_path / "run.parquet")
    log = read(tmp_path / "run.parquet", **ROLES)
    assert log.column("T1").tolist() == [20.5, 21.25, 22.0]
    with pytest.raises(DataError, match="more than the limit of 2 rows"):
        read(tmp_path / "run.parquet", **ROLES, limit=Limit(rows=2))
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "run.parquet").read_bytes()[:100])
    with pytest.raises(DataError, match="no Parquet file, or is cut off"):
        read(tmp_path / "cut.parquet", **ROLES)


def test_no_header(run):
    path = run(RUN.split("\n", 1)[1])
    with pytest.raises(DataError, match=r"no header line.*names=\["):
        read(path, **ROLES)
    assert read(path, names=["t", "T1", "Q1"], **ROLES).rows == 3
    with pytest.raises(SchemaError, match=r"2 names are given.*3 columns"):
        read(path, names=["t", "T1"], **ROLES)
    renamed = read(run(RUN), names=["time", "temp", "heat"], state="temp", time="time")
    assert renamed.rows == 3


def test_folder_of_episodes_in_natural_order(run, tmp_path):
    for number in (10, 2, 1):
        run(RUN, f"logs/run{number}.csv")
    run("LABEL,UNIT\nT1,K\n", "logs/Metadata.csv")
    folder = tmp_path / "logs"
    log = read(folder, pattern="run*.csv", **ROLES)
    assert log.labels == ("run1", "run2", "run10")
    assert log.transitions == 6
    with pytest.raises(UnknownNameError, match=r"column of Metadata\.csv"):
        read(folder, **ROLES)
    with pytest.raises(DataError, match=r"no file like '\*\.xls'"):
        read(folder, pattern="*.xls", **ROLES)
    some = read([folder / "run2.csv", folder / "run1.csv"], **ROLES)
    assert some.labels == ("run2", "run1")


def test_folder_with_an_episode_column_and_environments_from_names(run, tmp_path):
    table = "ep,T1\n01,1.5\n01,2\n02,3\n02,4\n"
    run(table, "logs/Oslo__a.csv")
    run(table, "logs/Rome__a.csv")
    log = read(tmp_path / "logs", state="T1", episode="ep", environment_from="^([A-Z][a-z]+)__")
    assert log.labels == ("Oslo__a/01", "Oslo__a/02", "Rome__a/01", "Rome__a/02")
    assert log.schema.environments == ("Oslo", "Rome")
    with pytest.raises(DataError, match=r"matches nothing in 'Oslo__a\.csv'"):
        read(tmp_path / "logs", state="T1", episode="ep", environment_from="Paris")
    with pytest.raises(SchemaError, match="no regular expression"):
        read(tmp_path / "logs", state="T1", episode="ep", environment_from="(")


def test_missing_values(run):
    path = run("t,T1,Q1\n0,-9999,0\n1,21.5,-9999\n2,NA,1\n3,24.5,off\n")
    log = read(path, missing=[-9999, "off", "NA"], **ROLES)
    np.testing.assert_array_equal(log.column("T1"), [np.nan, 21.5, np.nan, 24.5])
    np.testing.assert_array_equal(log.column("Q1"), [0, np.nan, 1, np.nan])
    assert log.schema["Q1"].kind is Kind.BINARY
    only_numbers = read(
        run("t,T1,Q1\n0,-9999,0\n1,NA,2\n2,20.5,1\n3,21,1\n"), missing=[-9999], **ROLES
    )
    assert only_numbers.missing[:, 0].tolist() == [True, True, False, False]


def test_rename_lines_files_up_and_flags_mixed_units(run, tmp_path):
    run("Time (sec),Temperature 1 (degC),Heater 1 (%)\n0,20,0\n1,21.5,30\n2,23,\n", "logs/a.csv")
    run("t,T1 (K),Q1\n0,294.5,0\n1,295,30\n2,296,\n", "logs/b.csv")
    rename = {
        "Time (sec)": "t",
        "Temperature 1 (degC)": "T1",
        "Heater 1 (%)": "Q1",
        "T1 (K)": "T1",
    }
    with pytest.warns(DoworldWarning) as caught:
        log = read(tmp_path / "logs", rename=rename, **ROLES)
    said = " ".join(str(w.message) for w in caught)
    assert "'T1' has mixed units: degC in a.csv and K in b.csv" in said
    assert "°C = K − 273.15" in said
    assert any("mixed units" in n for n in log.notes)
    assert log.schema["Q1"].unit == "%"
    celsius = {"T1": Variable("T1", unit="°C")}
    with pytest.warns(DoworldWarning, match="mixed units: °C in the schema and K in b.csv"):
        read(tmp_path / "logs" / "b.csv", rename=rename, variables=celsius, **ROLES)


SCHEMA = """
version: 1
variables:
  T1: {role: state, unit: °C, bounds: [0, 100], description: near the heater, entity: rig}
  Q1: {role: action, kind: continuous, unit: "%"}
columns: {time: t}
policy: randomised
missing: [-9999]
rename: {temp: T1}
"""


def test_schema_beside_the_file(run):
    path = run(RUN.replace("T1", "temp"))
    run(SCHEMA, "schema.yaml")
    log = read(path)
    assert log.schema["T1"].unit == "°C"
    assert log.schema["T1"].bounds == (0, 100)
    assert log.schema["T1"].entity == "rig"
    assert log.schema["T1"].kind is Kind.CONTINUOUS
    assert log.schema["Q1"].kind is Kind.CONTINUOUS
    assert log.schema.policy is Policy.RANDOMISED
    own = run(SCHEMA.replace("unit: °C", "unit: K"), "run.schema.yaml")
    assert read(path).schema["T1"].unit == "K"
    assert read(path, schema=own, time_unit="min").schema.time_unit == "min"
    without = read(path, state="T1", time="t")
    assert without.schema.names == ("T1",)
    assert without.schema["T1"].unit == "K"


def test_schema_object(run):
    schema = Schema((Variable("T1", unit="°C"), Variable("Q1", Role.ACTION)), time_unit="s")
    log = read(run(RUN), schema=schema, time="t")
    assert log.schema.variables == schema.variables
    assert log.schema.time_unit == "s"
    # the columns that its own log had are found again, and without one its step is taken
    assert log.schema.time_column == "t"
    again = read(run(RUN), schema=log.schema)
    assert (len(again), again.schema.step) == (1, log.schema.step)
    assert read(run(RUN), schema=replace(schema, step=2.0)).schema.step == 2.0
    with pytest.warns(DoworldWarning, match="has no column 'clock'"):
        read(run(RUN), schema=replace(schema, time_column="clock"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("columns:", "colums:"), UnknownNameError, "'colums'.*'columns'"),
        (("unit: °C", "units: °C"), UnknownNameError, r"variables\.T1 is called 'units'.*'unit'"),
        (("{time: t}", "{tme: t}"), UnknownNameError, "'tme'.*'time'"),
        (("role: state", "role: stat"), SchemaError, r"T1\.role.*'state'.*'stat' is written"),
        (("version: 1", "version: 2"), SchemaError, "newer than 1. Update"),
        (("  Q1:", "  T1:"), SchemaError, "'T1' is written twice"),
        (("unit: °C", "unit: yes"), SchemaError, "put it in quotes"),
        (("{time: t}", "{time: ["), SchemaError, "no YAML"),
        (("[0, 100]", "[100, 0]"), SchemaError, "lower above upper"),
        (("kind: continuous", "kind: categorical"), SchemaError, "names no categories"),
        ((SCHEMA, "3"), SchemaError, "holds no keys"),
        (("[-9999]", "!!python/object:os.system []"), SchemaError, "no YAML"),
    ],
)
def test_bad_schemas(run, change, error, message):
    path = run(RUN)
    run(SCHEMA.replace(*change), "schema.yaml")
    with pytest.raises(error, match=message):
        read(path)


def test_nothing_says_what_the_columns_mean(run):
    with pytest.raises(SchemaError, match=r"state=\[\.\.\.\].*'t', 'T1', 'Q1'"):
        read(run(RUN))


def test_files_that_cannot_be_read(run, tmp_path):
    path = run(RUN)
    with pytest.raises(UnknownNameError, match=r"'rum\.csv'.*'run\.csv'"):
        read(tmp_path / "rum.csv", **ROLES)
    with pytest.raises(UnknownNameError, match="schema file"):
        read(path, schema=tmp_path / "none.yaml")
    with pytest.raises(UnknownNameError, match=r"column of run\.csv is called 'T11'.*'T1'"):
        read(path, state="T11")
    with pytest.raises(DataError, match="is empty"):
        read(run("\n", "empty.csv"), **ROLES)
    with pytest.raises(DataError, match="0 rows"):
        read(run("t,T1,Q1\n", "head.csv"), **ROLES)
    with pytest.raises(DataError, match="no format that can be read"):
        read(run("x", "log.xlsx"), **ROLES)
    with pytest.raises(DataError, match="more than the limit of 20 bytes"):
        read(path, limit=Limit(bytes=20), **ROLES)
    with pytest.raises(DataError, match="more than the limit of 2 rows"):
        read(path, limit=Limit(rows=2), **ROLES)
    with pytest.raises(DataError, match="columns that are called 'T1'"):
        read(run("t,T1,T1,Q1\n0,1,2,3\n", "twice.csv"), **ROLES)
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(RUN.encode() * 99)[:60])
    with pytest.raises(DataError, match="cut off"):
        read(tmp_path / "cut.csv.gz", **ROLES)
    (tmp_path / "latin.csv").write_bytes(RUN.replace("T1", "T°").encode("latin-1"))
    with pytest.raises(DataError, match="encoding='latin-1'"):
        read(tmp_path / "latin.csv", state="T°", time="t")
    log = read(tmp_path / "latin.csv", state="T°", time="t", encoding="latin-1")
    assert log.schema.names == ("T°",)
    with pytest.raises(DataError, match="no regular table"):
        read(run("t,T1,Q1\n0,1,2\n0,1,2,3,4\n", "ragged.csv"), **ROLES)


def test_a_gzip_bomb_stops_at_the_limit(tmp_path):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 50_000_000))
    with pytest.raises(DataError, match="more than the limit of 1,000,000 bytes"):
        read(tmp_path / "bomb.csv.gz", limit=Limit(bytes=1_000_000), **ROLES)


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=6
).filter(lambda s: s.strip())
numbers = st.floats(allow_nan=True, allow_infinity=False, width=64)


@st.composite
def parts(draw):
    """What a log with every kind, role, gap and end is made of, as plain data."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    rows, episodes = sum(lengths), len(lengths)
    levels = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    places = draw(st.lists(names, min_size=1, max_size=3, unique=True))

    def column(cell, first):
        return [
            first,
            *draw(st.lists(cell | st.just(np.nan), min_size=rows - 1, max_size=rows - 1)),
        ]

    def each(cell, count=episodes, unique=False):
        return draw(st.lists(cell, min_size=count, max_size=count, unique=unique))

    return {
        "lengths": lengths,
        "called": draw(st.lists(names, min_size=4, max_size=4, unique_by=str.strip)),
        "levels": levels,
        "places": places,
        "columns": [
            column(numbers, draw(st.floats(-1e9, 1e9))),
            column(st.integers(0, len(levels) - 1).map(float), 0.0),
            column(st.sampled_from([0.0, 1.0]), 1.0),
            column(st.integers(0, 1000).map(float), 3.0),
        ],
        "step": draw(st.sampled_from([0.1, 1.0, 60.0])),
        "policy": draw(st.sampled_from(list(Policy))),
        "environment": each(st.integers(0, len(places) - 1)),
        "terminated": each(st.booleans()),
        "truncated": each(st.booleans()),
        "labels": each(names, unique=True),
        "propensity": each(st.floats(0.01, 1.0) | st.just(np.nan), count=rows),
        "has_propensity": draw(st.booleans()),
        "notes": draw(st.lists(names, max_size=2, unique=True)),
    }


def build(made: dict) -> Trajectories:
    """The log of such parts; outside the strategy, because type checks draw at random."""
    lengths, called = made["lengths"], made["called"]
    step = 0.0 if max(lengths) == 1 else made["step"]
    variables = (
        Variable(called[0], Role.STATE, unit="°C"),
        Variable(called[1], Role.ACTION, Kind.CATEGORICAL, categories=tuple(made["levels"])),
        Variable(called[2], Role.CONTEXT, Kind.BINARY, description=called[0], entity="42"),
        Variable(called[3], Role.REWARD, Kind.COUNT, bounds=(0, np.inf)),
    )
    return Trajectories(
        schema=Schema(variables, step, "s", tuple(made["places"]), made["policy"]),
        values=np.array(made["columns"]).T,
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        times=np.concatenate([np.arange(n) * step for n in lengths]),
        environment=np.array(made["environment"]),
        terminated=np.array(made["terminated"]),
        truncated=np.array(made["truncated"]),
        labels=tuple(made["labels"]),
        propensity=np.array(made["propensity"]) if made["has_propensity"] else None,
        notes=tuple(made["notes"]),
    )


@pytest.mark.filterwarnings("ignore::doworld._core.errors.DoworldWarning")
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(made=parts(), ending=st.sampled_from(["x.csv", "x.parquet", "folder"]))
def test_write_and_read_lose_nothing(made, ending, tmp_path_factory):
    log = build(made)
    path = tmp_path_factory.mktemp("log") / ending
    log.write(path)
    again = read(path)
    np.testing.assert_array_equal(again.values, log.values)
    np.testing.assert_array_equal(again.times, log.times)
    np.testing.assert_array_equal(again.starts, log.starts)
    np.testing.assert_array_equal(again.environment, log.environment)
    np.testing.assert_array_equal(again.terminated, log.terminated)
    np.testing.assert_array_equal(again.truncated, log.truncated)
    assert again.labels == log.labels
    assert again.notes[: len(log.notes)] == log.notes
    assert (again.propensity is None) == (log.propensity is None)
    if log.propensity is not None and again.propensity is not None:
        np.testing.assert_array_equal(again.propensity, log.propensity)
        known = Policy.KNOWN if log.schema.policy is Policy.UNKNOWN else log.schema.policy
        assert again.schema.policy is known
    assert again.schema.variables == log.schema.variables
    assert (again.schema.step, again.schema.time_unit) == (log.schema.step, log.schema.time_unit)
    assert again.schema.environments == log.schema.environments


def test_schema_file_round_trip(tmp_path):
    schema = Schema(
        (
            Variable("on", kind=Kind.CATEGORICAL, categories=("yes", "no", "1", "1.0", "null")),
            Variable("null", Role.ACTION, unit="%", bounds=(-1e-300, np.inf)),
        ),
        step=0.1,
        time_unit="no",
        environments=("true", "07"),
        policy=Policy.KNOWN,
    )
    content = read_schema(write_schema(schema, tmp_path / "schema.yaml"))
    assert tuple(content.roles().variables.values()) == schema.variables
    assert content.environments == schema.environments
    assert content.time_unit == "no"


def test_writing_needs_a_known_format(tmp_path, run):
    log = read(run(RUN), **ROLES)
    with pytest.raises(DataError, match=r"as '\.xlsx'"):
        log.write(tmp_path / "log.xlsx")


def test_one_row_of_columns_is_all_that_is_loaded_of_a_wide_file(shared_data):
    log = dw.read(
        shared_data("hvac-hilft-ashp/data"),
        pattern="*__Eff__MPC.csv.gz",
        state=["zn_temp", "sa_temp"],
        action=["stg", "zn_temp_cspt"],
        context=["oa_temp"],
        time="date_time",
        environment_from="^([A-Za-z]+)__",
        missing=[-9999],
    )
    assert log.labels == ("Atlanta__Eff__MPC", "Buffalo__Eff__MPC")
    assert log.schema.environments == ("Atlanta", "Buffalo")
    assert (log.rows, log.schema.step) == (2880, 60)
    assert np.nanmin(log.values) > -100
    with pytest.raises(DataError, match="'grid_signal_price' has no value"):
        dw.read(
            shared_data("hvac-hilft-ashp/data/Atlanta__Eff__MPC.csv.gz"),
            state="zn_temp",
            context="grid_signal_price",
            time="date_time",
            missing=[-9999],
        )


def test_headerless_rig_logs(shared_data):
    log = dw.read(
        shared_data("tclab/mhe_nonlinear.csv"),
        names=["time", "Q1", "Q2", "T1", "T2"],
        state=["T1", "T2"],
        action=["Q1", "Q2"],
        time="time",
    )
    assert log.rows == 200
    assert log.schema.step == pytest.approx(3, abs=0.05)
    assert any("last row gives a value for the actions" in n for n in log.notes)


def test_rig_logs_that_name_things_differently(shared_data):
    files = [
        shared_data(f"tclab/{n}.csv")
        for n in ("hybrid_mimo", "energy_balance_mimo", "hybrid_mimo_matlab")
    ]
    rename = {"Time (sec)": "time", "Time": "time", "TC1": "T1", "TC2": "T2"}
    for i in (1, 2):
        rename |= {f"Heater {i}": f"Q{i}", f"Heater {i} (%)": f"Q{i}"}
        rename |= {f"Temperature {i}": f"T{i}", f"Temperature {i} (degC)": f"T{i}"}
    log = dw.read(files, rename=rename, state=["T1", "T2"], action=["Q1", "Q2"], time="time")
    assert log.labels == ("hybrid_mimo", "energy_balance_mimo", "hybrid_mimo_matlab")
    assert log.schema["T1"].unit == "degC"
    assert log.schema.time_unit == "s"


def test_times_in_different_units_are_brought_to_one(shared_data):
    rename = {"Tempo_s": "t", "tempo_ms": "t", "Saida_y": "y", "angulo_deg": "y"}
    rename |= {"u_pct": "u", "Controle_u": "u"}
    log = dw.read(
        shared_data("quarter-drone"),
        pattern="*.csv",
        rename=rename,
        state="y",
        action="u",
        time="t",
        time_unit="s",
    )
    assert len(log) == 4
    assert log.schema.step == pytest.approx(0.01, abs=0.0011)
    assert sum("converted from ms to s" in n for n in log.notes) == 2
    untold = {k: v for k, v in rename.items() if k != "tempo_ms"}
    with pytest.raises(UnknownNameError, match=r"column of 14_drone_seq.*\.csv is called 't'"):
        dw.read(shared_data("quarter-drone"), rename=untold, state="y", time="t", pattern="*.csv")


def test_tables_separated_by_blanks_and_tabs(shared_data):
    asia = dw.read(
        shared_data("bnlearn-samples/data/asia.txt"), state=[f"X{i}" for i in range(1, 9)]
    )
    assert asia.schema.static
    assert asia.rows == 10_000
    cells = dw.read(
        shared_data("sachs/sachs.2005.with.jittered.experimental.continuous.txt"),
        state=["raf", "mek"],
        context="cd3_cd28",
    )
    assert cells.rows == 7466


def test_propensities_that_are_all_empty_are_unknown(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t,x,a,p\n0,1.0,1,\n1,2.0,0,\n2,1.5,,\n")
    log = read(path, state=["x"], action=["a"], time="t", propensity="p")
    assert log.propensity is not None
    assert np.isnan(log.propensity).all()
