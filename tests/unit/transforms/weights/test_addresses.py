import pytest

from transforms.errors import RefusalError
from transforms.weights.addresses import follow_redirect, is_loopback, refuse_address


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a/b.onnx?x=1",
        "https://example.org:8443/a",
        "http://localhost:8000/a",
        "http://127.0.0.1:8000/a",
        "http://127.9.9.9/a",
        "http://[::1]:8000/a",
    ],
)
def test_encrypted_addresses_and_this_machine_are_allowed(url: str) -> None:
    assert refuse_address(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/a", "only https"),
        ("http://localhost.example.org/a", "only https"),
        ("http://10.0.0.1/a", "only https"),
        ("http://0.0.0.0/a", "only https"),
        ("ftp://example.org/a", "only https"),
        ("file://localhost/etc/passwd", "only https"),
        ("file:///etc/passwd", "not a valid"),
        ("weights/a.onnx", "not a valid"),
        ("https://", "not a valid"),
        ("https://[::1/a", "not a valid"),
        ("https://example.org:99999/a", "not a valid"),
        ("https://example.org/a b", "not a valid"),
        ("https://exam\nple.org/a", "not a valid"),
        ("https://ex\u00e4mple.org/a", "not a valid"),
        ("", "not a valid"),
        ("https://user:secret@example.org/a", "credentials"),
        ("https://user@example.org/a", "credentials"),
    ],
)
def test_other_addresses_are_refused_with_the_reason(url: str, reason: str) -> None:
    assert reason in str(refuse_address(url))


@pytest.mark.parametrize("url", ["https://example.org", "http://128.0.0.1/", "http://[::1", ""])
def test_elsewhere_is_not_this_machine(url: str) -> None:
    assert not is_loopback(url)


def test_a_redirect_may_be_relative_or_lead_to_another_https_host() -> None:
    home = "https://example.org/a/b"
    assert follow_redirect(home, home, "c?x=1") == "https://example.org/a/c?x=1"
    assert follow_redirect(home, home, "//cdn.example.net/c") == "https://cdn.example.net/c"


@pytest.mark.parametrize(
    "location",
    ["http://example.org/c", "http://127.0.0.1/c", "https://localhost/c", "file:///c", "//["],
)
def test_a_redirect_leads_neither_to_plain_http_nor_back_to_this_machine(location: str) -> None:
    home = "https://example.org/a"
    with pytest.raises(RefusalError, match="not allowed"):
        follow_redirect(home, home, location)


def test_a_second_redirect_is_judged_by_where_the_first_began() -> None:
    with pytest.raises(RefusalError, match="this machine itself"):
        follow_redirect("https://example.org/a", "https://example.net/b", "https://127.0.0.1/c")


def test_a_refused_redirect_shows_no_token() -> None:
    home = "https://example.org/a"
    with pytest.raises(RefusalError) as caught:
        follow_redirect(home, home, "http://cdn.example.net/c?token=secret")
    assert caught.value.found == "http://cdn.example.net"
    assert "secret" not in str(caught.value)
