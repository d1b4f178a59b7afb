"""Editing rows in the studio: by the rules of seeds, with an audit entry, and never past a gate."""

from __future__ import annotations

import html
import os
import re
import threading
from decimal import Decimal

import pytest
from shop_samples import Keeper, Product, Shelf, domain
from werkzeug.test import Client

import datapkg
from datapkg import audit, evaluation, flags, registry
from datapkg.errors import WriteGateError
from datapkg.evaluation import Experiment
from datapkg.kit.database import current, override, transaction
from datapkg.operations.bookkeeping import AppliedMigration, Setting
from datapkg.operations.moving.unfinished import COPYING
from datapkg.testing import factories

FIELD = re.compile(
    r'<input[^>]*name="(?P<name>\w+)"[^>]*value="(?P<value>[^"]*)"|<textarea[^>]*name="(?P<area>\w+)"[^>]*>\r?\n?'
    r'(?P<text>.*?)</textarea>|<select[^>]*name="(?P<select>\w+)"[^>]*>(?P<options>.*?)</select>',
    re.S,
)
NEWLINE = re.compile(r"\r\n|\r|\n")


class Form:
    """The form of a row, as a browser has it: an input of one line drops newlines, and each is sent as CR LF.

    Attributes:
        values: what its inputs hold, by name.
    """

    def __init__(self, client, table, key):
        self.client, self.url = client, f"/table_{table}/edit/?id={key}"
        answer = client.get(self.url)
        assert answer.status_code == 200, answer.status
        self.values = {}
        for found in FIELD.finditer(NEWLINE.sub("\n", answer.text)):
            chosen = re.search(r'<option selected value="([^"]*)"', found["options"] or "")
            value = html.unescape(found["value"] or found["text"] or (chosen[1] if chosen else ""))
            name = found["name"] or found["area"] or found["select"]
            if not name.startswith("_"):  # a button
                value = NEWLINE.sub("" if found["name"] else "\n", value)
                self.values[name.removeprefix("value_")] = value

    def send(self, **changes):
        """Send the form changed; return the status and the text of the page."""
        own = ("csrf_token", "row_updated_at")
        given = {name: NEWLINE.sub("\r\n", text) for name, text in {**self.values, **changes}.items()}
        sent = {name if name in own else f"value_{name}": text for name, text in given.items()}
        answer = self.client.post(self.url, data=sent)
        text = html.unescape(answer.text)
        assert text.lower().count("nothing was written") <= 1
        return answer.status_code, text


@pytest.fixture
def client(db):
    """A browser on a studio that edits."""
    return Client(datapkg.studio(write=True))


def entries():
    """The audit entries of edits, newest first."""
    return audit.list_entries(action="studio_edit")


def test_an_edit_is_validated_written_and_recorded(db, client):
    """What differs is written with an audit entry; what is refused is said beside its input, and nothing is written."""
    user = factories.make_user(email="old@example.com", name="Ann")
    form = Form(client, "users", user.id)
    assert set(form.values) == {"csrf_token", "row_updated_at", "email", "name"}
    assert form.send()[0] == 302 and entries() == []
    assert form.send(email="New@Example.COM ")[0] == 302
    stored = datapkg.accounts.get_user(user.id)
    assert (stored.email, stored.name, stored.updated_at > user.updated_at) == ("new@example.com", "Ann", True)
    assert stored.password_hash == user.password_hash
    entry = entries()[0]
    assert (entry.entity_type, entry.entity_id) == ("users", str(user.id)) and entry.actor.startswith("studio:")
    assert entry.details["data"]["changes"] == [
        {"path": "email", "before": "old@example.com", "after": "new@example.com"}
    ]
    assert audit.verify_chain().ok
    status, text = form.send(name="Stale")
    assert status == 200 and "changed since the form was opened" in text
    form = Form(client, "users", user.id)
    del form.values["row_updated_at"]
    status, text = form.send(name="Without a stamp")
    assert status == 200 and "changed since the form was opened" in text
    form = Form(client, "users", user.id)
    status, text = form.send(email="nonsense", name="x" * 300)
    assert status == 200 and "Nothing was written" in text and 'value="nonsense"' in text
    assert text.count("is-invalid") == 2
    factories.make_user(email="taken@example.com")
    status, text = form.send(email="taken@example.com")
    assert status == 200 and "Nothing was written" in text
    assert datapkg.accounts.get_user(user.id).email == "new@example.com" and len(entries()) == 1
    assert form.send(name="")[0] == 302
    assert datapkg.accounts.get_user(user.id).name is None


def test_a_form_that_is_sent_back_as_it_came_changes_nothing(db):
    """In every table that can be edited: what a form shows of a value is the value."""
    datapkg.seed(profile="demo")
    app = datapkg.studio(write=True)
    client, tried = Client(app), []
    for table, view in app.views.items():
        rows = current().fetch(f"SELECT id FROM {table} LIMIT 1", ())
        if view.can_edit and rows:
            status, text = Form(client, table, rows[0][0]).send()
            assert status == 302, f"{table}: {text}"
            tried.append(table)
    assert len(tried) > 20 and entries() == []


def test_what_is_protected_offers_no_edit_and_takes_none(db, client):
    """Gated, append-only, frozen, history-keeping and row-less tables answer a forged form with 403."""
    definition = factories.make_definition(name="kept")
    audit.record("report", entity_id="7", action="publish", actor="system")
    script = factories.make_script()
    flag = flags.set_flag("switch", enabled=True)
    token = Form(client, "feature_flags", flag.id).values["csrf_token"]
    keys = {"definitions": definition.id, "audit_logs": audit.list_entries()[0].id, "scripts": script.id}
    for table in ("audit_logs", "audit_heads", "definitions", "rubrics", "scripts", "script_commands", "sessions",
                  "script_versions", "replies", "datapkg_settings", "datapkg_migrations"):  # fmt: skip
        assert ">Edit<" not in client.get(f"/table_{table}/").text
        key = keys.get(table, definition.id)
        answer = client.post(f"/table_{table}/edit/?id={key}", data={"csrf_token": token, "name": "forged"})
        assert (answer.status_code, client.get(f"/table_{table}/edit/?id={key}").status_code) == (403, 302)
    # What holds a definition frozen is no way to set it free.
    run = factories.make_run(definition_id=definition.id)
    form = Form(client, "runs", run.id)
    assert "definition" not in form.values
    form.send(definition=str(factories.make_definition().id))
    assert evaluation.get_run(run.id).definition_id == definition.id
    for place in ("delete", "new", "action"):
        answer = client.post(f"/table_feature_flags/{place}/", data={"csrf_token": token, "id": str(flag.id)})
        assert answer.status_code == 403
    assert evaluation.get_definition(definition.id).name == "kept"
    # A page of another site has no token of ours, and its browser sends no cookie.
    form = Form(client, "feature_flags", flag.id)
    for wrong in ("", "20260101000000##0123456789abcdef"):
        status, text = form.send(enabled="false", csrf_token=wrong)
        assert status == 200 and "not from a page of this studio" in text
    form.client = Client(datapkg.studio(write=True))
    assert "not from a page of this studio" in form.send(enabled="false")[1]
    assert flags.get_flag("switch").enabled and entries() == []
    cookie = Client(datapkg.studio(write=True)).get(form.url).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie


@pytest.mark.datapkg_commits  # migrating commits
def test_a_domain_of_ones_own_and_its_documents(tmp_path, db):
    """Its tables are there, every kind of column goes to and fro; a document is validated, a newer one not replaced."""
    datapkg.register(domain(tmp_path / "shop"))
    try:
        datapkg.migrate()
        client = Client(datapkg.studio(write=True))
        shelf = Shelf.create(number=1, label="one")
        first = Product.create(shelf=shelf, code="a")
        product = Product.create(shelf=shelf, code="b", price=Decimal("1.50"), replaces=first)
        current().change(f"UPDATE products SET note = '{{\"note\": \"of old\"}}' WHERE id = '{product.id}'", ())
        Keeper.create(user=factories.make_user(), favourite=product)
        assert f'/table_shelves/details/?id={shelf.id}"' in client.get(f"/table_products/details/?id={product.id}").text
        form = Form(client, "products", product.id)
        assert form.values["price"] == "1.50" and '"of old"' in form.values["note"]
        assert form.send()[0] == 302 and entries() == []
        status, text = form.send(note="{", price="many")
        assert status == 200 and "Not JSON" in text and "Nothing was written" in text
        status, text = form.send(note='{"text": 7, "colour": "red"}', since="tomorrow", replaces="nobody")
        assert status == 200 and "note.text: Not a valid string." in text
        status, text = form.send(since="tomorrow", replaces="nobody", shelf="", price="1.505")
        assert text.count("is-invalid") == 4
        assert Product.get_by_id(product.id).price == Decimal("1.50")
        status, text = form.send(
            note='{"text": "new", "schema_version": 1}', price="2", since="2026-02-03", replaces="", code="c\r\nd"
        )
        assert status == 302, text
        stored = Product.get_by_id(product.id)
        assert (stored.price, stored.replaces_id, stored.code) == (Decimal("2.00"), None, "c\nd")
        assert stored.note == {"schema_version": 1, "text": "new"}
        assert {change["path"] for change in entries()[0].details["data"]["changes"]} >= {"note.text", "price", "since"}
        current().change(f"UPDATE products SET note = '{{\"schema_version\": 2}}' WHERE id = '{product.id}'", ())
        form = Form(client, "products", product.id)
        assert "note" not in form.values
        status, text = form.send(note='{"text": "over it"}', price="3")
        assert status == 200 and "version 2" in text and "Nothing was written" in text
        held = current().fetch(f"SELECT note FROM products WHERE id = '{product.id}'", ())[0][0]
        assert "over it" not in held and Product.get_by_id(product.id).price == 2
        datapkg.set_environment("production")
        status, text = Form(client, "products", first.id).send(price="4")
        assert status == 200 and "production" in text and Product.get_by_id(first.id).price is None
    finally:
        registry.unregister("shop")


def test_an_untouched_text_stays_as_it_is(db, client):
    """Whatever a browser makes of its newlines, in a short text and in a long one; a refused one comes back whole."""
    user = factories.make_user(email="old@example.com", name="Line one\nLine two")
    for number, text in enumerate(
        ["Line one\nLine two", "one\rtwo\r\n\nthree\n", "\nfirst", "\r", " a\tb\x0b\u2028c "]
    ):
        current().change(f"UPDATE users SET name = {db.dialect.param} WHERE id = '{user.id}'", (text,))
        flag = flags.set_flag("switch", enabled=True, description=text)
        assert Form(client, "users", user.id).send(email=f"{number}@example.com")[0] == 302
        assert Form(client, "feature_flags", flag.id).send(rollout_percentage=str(number))[0] == 302
        assert datapkg.accounts.get_user(user.id).name == text and flags.get_flag("switch").description == text
        found = [change["path"] for entry in entries()[:2] for change in entry.details["data"]["changes"]]
        assert found == ["rollout_percentage", "email"]
    status, page = Form(client, "users", user.id).send(email="nonsense", name="two\nlines")
    assert status == 200 and "two\r\nlines" in page[page.index("<textarea") : page.index("</textarea>")]
    assert Form(client, "users", user.id).send(name="two\nlines")[0] == 302
    assert datapkg.accounts.get_user(user.id).name == "two\nlines"


def test_what_never_changes_is_in_no_form(db):
    """In the words of the models' texts: a column that never changes, or that one function alone changes."""
    views = datapkg.studio(write=True).views
    found = set()
    for table, view in views.items():
        text = view.model.__doc__ or ""
        first = text.split("\n", 1)[0]
        whole = "never change" in first or "immutable" in first or view.model._meta.append_only
        assert not (whole and view.can_edit), table
        named = re.findall(r"^ +([\w, ]+): .*(?:never change|changed by ``\w+`` alone)", text, re.M)
        columns = {name for names in named for name in names.split(", ")} | {*view.model._meta.immutable}
        assert columns <= set(view.model._meta.fields), table
        assert not view.editor or not columns & set(view.editor.fields), table
        found |= {f"{table}.{name}" for name in columns} | ({table} if whole else set())
    assert found >= {"experiments.analysis_plan", "definitions.parent", "users.role", "transcripts", "rubrics"}
    assert not views["experiments"].can_edit
    experiment = evaluation.create_experiment("tone", analysis_plan={"test": "paired t", "alpha": 0.05})
    with pytest.raises(WriteGateError):
        Experiment.update(analysis_plan={"test": "another", "alpha": 0.5}).where(
            Experiment.id == experiment.id
        ).execute()
    assert evaluation.get_experiment(experiment.id).analysis_plan == experiment.analysis_plan


def test_a_database_that_would_not_be_connected_takes_no_edit(db, client):
    """Newer or older than the code, or half copied, since the studio was started; the page says which."""
    user = factories.make_user(name="Ann")
    (row,) = current().fetch("SELECT id, name FROM datapkg_migrations ORDER BY name DESC LIMIT 1", ())
    key, name = row
    form = Form(client, "users", user.id)

    def refusal():
        status, text = form.send(name="Bob")
        assert status == 200 and "Nothing was written" in text and datapkg.accounts.get_user(user.id).name == "Ann"
        return text

    AppliedMigration.update(name="999_later").where(AppliedMigration.id == key).execute()
    assert "999_later" in refusal()
    AppliedMigration.update(name=name).where(AppliedMigration.id == key).execute()
    note = Setting.create(key=COPYING, value={"source": "elsewhere"})
    assert "A copy from elsewhere" in refusal()
    note.delete_instance()
    AppliedMigration.delete().where(AppliedMigration.id == key).execute()
    assert "lacks 1 migration" in refusal() and entries() == []


def test_json_that_cannot_be_read_is_shown_and_not_edited(db, client):
    """What foreign code stored: its text and the reason stand on the page, and the row takes no edit."""
    author = factories.make_author()
    texts = ["[1e400]", '["\\ud800"]' if db.dialect.name == "sqlite" else "[" * 1100 + "]" * 1100]
    for column in ("archetype_tags", "interaction_history"):
        kept = current().fetch(f"SELECT {column} FROM authors WHERE id = '{author.id}'", ())[0][0]
        for text in texts:
            current().change(f"UPDATE authors SET {column} = {db.dialect.param} WHERE id = '{author.id}'", (text,))
            stored = current().fetch(f"SELECT {column} FROM authors WHERE id = '{author.id}'", ())[0][0]
            answer = client.get(f"/table_authors/details/?id={author.id}")
            assert answer.status_code == 200 and stored in html.unescape(answer.text), text
            assert "Shown as it is stored." in answer.text
            form = Form(client, "authors", author.id)
            assert column not in form.values and "handle" in form.values
            status, page = form.send(handle="other")
            assert status == 200 and "Nothing was written" in page and column in page
        # Python parses this, and lays it out or not, as deep as the stack is already.
        deep = "[" * 990 + "]" * 990
        current().change(f"UPDATE authors SET {column} = {db.dialect.param} WHERE id = '{author.id}'", (deep,))
        assert client.get(f"/table_authors/details/?id={author.id}").status_code == 200
        status, page = Form(client, "authors", author.id).send(handle="other")
        assert status == 200 and "Nothing was written" in page
        current().change(f"UPDATE authors SET {column} = {db.dialect.param} WHERE id = '{author.id}'", (kept,))
    assert Form(client, "authors", author.id).send(handle="other")[0] == 302


def test_a_user_of_the_system_with_no_name_or_a_long_one(db, client, monkeypatch):
    """As in a container: the entry has the number; a long name is cut to what the log takes."""
    flag = flags.set_flag("switch", enabled=True)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    assert Form(client, "feature_flags", flag.id).send(rollout_percentage="5")[0] == 302
    assert entries()[0].actor == "studio:54321"
    for name in ("x" * 300, "\udcff"):
        monkeypatch.setenv("LOGNAME", name)
        assert Form(client, "feature_flags", flag.id).send(rollout_percentage=str(len(name) % 99))[0] == 302
    assert {entry.actor for entry in entries()} == {"studio:54321", f"studio:{'x' * 193}", "studio:?"}


@pytest.mark.datapkg_commits  # another thread holds the row
@pytest.mark.datapkg_engines("postgresql")
def test_a_row_that_is_locked_elsewhere(db, datapkg_url):
    """An edit is refused as busy after the bound, and a page of a locked table is not there for now."""
    app = datapkg.studio(write=True)
    app.statement_ms = 300
    flag = flags.set_flag("switch", enabled=True)
    form = Form(Client(app), "feature_flags", flag.id)

    def while_locked(sql, ask):
        held, done = threading.Event(), threading.Event()

        def hold():
            with override(db), transaction():
                current().execute_sql(sql)
                held.set()
                done.wait(60)
            db.close()

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(60)
        try:
            return ask()
        finally:
            done.set()
            thread.join()

    status, text = while_locked("SELECT * FROM feature_flags FOR UPDATE", lambda: form.send(enabled="false"))
    assert status == 200 and "Nothing was written. PostgreSQL could not run this beside" in text
    locked = "LOCK TABLE feature_flags IN ACCESS EXCLUSIVE MODE"
    assert while_locked(locked, lambda: form.send(enabled="false"))[0] == 503
    assert while_locked(locked, lambda: form.client.get("/table_feature_flags/")).status_code == 503
    assert form.send(enabled="false")[0] == 302
