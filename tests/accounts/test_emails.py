"""Email addresses: one spelling for each, and what passes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datapkg.accounts.emails import email_problem, normalise_email


@pytest.mark.parametrize(
    "email",
    [
        "ann@example.com",
        "a@b",
        "ann.b+tag@mail.example.co.uk",
        "o'brien@example.com",
        "root@localhost",
        "a_b-c@ex-ample.com",
        "用户@例子.公司",
        "jörg@müller.de",
        f"{'x' * 64}@example.com",
        f"a@{'x' * 63}.com",
    ],
)
def test_addresses_pass(email: str) -> None:
    """Ordinary addresses, international ones and those of an intranet are taken."""
    assert email_problem(normalise_email(email)) is None


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@",
        "@example.com",
        "ann@",
        "ann@@example.com",
        "ann@b@example.com",
        "ann b@example.com",
        "ann@exa mple.com",
        "ann@exam\u200bple.com",
        "ann\u00a0b@example.com",
        "ann\r\nbcc:eve@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "ann..b@example.com",
        '"ann"@example.com',
        "<ann@example.com>",
        "ann@example..com",
        "ann@.com",
        "ann@example.com.",
        "ann@-example.com",
        "ann@example-.com",
        "ann@exam_ple.com",
        "ann@[127.0.0.1]",
        f"{'x' * 65}@example.com",
        f"a@{'x' * 64}.com",
    ],
)
def test_other_texts_do_not(email: str) -> None:
    """What is no address, or would smuggle something into a header, is refused with a reason."""
    assert email_problem(normalise_email(email))


@pytest.mark.parametrize(
    ("given_as", "stored"),
    [
        ("  Ann@Example.COM\n", "ann@example.com"),
        ("JO\u0308RG@example.com", "j\u00f6rg@example.com"),
        ("\u212aim@example.com", "kim@example.com"),
    ],
)
def test_one_spelling_for_each(given_as: str, stored: str) -> None:
    """Blanks around it, capitals and ways to write an accent make no difference."""
    assert normalise_email(given_as) == stored


@given(st.text())
def test_normalising_is_done_once_and_for_all(text: str) -> None:
    """A spelling that is stored is found again by itself."""
    email = normalise_email(text)
    if email_problem(email) is None:
        assert normalise_email(email) == email
        assert normalise_email(f" {email} ") == email
