"""Why a target is not met, and what was tried; the report shows a reason only where that is so."""

from __future__ import annotations

__all__ = ["REASONS"]

_DRIVER = "The driver's part is the same on every side"
_PARSED = (
    "orjson reads texts that have just come from the database twice as fast as json, not four times as texts that it "
    "has read before. Tried without gain: bytes instead of text for orjson"
)
_LOOKED_AT = (
    "Contents are parsed in the caller's loop, where garbage collection is on; while the tree is made, it is held off"
)
_CREATED = (
    "the row goes out by the same statement. Before it, 6 µs of validation are about what orjson saves against json; "
    "8 µs more are a key, two instants, and the instance that is returned. Measured and left: imports inside "
    "functions, which keep the start of a program short (1 µs), and the second conversion of the same instant (1 µs)."
)

REASONS: dict[str, str] = {
    "sqlite create": _CREATED,
    "sqlite create-full": _CREATED,
    "postgresql create": _CREATED,
    "sqlite get": (
        "7 µs of 14 are SQLite's and 4 orjson's; the rest checks the key, finds the connection and builds the "
        "instance, none of which takes a whole microsecond."
    ),
    "postgresql get": (
        f"{_DRIVER}; before each statement datapkg asks the socket whether the server has hung up, a few µs, "
        "so that an idle connection that was cut is replaced and not an error."
    ),
    "sqlite ancestors-10": (
        "38 of 80 µs are SQLite's, against 48 of 90 for whole rows carried through the recursion; building ten "
        f"instances takes 15, reading ten contents 28. {_PARSED}."
    ),
    "sqlite ancestors-1000": (
        f"SQLite takes 6.6 of raw's 13.3 ms and as long on this side, since every row lies on another page. {_PARSED}, "
        "garbage collection held off while contents are read."
    ),
    "postgresql ancestors-10": (
        "0.86 of raw in an earlier quiet run, 1.14 in this one: within what separates two runs of a shared machine. "
        f"Ten instances and their keys are built, where raw makes dictionaries. {_PARSED}."
    ),
    "postgresql ancestors-1000": (
        "the server's spelling out of jsonb and its way to the client are two thirds of the time and the same for all. "
        f"{_PARSED}."
    ),
    "sqlite tree": (
        "of 150 ms, SQLite's reading takes 38 (by level, two thirds of the recursion's), 10,000 instances 24, their "
        f"nodes 10; the rest is orjson and memory for what it makes. {_LOOKED_AT}. {_PARSED}."
    ),
    "postgresql tree": (
        "finding the keys takes a fifth of the time; spelling out 12 MB of jsonb and reading it from the socket takes "
        "most of the rest, on every side. Tried, all slower: a query for each level (1.3 times as long), an array of "
        f"keys instead of the join (1.3). {_LOOKED_AT}. {_PARSED}."
    ),
    "sqlite structure": (
        "half of what is left without contents is SQLite's search for the children of 10,000 definitions, the rest "
        "10,000 instances and nodes; the row above has become quicker, and this is held against it."
    ),
    "postgresql list": (
        "the server spells out three jsonb documents for each run, the same for all; only what is looked at is parsed."
    ),
    "sqlite increment": (
        "the statement alone takes 1.9 times as long as raw's: it refuses more than the total and runs that have "
        "ended, is a sign of life, and gives the run back, which is a third of its time; 10 µs of 28 are Python's. "
        "Tried: the key alone in RETURNING (3 µs less, but then the run would have to be read)."
    ),
    "postgresql increment": (
        "one statement, as raw's, and the same commit; beyond it the server checks what is refused and sends the whole "
        "run back, two documents among it."
    ),
    "sqlite claim": "see [CLAIMS.md](CLAIMS.md): validation, the lease's times, two keys and the instance are 35 µs.",
    "postgresql claim": "one statement, as raw's; see [CLAIMS.md](CLAIMS.md) for a queue that nobody else claims from.",
    "sqlite stream": (
        "pages by key instead of one query, so that the caller may write meanwhile. Pages of 1 MB instead of 4 took "
        "12 % off, as a text is then still in the processor's cache when it is parsed; smaller ones took no more off."
    ),
    "postgresql stream": (
        "pages by key instead of a cursor, so that no transaction stays open while the caller works: 6 µs of CPU for a "
        "row against 5. Pages of 1 MB instead of 4 took 12 % off, as a text is then still in the processor's cache "
        "when it is parsed; smaller ones took no more off. Parsing takes the rest, and json is good at long texts."
    ),
    "sqlite fresh copy": (
        "SQLite reads the schema anew for every copy: 59 tables and 188 indexes, 155 kB of CREATE, mostly the CHECKs "
        "that make it as strict as PostgreSQL. That is 2.4 of the 3 ms; with 14 tables it once was 0.75."
    ),
    "sqlite fresh rollback": "a tie: 0.035 ms in an earlier run.",
    "validation": (
        "a content of 1.2 kB has 20 texts, and each is looked at for its type, NUL, lone surrogates and its length: "
        "5 µs by the generated recogniser, and 1 for the version and the rules between fields. One comparison for "
        "both bounds of a length took 5 % off."
    ),
}
"""By engine and operation, as the report asks for them."""
