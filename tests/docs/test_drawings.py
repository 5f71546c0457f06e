"""The schema's drawings and reference page are made from the models: nothing is left out, nothing is drawn twice."""

import importlib.util
import re
import sys

import pytest
from tests import house

from tradecore.models.migrations.drift import tables_of

TABLES = [*tables_of("core"), *tables_of("platform")]


def extension(name):
    place = house.ROOT / "docs" / "_ext"
    sys.path.insert(0, str(place))
    try:
        spec = importlib.util.spec_from_file_location(f"{name}_drawing", place / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # a dataclass looks up its module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(place))
    return module


@pytest.fixture(scope="module")
def schema():
    return extension("schema")


def test_every_table_and_every_foreign_key_is_in_the_map_once(schema):
    drawing = schema.schema_map()
    names = re.findall(r"<text[^>]*>([a-z_]+)</text>", drawing)
    assert sorted(names) == sorted(table.name for table in TABLES)
    keys = [key for table in TABLES for key in table.foreign_keys if key.column.table is not table]
    assert drawing.count("marker-end=") == len(keys)


def test_a_neighbourhood_draws_what_leads_away_from_its_own_tables_and_nothing_else(schema):
    for name, own in schema.neighbourhoods().items():
        keys = [key for table in own for key in table.foreign_keys if key.column.table is not table]
        assert schema.neighbourhood(name).count("marker-end=") == len(keys)


def test_no_two_boxes_of_a_drawing_lie_on_each_other(schema):
    for drawing in (schema.schema_map(), *(schema.neighbourhood(name) for name in schema.TITLES)):
        boxes = re.findall(r'<rect class="\w*" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawing)
        places = [tuple(map(float, box)) for box in boxes]
        wide, high = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing).groups())
        for number, (x, y, width, height) in enumerate(places):
            assert x >= 0
            assert x + width <= wide
            assert y + height <= high
            for other_x, other_y, *_ in places[:number]:
                assert abs(x - other_x) >= width or abs(y - other_y) >= height


def test_the_reference_page_has_every_column_and_says_what_it_leads_to(schema):
    page = schema.page()
    for table in TABLES:
        section = page.split(f"\n### {table.name}\n")[1].split("\n### ")[0]
        for column in table.columns:
            (line,) = [line for line in section.splitlines() if line.startswith(f"| `{column.name}` |")]
            for key in column.foreign_keys:
                assert f"{key.column.table.name}, {key.ondelete}" in line
            assert ("?" in line) == column.nullable


def test_the_outage_is_drawn_from_a_run_in_which_the_breaker_spares_calls_and_comes_back():
    pytest.importorskip("docutils", reason="the extra 'docs' is not installed")
    outage = extension("outage")
    seen = outage.run(window=20.0, reset_timeout=5.0)
    assert all(second.good == outage.CALLS for second in seen[: outage.DOWN])
    down = seen[outage.DOWN : outage.UP]
    assert sum(second.refused for second in down) > 3 * sum(second.failed for second in down) > 0
    assert all(second.good == outage.CALLS for second in seen[outage.UP + 6 :])
    drawing = outage.breaker_outage()
    assert drawing.count("hub1") >= 2
    assert "calls were made in vain" in drawing
