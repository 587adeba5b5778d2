"""`cola serve` and settings of every wrong kind, however they are given."""
from __future__ import annotations

import pytest

from cli import USAGE, cola

WRONG = [
    ("native", "localhost", ["HOST:PORT or off"]),
    ("native", "127.0.0.1:99999", ["HOST:PORT or off"]),
    ("amqp", "localhost", ["HOST:PORT or off"]),
    ("amqps", "5671", ["HOST:PORT or off"]),
    ("tls-certificate", "", ["empty"]),
    ("amqp-product", "RabbitMQ", ["NAME:VERSION", "RabbitMQ:3.13.7"]),
    ("kafka", "9092", ["HOST:PORT or off"]),
    ("socket-mode", "999", ["0660"]),
    ("durability", "maybe", ["full or relaxed"]),
    ("accept-damage", "perhaps", ["yes or no"]),
    ("body-max", "0", ["1 to 67108864"]),
    ("body-max", "1T", ["16M"]),
    ("reserve", "1.5M", ["512K, 16M or 1G"]),
    ("queues-max", "many", ["1 to 10000000"]),
    ("cache", "-1", ["0 to"]),
    ("log-level", "loud", ["debug or info or warning or error"]),
    ("default-user", "ana", ["default-pass"]),
    ("data-dir", "", ["empty"]),
]


@pytest.mark.parametrize("name, value, words", WRONG, ids=lambda part: part if isinstance(part, str) else "")
def test_a_wrong_value_is_64_and_says_where_it_came_from_and_what_it_may_be(tmp_path, name, value, words):
    folder = str(tmp_path)

    def check(origin, *arguments, **options):
        # Two settings that only go together are named both, wherever they came from.
        named = [name] if name == "default-user" else [origin]
        cola("serve", *arguments, cwd=folder, **options).fails(USAGE, *words, *named)

    check("--" + name, "--" + name, value)
    variable = "COLA_" + name.upper().replace("-", "_")
    check(variable, env={variable: value})
    (tmp_path / "cola.yaml").write_text('%s: "%s"\n' % (name, value))
    check(name + " in cola.yaml", env={"COLA_AMQP": None, "COLA_KAFKA": None})  # it would go before the file
    assert not (tmp_path / "cola-data").exists(), "it began to work before it knew its settings"


@pytest.mark.parametrize("arguments, words", [
    (["--nativ", "off"], ["--nativ;", "did you mean native?"]),
    (["--frobnicate"], ["--frobnicate", "cola serve --help"]),
    (["--native"], ["--native needs a value", "HOST:PORT|off"]),
    (["start"], ["'start'", "--NAME VALUE"]),
    (["-d", "x"], ["'-d'", "--NAME VALUE"]),
    (["--config", "none.yaml"], ["there is no file none.yaml"]),
    (["--native", "off", "--socket", "off", "--amqp", "off", "--kafka", "off"],
     ["--socket", "--native", "--amqp", "--kafka", "off"]),
])
def test_a_wrong_option_is_64(tmp_path, arguments, words):
    cola("serve", *arguments, cwd=str(tmp_path)).fails(USAGE, *words)


@pytest.mark.parametrize("text, words", [
    ("natve: off", ["natve in", "did you mean native?"]),
    ("native: [off]", ["native in", "one value"]),
    ("- native", ["name: value"]),
    ("x: {", ["line 2", "name: value"]),
    ("native: off\nnative: off", ["line 2, column 1: 'native' stands there twice"]),
    ("config: other.yaml", ["config in", "remove the line"]),
    ("data-dir:", ["data-dir in", "empty"]),
])
def test_a_wrong_file_is_64_and_named_in_one_readable_line(tmp_path, text, words):
    (tmp_path / "its.yaml").write_text(text)
    result = cola("serve", "--config", "its.yaml", cwd=str(tmp_path)).fails(USAGE, "its.yaml", *words)
    assert "\ufffd" not in result.err
