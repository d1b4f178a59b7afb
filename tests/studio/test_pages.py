"""The studio's pages, asked in the process: what they show, what they never show, who is turned away."""

from __future__ import annotations

import re
import sys
import threading
import urllib.request
from urllib.parse import quote

import pytest
from werkzeug.test import Client

import datapkg
from datapkg import accounts, audit, flags
from datapkg.errors import ConfigurationError, EnvironmentGuardError, ReadOnlyError, StatementError
from datapkg.kit.database import current, transaction
from datapkg.kit.statements import insert_many
from datapkg.testing import factories

LINK = re.compile(r'(?:src|href|action)="([^"]*)"')


def page(client, url, expect=200):
    """Get a page; return its text."""
    answer = client.get(url)
    assert answer.status_code == expect, f"{url}: {answer.status}"
    return answer.text


def first_row(text):
    """The key of the first row of a list, or None."""
    found = re.search(r"details/\?id=([0-9a-f-]{36})", text)
    return found and found.group(1)


def test_every_table_and_row_without_a_secret(db):
    """Lists and rows of every domain are there; no page holds a secret or loads anything from elsewhere."""
    datapkg.seed(profile="demo")
    user = factories.make_user(password="correct horse battery")
    key = factories.make_api_key(user_id=user.id)
    session = factories.make_session(user_id=user.id)
    token = factories.make_verification_token(identifier=user.email)
    audit.record("report", entity_id="7", action="publish", actor="system")
    app = datapkg.studio()
    secrets = {key.secret, session.token, token.token}
    for view in app.views.values():
        for field in view.model._meta.sorted_fields:
            if getattr(field, "secret", False):
                found = current().fetch(f'SELECT "{field.column_name}" FROM {view.table}', ())
                secrets |= {row[0] for row in found if row[0]}
    assert len(secrets) >= 8
    client, seen = Client(app), []
    for table, view in app.views.items():
        pages = [page(client, f"/table_{table}/")]
        row = first_row(pages[0])
        if row is not None:
            pages.append(page(client, f"/table_{table}/details/?id={row}"))
            assert ">Edit<" not in pages[-1]
        for field in view.model._meta.sorted_fields:
            if getattr(field, "secret", False):
                held = next(
                    row[0] for row in current().fetch(f'SELECT "{field.column_name}" FROM {table}', ()) if row[0]
                )
                assert f"col-{field.name}" not in pages[0]
                # Neither the search nor a filter tells whether a row holds it.
                assert first_row(page(client, f"/table_{table}/?flt0_{field.column_name}_equals=x")) == row
                assert first_row(page(client, f"/table_{table}/?search={quote(held)}")) is None
        seen += pages
    seen.append(page(client, "/"))
    text = "\n".join(seen)
    assert [secret for secret in secrets if secret in text] == []
    assert {link for link in LINK.findall(text) if not link.startswith(("/", "data:,", "javascript:void(0)"))} == set()
    assert not re.search(r"https?://[^\s\"']*\.(js|css)", text)
    for table in ("users", "definitions", "posts", "datapkg_seeds"):
        assert f'href="/table_{table}/"' in seen[-1]


def test_lists_are_sorted_searched_filtered_and_paged(db):
    """By columns that an index makes quick; whatever the address says, the answer is a page."""
    for number in range(60):
        flags.set_flag(f"flag-{number:02}", enabled=number % 2 == 0, description="<script>alert(1)</script>" * 9)
    client = Client(datapkg.studio())
    url = "/table_feature_flags/"
    newest = page(client, url)
    assert "List (60)" in newest and newest.index("flag-59") < newest.index("flag-10") and "flag-09" not in newest
    assert "<script>alert" not in newest and "&lt;script&gt;alert" in newest
    assert "flag-09" in page(client, f"{url}?page=1")
    column = list(datapkg.studio().views["feature_flags"].column_list).index("key")
    assert "flag-00" in page(client, f"{url}?sort={column}") and "flag-59" not in page(client, f"{url}?sort={column}")
    assert "flag-59" in page(client, f"{url}?sort={column}&desc=1")
    assert set(re.findall(r"flag-\d\d", page(client, f"{url}?search=flag-42"))) == {"flag-42"}
    assert "List (30)" in page(client, f"{url}?flt0_enabled_equals=true")
    flag = flags.get_flag("flag-07")
    assert "List (1)" in page(client, f"{url}?search={flag.id}")
    assert "Invalid" in page(client, f"{url}?flt0_enabled_equals=perhaps")
    odd_ones = ["page=-1", "page=x", "sort=999", "sort=-1", "page_size=7", "flt9_nosuch=1", "search=%25%00", "search='"]
    for odd in [*odd_ones, "flt0_key_equals=%00", "flt0_id_equals=7", "flt0_key_equals=%ED%A0%80"]:
        assert client.get(f"{url}?{odd}").status_code in (200, 400), odd
    assert "narrow the list" in page(client, f"{url}?page=5000", expect=400)
    many = [f"flt{number}_enabled_equals=true" for number in range(900)]
    assert "List (30)" in page(client, f"{url}?{'&'.join(many[:20])}")
    assert "At most 20" in page(client, f"{url}?{'&'.join(many)}", expect=400)
    assert client.get(f"{url}details/?id=nonsense").status_code == 302
    assert client.get(f"{url}details/?id={flag.id}").text.count("&lt;script&gt;") == 9


def test_a_long_list_is_counted_up_to_a_bound(db):
    """Beyond 10,000 rows the list has pages without a last one; a filter counts again."""
    rows = [{"key": f"flag-{number:05}", "enabled": number < 7} for number in range(10_001)]
    with transaction():
        insert_many(flags.FeatureFlag, rows)
    client = Client(datapkg.studio())
    text = page(client, "/table_feature_flags/?page=200")
    assert "List (" not in text and set(re.findall(r"flag-\d+", text)) == {"flag-00000"}
    assert "List (7)" in page(client, "/table_feature_flags/?flt0_enabled_equals=true")


@pytest.mark.datapkg_engines("sqlite")
def test_a_database_in_memory_is_served_to_every_thread(db):
    """As from a notebook: the server's threads share it, and the program writes on meanwhile."""
    server = datapkg.studio().server()
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for number in range(5):
            flags.set_flag(f"flag-{number}", enabled=True)
            with urllib.request.urlopen(f"{server.url}/table_feature_flags/", timeout=60) as answer:
                assert f"List ({number + 1})" in answer.read().decode()
    finally:
        server.stop()
        thread.join()


def test_references_and_documents(db):
    """References are links both ways; documents are upgraded and laid out; a newer one is shown as it is stored."""
    run = factories.make_run()
    client = Client(datapkg.studio())
    text = page(client, f"/table_runs/details/?id={run.id}")
    assert f'/table_definitions/details/?id={run.definition_id}"' in text
    assert "run-config, version" in text and "&#34;models&#34;: [" in text
    text = page(client, f"/table_definitions/details/?id={run.definition_id}")
    link = f"/table_runs/?flt0_definition_id_equals={run.definition_id}"
    assert f'href="{link}"' in text
    assert "List (1)" in page(client, link)
    old = factories.make_definition()
    for stored, told in (
        ('{"preamble": "of old"}', "stored as version 0"),
        ('{"schema_version": 99, "preamble": "of later"}', "version 99"),
        ('{"schema_version": 1.5, "preamble": "of nowhere"}', "Shown as it is stored."),
        ("[1, 2]", "not an object"),
    ):
        current().change(f"UPDATE definitions SET content = {db.dialect.param} WHERE id = '{old.id}'", (stored,))
        text = page(client, f"/table_definitions/details/?id={old.id}")
        assert told in text
        page(client, "/table_definitions/")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ UTC", text)


def test_the_engine_refuses_writes_below_the_pages(db):
    """What a bug in a page would write is refused by the engine itself; afterwards the program writes on."""
    app = datapkg.studio()
    with pytest.raises((ReadOnlyError, StatementError)), app.session(writing=False):
        flags.set_flag("from-a-page", enabled=True)
    assert flags.find_flag("from-a-page") is None
    assert flags.set_flag("from-the-program", enabled=True).enabled
    client = Client(app)
    flag = flags.get_flag("from-the-program")
    for place in ("edit", "delete", "new", "action", "ajax/update"):
        answer = client.post(
            f"/table_feature_flags/{place}/?id={flag.id}", data={"enabled": "false", "id": str(flag.id)}
        )
        assert answer.status_code == 403 and "read-only" in answer.text
    assert flags.get_flag("from-the-program").enabled


def test_who_is_turned_away(db):
    """Other hosts' names, other machines' addresses; what a browser is told about every page."""
    app = datapkg.studio()
    client = Client(app)
    for host in ("evil.example", "127.0.0.1.evil.example", "datapkg.local:8001", "10.0.0.7"):
        for path in ("/", "/table_users/", "/static/studio.css", "/nosuch"):
            assert client.get(path, headers={"Host": host}).status_code == 421
    for host in ("127.0.0.1:8001", "localhost", "[::1]:9"):
        answer = client.get("/", headers={"Host": host})
        assert answer.status_code == 200
    assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["Cache-Control"] == "no-store"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "http" not in policy and "'unsafe-inline'" not in policy.split("style")[0]
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.com", ""):
        with pytest.raises(ConfigurationError, match="this machine alone"):
            app.server(host=host)
    server = app.server(host="127.0.0.1")
    with pytest.raises(ConfigurationError, match="Another program") as caught:
        app.server(port=server.server_port)
    assert "another port" in caught.value.fix
    server.server_close()


@pytest.mark.datapkg_engines("sqlite")
def test_what_cannot_be_opened(db, monkeypatch):
    """Editing production needs its name; without the extra the error says what to install."""
    datapkg.set_environment("production")
    datapkg.studio()
    with pytest.raises(EnvironmentGuardError):
        datapkg.studio(write=True)
    with pytest.raises(EnvironmentGuardError):
        datapkg.studio(write=True, i_know_this_is="staging")
    datapkg.studio(write=True, i_know_this_is="production")
    for name in [name for name in sys.modules if name.startswith("datapkg.operations.studio.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flask_admin", None)
    with pytest.raises(ConfigurationError) as caught:
        datapkg.studio()
    assert "pip install Flask-Admin" in caught.value.fix
    assert accounts.list_users(limit=1) is not None
