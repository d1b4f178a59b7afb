"""Editing rows in the studio: by the rules of seeds, with an audit entry, and never past a gate."""

from __future__ import annotations

import html
import re
from decimal import Decimal

import pytest
from shop_samples import Keeper, Product, Shelf, domain
from werkzeug.test import Client

import datapkg
from datapkg import audit, evaluation, flags, registry
from datapkg.kit.database import current
from datapkg.testing import factories

FIELD = re.compile(
    r'<input[^>]*name="(?P<name>\w+)"[^>]*value="(?P<value>[^"]*)"|<textarea[^>]*name="(?P<area>\w+)"[^>]*>\r?\n?'
    r'(?P<text>.*?)</textarea>|<select[^>]*name="(?P<select>\w+)"[^>]*>(?P<options>.*?)</select>',
    re.S,
)


class Form:
    """The form of a row, as a browser has it.

    Attributes:
        values: what its inputs hold, by name.
    """

    def __init__(self, client, table, key):
        self.client, self.url = client, f"/table_{table}/edit/?id={key}"
        answer = client.get(self.url)
        assert answer.status_code == 200, answer.status
        self.values = {}
        for found in FIELD.finditer(answer.text):
            chosen = re.search(r'<option selected value="([^"]*)"', found["options"] or "")
            value = found["value"] or found["text"] or (chosen[1] if chosen else "")
            name = found["name"] or found["area"] or found["select"]
            if not name.startswith("_"):  # a button
                self.values[name.removeprefix("value_")] = html.unescape(value)

    def send(self, **changes):
        """Send the form changed; return the status and the text of the page."""
        own = ("csrf_token", "row_updated_at")
        sent = {name if name in own else f"value_{name}": text for name, text in {**self.values, **changes}.items()}
        answer = self.client.post(self.url, data=sent)
        return answer.status_code, html.unescape(answer.text)


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
