"""`tradecore db adopt`: what it prints, and what its exit status says."""

import json

from tests.unit.models.adoption import old_platform
from tests.unit.models.adoption.desk import mapping_file

from tradecore.cli import main


def test_a_dry_run_ends_with_one_until_everything_has_a_rule(sqlite_url, tmp_path, capsys):
    old_platform.build(sqlite_url)
    mapping = mapping_file(tmp_path)
    words = ["db", "adopt", "--database", sqlite_url, "--mapping", str(mapping)]
    assert main([*words, "--json", str(tmp_path / "report.json"), "--progress"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("DRY RUN: nothing was written")
    assert "copy trades 1000" in shown.err
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ready"]
    assert report["applied"] is False
    mapping.write_text(mapping.read_text().replace('duplicate = "quarantine"', ""))
    assert main([*words, "--json", "-", "--table", "open_positions", "--table", "strategies"]) == 1
    assert json.loads(capsys.readouterr().out)["unruled"] > 0


def test_wrong_use_says_what_to_do(sqlite_url, tmp_path, capsys):
    old_platform.build(sqlite_url)
    words = ["db", "adopt", "--database", sqlite_url]
    assert main(words) == 2
    assert "declare the zone" in capsys.readouterr().err
    assert main([*words, "--zone", "UTC", "--apply"]) == main([*words, "--set-aside"]) == 2
    assert capsys.readouterr().err.count("--backup-taken") == 2
    assert main([*words, "--zone", "UTC", "--apply", "--backup-taken"]) == 2
    assert "tradecore db upgrade" in capsys.readouterr().err
    assert main([*words, "--zone", "UTC", "--from", f"sqlite:///{tmp_path / 'nowhere.db'}"]) == 2
    assert not (tmp_path / "nowhere.db").exists()
    assert "cannot be reached" in capsys.readouterr().err
    assert main([*words, "--zone", "UTC", "--chunk", "0"]) == 2


def test_the_other_words_of_db_are_as_they_were(sqlite_url, capsys):
    assert main(["db", "upgrade", "--database", sqlite_url]) == 0
    assert main(["db", "check", "--database", sqlite_url]) == 0
    assert "as it should be" in capsys.readouterr().out
