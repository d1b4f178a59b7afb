"""The bookshelf on both engines, with no set-up but the fixtures that datapkg brings."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import datapkg
from datapkg import accounts
from datapkg.cli import main
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError, WriteGateError
from datapkg.operations import retention
from datapkg.operations.linting import lint_writes
from datapkg.testing import factories

import datapkg_bookshelf as bookshelf
from datapkg_bookshelf.documents import BOOK_DETAILS

ISBN = "9780141182704"
DETAILS = {"authors": ["A. Writer"], "pages": 396}


@pytest.fixture
def book(datapkg_db):
    """A book on the shelf."""
    return bookshelf.add_book(ISBN, title="The Maker of Stories", details=DETAILS)


def test_a_book_is_found_again(book):
    """By its key, by its number and in lists; a translation knows its original."""
    translation = bookshelf.add_book(
        "9783257236880", title="Der Geschichtenmacher", details=DETAILS, original_id=book.id
    )
    assert bookshelf.get_book(str(book.id)).details == {"schema_version": 1, **DETAILS}
    assert bookshelf.find_book_by_isbn("9783257236880").original_id == book.id
    assert [each.id for each in bookshelf.list_books()] == [translation.id, book.id]
    assert bookshelf.list_books(title="Another") == []


def test_all_that_is_wrong_with_a_book_is_told_at_once(datapkg_db):
    """Columns and document are checked together, and nothing is written."""
    with pytest.raises(ValidationError) as caught:
        bookshelf.add_book("978014118270", title="", details={"authors": [], "page": 1}, original_id="?")
    assert set(caught.value.errors) == {"isbn", "title", "original", "details.authors", "details.page"}
    assert bookshelf.list_books() == []


def test_what_the_database_refuses(book):
    """A number that is there already, and an original that is not there."""
    with pytest.raises(ConflictError, match="uq_books_isbn"):
        bookshelf.add_book(ISBN, title="Again", details=DETAILS)
    with pytest.raises(ConflictError, match="does not exist"):
        bookshelf.add_book("9783257236880", title="Lost", details=DETAILS, original_id=factories.make_user().id)


def test_a_book_is_lent_to_one_reader_at_a_time(book):
    """Each loan is told by the history, and each refusal leaves everything as it was."""
    ada, bob = factories.make_user(), factories.make_user()
    assert bookshelf.lend_book(book.id, reader_id=ada.id).lent_to_id == ada.id
    with pytest.raises(InvalidTransitionError, match="lent already"):
        bookshelf.lend_book(book.id, reader_id=bob.id)
    with pytest.raises(InvalidTransitionError, match="not lent to this reader"):
        bookshelf.return_book(book.id, reader_id=bob.id)
    assert bookshelf.return_book(book.id, reader_id=ada.id).lent_to_id is None
    with pytest.raises(NotFoundError):
        bookshelf.lend_book(ada.id, reader_id=ada.id)
    events = bookshelf.list_loan_events(book_id=book.id)
    assert [(each.event, each.reader_id) for each in events] == [("RETURNED", ada.id), ("LENT", ada.id)]


def test_the_history_cannot_be_rewritten(book):
    """The database refuses, whoever asks; and the linter finds nobody in this package who would."""
    bookshelf.lend_book(book.id, reader_id=factories.make_user().id)
    with pytest.raises(WriteGateError):
        bookshelf.LoanEvent.delete().execute()  # datapkg: allow-write it has to be refused
    assert lint_writes([Path(bookshelf.__file__).parent, __file__]) == []


def test_every_version_of_a_document_reads():
    """What was stored by each version, and how it reads today."""
    for stored in ({"author": "A. Writer", "pages": 396}, {"schema_version": 1, **DETAILS}):
        assert BOOK_DETAILS.validate(BOOK_DETAILS.upgrade(stored)) == {"schema_version": 1, **DETAILS}


def test_migrations_make_what_the_models_say(datapkg_db):
    """A change of a model without a migration would be told here."""
    assert datapkg.check_migrations(from_zero=True) == []


def test_seeding_again_takes_no_book_away_from_its_reader(datapkg_db):
    """What the shelf holds comes from the seeds, who has it does not."""
    accounts.create_user("dev@example.com")
    datapkg.seed(profile="demo", domain="bookshelf")
    book = bookshelf.find_book_by_isbn(ISBN)
    bookshelf.return_book(book.id, reader_id=book.lent_to_id)
    assert not datapkg.seed(profile="demo", domain="bookshelf").changed
    assert bookshelf.get_book(book.id).lent_to_id is None
    assert len(bookshelf.list_loan_events()) == 2


def test_old_events_are_archived_but_not_those_of_a_lent_book(book, tmp_path):
    """After six years the history of a book that is back goes to a file, and comes back from it."""
    ada = factories.make_user()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=6 * 365)
    bookshelf.lend_book(book.id, reader_id=ada.id)
    retention.apply(tmp_path, now=later, policies=["loan_events"])
    assert len(bookshelf.list_loan_events()) == 1
    bookshelf.return_book(book.id, reader_id=ada.id)
    [archived] = retention.apply(tmp_path, now=later, policies=["loan_events"]).archives
    assert bookshelf.list_loan_events() == []
    retention.restore(archived.folder)
    assert len(bookshelf.list_loan_events()) == 2


@pytest.mark.datapkg_commits
def test_the_commands(book, datapkg_url, capsys):
    """A reader of the command line sees what the functions do; ``main`` ends with an exit code, as a process does."""
    reader = factories.make_user()
    for command, code, said in (
        (["list"], 0, "A. Writer"),
        (["lend", ISBN, reader.email], 0, "is lent to"),
        (["lend", ISBN, reader.email, "--json"], 1, '"invalid_transition"'),
        (["return", ISBN, reader.email], 0, "is returned by"),
        (["return", "9783257236880", reader.email], 1, "9783257236880"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["--database", datapkg_url, "bookshelf", *command])
        printed = capsys.readouterr()
        assert (stopped.value.code, said in printed.out + printed.err) == (code, True), printed
