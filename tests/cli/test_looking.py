"""``datapkg studio`` and ``datapkg erd``, driven as commands."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import datapkg


def test_the_studio_serves_until_it_is_told_to_end(demo):
    """It prints where, shows the rows, says whose port is taken, and ends well at SIGTERM while a client is silent."""
    command = [sys.executable, "-m", "datapkg", "studio", "--port", "0", "--no-browser", "--json"]
    process = subprocess.Popen(
        command, cwd=demo.folder, env=demo.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        told = json.loads(process.stdout.readline())
        assert told == {
            "url": f"http://127.0.0.1:{told['port']}/",
            "host": "127.0.0.1",
            "port": told["port"],
            "write": False,
        }
        for page, text in (("", "feature_flags"), ("table_definitions/", "Apology with a refund")):
            with urllib.request.urlopen(told["url"] + page, timeout=60) as answer:
                shown = answer.read().decode()
            assert text in shown and "sqlite:///datapkg.db · read-only" in shown
        taken = demo.refusal("studio", "--port", told["port"])
        assert (taken["code"], taken["meta"]["port"]) == ("configuration", told["port"])
        with socket.create_connection(("127.0.0.1", told["port"])):
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_the_studio_opens_the_browser_for_a_person_at_a_terminal(demo):
    """On a terminal the address is opened in the browser, unless told not to; Ctrl-C ends it well."""
    opener = demo.folder / "browser"
    opener.write_text('#!/bin/sh\necho "$1" > opened\n')
    opener.chmod(0o755)
    opened = demo.folder / "opened"
    environment = {**demo.environment, "BROWSER": f"{opener} %s"}
    for words, found in ((["--no-browser"], False), ([], True)):
        ours, theirs = os.openpty()
        command = [sys.executable, "-m", "datapkg", "studio", "--port", "0", *words]
        process = subprocess.Popen(command, cwd=demo.folder, env=environment, stdout=theirs)
        try:
            if found:
                while not (opened.exists() and opened.read_text()):
                    assert process.poll() is None
                    time.sleep(0.05)
                assert opened.read_text().startswith("http://127.0.0.1:")
            else:
                assert b"Serving http://127.0.0.1:" in os.read(ours, 1000)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)
            os.close(theirs)
        assert opened.exists() == found


def test_what_the_studio_refuses(shell):
    """A missing database, which is not made; an address that others reach; production without its name."""
    assert shell.refusal("studio", "--port", 0)["code"] == "database_unavailable"
    assert list(shell.folder.iterdir()) == []
    shell("migrate")
    for host in ("0.0.0.0", "192.0.2.1", "::", "example.com"):
        refused = shell.refusal("studio", "--port", 0, "--host", host)
        assert (refused["code"], refused["meta"]["host"]) == ("configuration", host) and "ssh -L" in refused["fix"]
    shell("environment", "production")
    assert shell.refusal("studio", "--port", 0, "--write")["code"] == "environment_guard"
    shell("studio", "--port", 65536, expect=2)


def test_erd_prints_a_drawing_or_writes_it(shell):
    """To stdout without a file; of some domains or all; a file that is no drawing stays unless told otherwise."""
    assert shell("erd").stdout == datapkg.erd().svg
    assert shell.json("erd", "--domain", "flags") == {"svg": datapkg.erd(["flags"]).svg}
    path = shell.folder / "tables.svg"
    for _ in range(2):
        told = shell("erd", "--domain", "flags", "--domain", "audit", "--output", "tables.svg")
        assert told.stdout == "Wrote tables.svg.\n"
    assert path.read_text() == datapkg.erd(["flags", "audit"]).svg
    path.write_text("mine")
    assert shell.refusal("erd", "--output", "tables.svg")["code"] == "configuration"
    assert path.read_text() == "mine"
    assert shell.json("erd", "--output", "tables.svg", "--overwrite") == {"file": "tables.svg"}
    assert shell.refusal("erd", "--domain", "nosuch")["code"] == "not_found"
    assert list(shell.folder.iterdir()) == [path]
