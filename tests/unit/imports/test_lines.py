"""CSV read line by line: what a writer wrote is read back, and what is hostile costs one line and little memory."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradecore.errors import InvalidInput
from tradecore.models.imports.lines import MOST_BYTES, MOST_COLUMNS, MOST_LINES, records, scan

# No carriage returns: csv leaves them unquoted where its lines end otherwise.
letters = st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r")
cells = st.text(letters, max_size=12)
rows = st.lists(st.lists(cells, min_size=2, max_size=6), min_size=1, max_size=8)


def read(content, delimiter=","):
    return list(records(io.BytesIO(content), delimiter))


@given(rows, st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([0, 1]))
def test_what_was_written_is_read_back(table, delimiter, end, mark, quoting):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    found = read(out.getvalue().encode("utf-8-sig" if mark else "utf-8"), delimiter)
    assert all(record.fault is None for record in found if out.getvalue().count("\n") < MOST_LINES)
    if out.getvalue().count("\n") < MOST_LINES:
        assert [record.cells for record in found] == table


@given(st.binary(max_size=400).map(lambda data: data.replace(b"\0", b"")), st.sampled_from(",;\t"))
def test_no_bytes_break_it_and_every_line_is_accounted_for(content, delimiter):
    text = content.decode("utf-8", "replace").encode()
    found = read(text, delimiter)
    numbers = [record.line for record in found]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= text.count(b"\n") + 1
    assert all(len(record.cells) <= MOST_COLUMNS for record in found)


def test_a_quotation_mark_that_is_never_closed_costs_its_own_line_only():
    lines = ["a,b", 'x,"y', *[f"{number},2" for number in range(40)]]
    found = read("\n".join(lines).encode())
    assert [(record.line, record.fault[0]) for record in found if record.fault] == [(2, "open_quote")]
    assert [record.cells[0] for record in found if not record.fault] == ["a", *map(str, range(40))]


def test_lines_of_quotation_marks_take_no_longer_than_they_should():
    found = read(b'"\n' * 3001)
    # Two of them are one record (an empty line within quotes); the last one is left open.
    assert len(found) == 1501
    assert found[-1].fault is not None


def test_a_line_that_is_too_long_is_left_behind():
    found = read(b"a,b\n" + b"x" * (3 * MOST_BYTES) + b"\n1,2\n")
    assert [(record.line, record.fault and record.fault[0]) for record in found] == [
        (1, None),
        (2, "line_too_long"),
        (3, None),
    ]


def test_more_cells_than_any_file_has_are_refused():
    assert read(b"," * (MOST_COLUMNS + 5))[0].fault[0] == "columns"
    assert read(b'"",' * (MOST_COLUMNS + 5))[0].fault[0] == "columns"


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("a,b\nü".encode("latin-1"), "encoding", "line 2"),
        (b"a\n" + "ü".encode()[:1], "encoding", "line 2"),
        ("a,b".encode("utf-16"), "encoding", "UTF-16"),
        ("a,b".encode("utf-32"), "encoding", "UTF-32"),
        (b"a,b\nc,\0", "nul", "line 2"),
        (b"x" * (1 << 20) + b"\n" + b"\xff", "encoding", "line 2"),
    ],
)
def test_what_is_no_utf_8_is_refused_with_its_line(tmp_path, content, code, said):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=said) as refused:
        scan(path)
    assert refused.value.details[0]["code"] == code


def test_a_letter_across_two_blocks_is_a_letter(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"x" * ((1 << 20) - 1) + "ü".encode())
    assert scan(path).size == (1 << 20) + 1


def test_a_file_whose_lines_end_in_a_carriage_return_alone_is_not_read_as_a_header_and_nothing_else():
    (record,) = read(b"a,b\r1,2\r3,4\r")
    assert (record.cells, record.fault[0]) == ([], "malformed")
    assert read(b'"a\rb",c\n')[0].cells == ["a\rb", "c"]
    assert [one.cells for one in read(b"a,b\r\n1,2\r\r\n")] == [["a", "b"], ["1", "2"]]
