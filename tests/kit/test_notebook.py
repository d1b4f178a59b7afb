"""What a notebook shows: results as HTML, errors with why and the fix first, completion of documented names."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import datapkg
from datapkg import engagement, evaluation, planning, registry, scripts, workqueue
from datapkg.errors import ConflictError, NotFoundError, ValidationError
from datapkg.kit.engines import KitDatabase
from datapkg.kit.error_display import error_text
from datapkg.kit.markup import badge, bar, html_table
from datapkg.kit.results import Rows
from datapkg.operations.migrations import Rehearsal
from datapkg.testing import factories

MARKUP = "<img src=x onerror=alert(1)>&\"'"
VOID = {"br", "hr", "img"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Balanced(HTMLParser):
    """Follows the tags, and collects what a notebook should not be given."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag, and look at its attributes."""
        if tag not in VOID:
            self.open.append(tag)
        if tag in {"img", "script", "link", "iframe", "style"}:
            self.wrong.append(f"<{tag}>")
        for name, value in attributes:
            if name.startswith("on") or name in {"src", "href"} or "url(" in (value or ""):
                self.wrong.append(f"{name}={value}")
            # A text of a fixed colour is lost on some paper, and so is any text on a patch without transparency.
            for rule in (value or "").split(";") if name == "style" else ():
                if re.match(r"\s*color\s*:", rule) or re.match(r"\s*background[^:]*:\s*(?!rgba)", rule):
                    self.wrong.append(rule)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag."""
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def results() -> dict[str, Any]:
    """Something of everything that renders, full of markup, and empty."""
    root = factories.make_definition(name=MARKUP)
    child = evaluation.fork_definition(root.id, name=f"{MARKUP} 2")
    evaluation.fork_definition(child.id, name="leaf")
    evaluation.fork_definition(root.id, name="last")
    scenario = factories.make_planning_scenario(name=MARKUP)
    pool = factories.make_skill_pool(name=MARKUP)
    factories.make_demand(scenario_id=scenario.id, skill_pool_id=pool.id)
    empty = factories.make_planning_scenario()
    script = factories.make_script(title=MARKUP, text=f"{MARKUP}\nb\n")
    feature = factories.make_feature(name=MARKUP)
    later = factories.make_feature(name="later", depends_on_ids=[feature.feature_number])
    return {
        "model": root,
        "rows": evaluation.list_definitions(),
        "no rows": evaluation.list_runs(),
        "tree": evaluation.get_definition_tree(root.id),
        "one node": evaluation.get_definition_tree(child.id).children[0],
        "difference": evaluation.diff_definitions(root.id, child.id),
        "no difference": evaluation.diff_definitions(root.id, root.id),
        "balance": planning.balance(scenario.id),
        "empty balance": planning.balance(empty.id),
        "simulation": planning.simulate(scenario.id, draws=100, seed=1),
        "plans' difference": planning.diff_scenarios(scenario.id, empty.id),
        "script": scripts.at(script.id, sequence=1),
        "queue": workqueue.plan(),
        "statistics": workqueue.stats(),
        "feature": later,
        "report": engagement.report(),
        "health": datapkg.health(),
        "status": datapkg.status(),
        "migrations": datapkg.plan(),
        "retention": datapkg.retention.plan(),
        "seed": datapkg.seed(profile="base"),
        "verification": scripts.verify(),
        "check": datapkg.check_migrations(from_zero=True),
        "rehearsal": Rehearsal(before={MARKUP: 1}, seconds={MARKUP: 0.1}),
        "error": NotFoundError(MARKUP, MARKUP),
        "complaints": ValidationError({MARKUP: [MARKUP, "b"], "c": ["d"]}, what=MARKUP),
    }


def test_everything_renders_safely(db: KitDatabase) -> None:
    """Each result is escaped, balanced, self-contained, of bounded size, and legible on light and on dark paper."""
    for name, result in results().items():
        shown = result._repr_html_()
        assert Balanced(shown).wrong == [], name
        assert 0 < len(shown) < 50_000, name
        if name in {"model", "rows", "tree", "difference", "balance", "simulation", "script", "queue", "complaints"}:
            assert "&lt;img src=x onerror=alert(1)&gt;" in shown, name


def test_a_script_s_difference_is_coloured_line_by_line(db: KitDatabase) -> None:
    """What was added and what was removed stand on patches of their own."""
    script = factories.make_script(text="one\n")
    now = scripts.at(script.id)
    scripts.append(
        script.id,
        commands=[
            {"command_type": "SET_TITLE", "title": "<new>"},
            {"command_type": "EDIT_ELEMENT", "element_id": now.elements[0].element_id, "text": "<two>\n"},
        ],
        expected_sequence=now.sequence,
        actor_type="USER",
    )
    difference = scripts.diff(script.id, now.sequence, now.sequence + 2, by="sequence")
    shown = difference._repr_html_()
    assert Balanced(shown).wrong == [] and "<new>" not in shown
    assert re.search(r"background:[^']*'>-one<", shown) and re.search(r"background:[^']*'>\+&lt;two&gt;<", shown)
    assert list(difference.df()["change"]) == ["edited"]


def test_large_results_are_cut_and_say_so() -> None:
    """Thousands of rows, nodes and complaints render as a few hundred lines with the number of the others."""
    table = html_table(["a"], [[number] for number in range(1000)])
    assert table.count("<tr>") == 202 and "… and 800 more" in table
    top = evaluation.TreeNode(evaluation.Definition(name="top"))
    node = top
    for depth in range(1, 3000):
        below = evaluation.TreeNode(evaluation.Definition(name="n"))
        below.definition.depth = depth
        node.children.append(below)
        node = below
    drawn = top._repr_html_()
    assert drawn.count("<li>") == 200 and "not drawn" in drawn and Balanced(drawn).wrong == []
    many = ValidationError({f"row {number}": ["x" * 10_000] for number in range(5000)})
    assert len(many._repr_html_()) < 50_000
    assert "and 4950 more" in "\n".join(many._render_traceback_())
    assert Balanced(Rows({"a": "x" * 10**6} for _ in range(1000))._repr_html_()).wrong == []
    assert len(Rows({"a": "x" * 10**6} for _ in range(1000))._repr_html_()) < 20_000


def test_bars_stay_within_their_width() -> None:
    """Parts add up to the whole, a part that would be negative is nothing, and without any extent nothing is drawn."""
    drawn = bar([(30, "rgba(1,1,1,.5)"), (20, "rgba(2,2,2,.5)"), (60, "rgba(3,3,3,.5)")], mark=100, end=100)
    assert re.findall(r"width:([\d.]+)%", drawn) == ["30.0", "0.0", "30.0"] and "left:100.0%" in drawn
    assert re.findall(r"width:([\d.]+)%", bar([(0, "rgba(1,1,1,.5)")], mark=None, end=0)) == ["0.0"]
    assert "&lt;b&gt;" in badge("<b>", "good")


@pytest.fixture
def shell(db: KitDatabase, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], str]]:
    """An IPython that runs code and gives what it prints, without colours."""
    ipython = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    def run(code: str) -> str:
        capsys.readouterr()
        ipython.run_cell(code)
        return COLOUR.sub("", capsys.readouterr().out)

    run("import datapkg\nfrom datapkg import evaluation, planning")
    yield run
    InteractiveShell.clear_instance()


@pytest.mark.datapkg_engines("sqlite")
def test_an_error_shows_why_and_the_fix_and_the_reader_s_own_lines(shell: Callable[[str], str]) -> None:
    """Nothing of the package's or a driver's frames; every complaint has a line; no chain of causes."""
    shown = shell("def mine():\n    return evaluation.create_definition('', content={'template': 3})\n\nmine()")
    lines = shown.strip().splitlines()
    assert lines[0] == "validation: The definition is not valid."
    assert [line.split()[0] for line in lines[2:6]] == [
        "name",
        "content.preamble",
        "content.template",
        "content.dimensions",
    ]
    assert lines[7] == "Fix: Correct the named fields; nothing was written."
    assert re.fullmatch(r"Cell In\[\d+\], line 4: mine\(\)", lines[9])
    assert re.fullmatch(r"Cell In\[\d+\], line 2: return evaluation\.create_definition.*", lines[10])
    assert len(lines) == 11

    shell("evaluation.create_cohort('c', criteria={'models': ['m']})")
    shown = shell("evaluation.create_cohort('c', criteria={'models': ['m']})")
    assert shown.startswith("conflict: ") and "Fix: " in shown
    for hidden in ("Traceback", "IntegrityError", "site-packages", "datapkg/", "sqlite3"):
        assert hidden not in shown


def test_an_error_has_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """None with NO_COLOR set, as on the command line."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in error_text(NotFoundError("run", "x"))[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(error_text(NotFoundError("run", "x")))


@pytest.mark.datapkg_engines("sqlite")
def test_an_error_gives_no_secret_away(shell: Callable[[str], str]) -> None:
    """A line of code that may hold a password shows none of its texts, in whatever way they are written."""
    lines = (
        "datapkg.connect('postgresql://me:hunter2@localhost:1/x?connect_timeout=1')",
        "datapkg.connect('postgresql://me:p@hunter2@localhost:1/x?connect_timeout=1')",
        "datapkg.connect('postgresql://localhost:1/x?user=me&password=hunter2&connect_timeout=1')",
        "datapkg.accounts.create_user('x', password='hunter2', password_hash=\"hunter2\")",
        'datapkg.accounts.create_user(\'x\', name="""hunter2""")',
        r"datapkg.accounts.create_user('x', name='a\'hunter2' 'hunter2')",
    )
    for line in lines:
        shown = shell(line)
        assert "line 1" in shown and "hunter2" not in shown, line
    assert "'…'" in shown


@pytest.mark.datapkg_engines("sqlite")
def test_plain_tracebacks_stay_as_they_are(db: KitDatabase) -> None:
    """Outside of IPython nothing of this shows; the cause stays on the error for whoever looks for it."""
    evaluation.create_cohort("c", criteria={"models": ["m"]})
    with pytest.raises(ConflictError) as caught:
        evaluation.create_cohort("c", criteria={"models": ["m"]})
    assert caught.value.__cause__ is not None
    assert str(caught.value).endswith(caught.value.fix)


@pytest.mark.datapkg_engines("sqlite")
def test_completion_shows_the_documented_names(shell: Callable[[str], str]) -> None:
    """Functions of a domain, columns of a row and keywords complete, by jedi and without it."""
    from datapkg.testing.factories import make_run

    ipython = InteractiveShell.instance()
    ipython.user_ns["run"] = make_run()

    def completed(text: str) -> set[str]:
        with provisionalcompleter(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {each.text.removeprefix(".") for each in ipython.Completer.completions(text, len(text))}

    columns = {
        field.name for model in registry.models() if model is evaluation.Run for field in model._meta.sorted_fields
    }
    for jedi in (True, False):
        ipython.Completer.use_jedi = jedi
        getters = completed("evaluation.get_")
        assert getters == {name for name in evaluation.__all__ if name.startswith("get_")}
        assert completed("datapkg.") == set(datapkg.__all__)
        assert columns | {"definition_id", "transcripts"} <= completed("run.")
        assert {"status=", "limit=", "definition_id="} <= completed("evaluation.list_runs(")
    ipython.Completer.use_jedi = True
    assert completed("evaluation.get_run(run.id).definition.na") == {"name"}
    assert "fork_definition(parent_id: 'UUID | str'" in shell("help(evaluation.fork_definition)")


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [(evaluation, "get_runn", "get_run"), (datapkg, "evalution", "evaluation"), (planning, "balence", "balance")],
    ids=["evaluation", "datapkg", "planning"],
)
def test_a_mistyped_name_is_met_by_the_one_that_was_meant(module: Any, name: str, meant: str) -> None:
    """The message itself says it, because a notebook shows no more than that; a name like no other gets no advice."""
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'. Did you mean: '{meant}'?"):
        getattr(module, name)
    for other in ("zzzzzz", "__zzz__"):
        with pytest.raises(AttributeError, match=rf"has no attribute '{other}'\Z"):
            getattr(module, other)
