"""Code that decides a result is told from code that says something about it."""

from __future__ import annotations

import importlib.util

from exval.bench.source import command_hash, source_hash


def made(tmp_path, text: str):
    path = tmp_path / "mine.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("mine_of_a_test", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["mine_of_a_test"] = module
    spec.loader.exec_module(module)
    return module.Mine


def test_comments_do_not_count_and_code_does(tmp_path):
    plain = source_hash(made(tmp_path, "class Mine:\n    def f(self):\n        return 1\n"))
    said = source_hash(made(tmp_path, '"""On it."""\n# why\nclass Mine:\n    """What."""\n\n'
                                      '    def f(self):\n        """How."""\n        return 1  # so\n'))  # fmt: skip
    other = source_hash(made(tmp_path, "class Mine:\n    def f(self):\n        return 2\n"))
    assert plain == said != other and len(plain) == 8


def test_a_class_without_a_file_has_no_hash():
    assert source_hash(int) == source_hash(type("Made", (), {"__module__": "nowhere"})) == ""


def test_the_files_of_a_command_count(tmp_path):
    script = tmp_path / "my script.R"
    script.write_text("1")
    one = command_hash(f"Rscript '{script}' {{input}} {{output}}")
    script.write_text("2")
    assert one and command_hash(f"Rscript '{script}' {{input}} {{output}}") != one
    assert command_hash("no-such-program 'open quote") == ""
