import pytest

from viseme_pipeline.page.command import parse
from viseme_pipeline.page.config import ServeConfig


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.0.7", False),
        ("viseme.example", False),
    ],
)
def test_only_loopback_addresses_count_as_this_machine(host, is_local):
    assert ServeConfig(host=host).is_local == is_local


def test_the_page_is_for_this_machine_unless_asked_otherwise():
    assert parse([]) == ServeConfig()
    assert parse([]).is_local
    assert parse(["--host", "0.0.0.0", "--port=81"]) == ServeConfig(host="0.0.0.0", port=81)


def test_one_step_is_for_the_embedded_default_alone():
    assert parse([]).first_preset == "direct"
    assert parse(["--motion", "mine"]).first_preset == "fast"
    assert parse(["--motion", "mine", "--preset", "paper"]).first_preset == "paper"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 0}, "port must be from 1"),
        ({"port": 70_000}, "port must be from 1"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_upload_mb": float("nan")}, "max_upload_mb"),
        ({"max_waiting": 0}, "max_waiting"),
        ({"host": ""}, "host"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ServeConfig(**settings)


def test_there_is_no_option_to_share_the_page():
    with pytest.raises(ValueError, match="unrecognized arguments: --share"):
        parse(["--share"])
