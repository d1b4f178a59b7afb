"""Champions: raised, lowered, written to and counted."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest
from reply_samples import UNKNOWN, actions, all_at_once, new_author

from datapkg import engagement
from datapkg.engagement import CommunityChampion
from datapkg.errors import ConflictError, InvalidTransitionError, NotFoundError, ValidationError

NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def test_raised_step_by_step(db):
    """The lowest tier first, then the next; the highest stays, and nothing that changes nothing is recorded."""
    author = new_author()
    tiers = [engagement.promote_champion(author.id, actor="ann").tier for _ in range(4)]
    assert tiers == ["SUPPORTER", "ADVOCATE", "AMBASSADOR", "AMBASSADOR"]
    assert actions("author") == [
        ("promote_champion", "ann", {"from": None, "to": "SUPPORTER"}),
        ("promote_champion", "ann", {"from": "SUPPORTER", "to": "ADVOCATE"}),
        ("promote_champion", "ann", {"from": "ADVOCATE", "to": "AMBASSADOR"}),
    ]
    read = engagement.get_champion(str(author.id))
    assert (read.author_id, read.engagement_count, read.advocate_status) == (author.id, 0, "CANDIDATE")
    assert len(engagement.list_champions()) == 1


def test_nobody_is_lowered_by_a_promotion(db):
    """A tier can be named; a lower one needs demote_champion, which raises nobody."""
    author = new_author()
    made = engagement.promote_champion(author.id, tier="ADVOCATE", actor="ann")
    assert engagement.promote_champion(author.id, tier="ADVOCATE", actor="bob").public() == made.public()
    with pytest.raises(InvalidTransitionError) as caught:
        engagement.promote_champion(author.id, tier="SUPPORTER", actor="ann")
    assert (caught.value.meta["from"], caught.value.meta["to"]) == ("ADVOCATE", "SUPPORTER")
    with pytest.raises(InvalidTransitionError, match="only ADVOCATE"):
        engagement.demote_champion(author.id, tier="AMBASSADOR", actor="ann")
    assert engagement.demote_champion(author.id, tier="ADVOCATE", actor="ann").public() == made.public()
    assert engagement.demote_champion(author.id, tier="SUPPORTER", actor="bob").tier == "SUPPORTER"
    assert actions("author")[1:] == [("demote_champion", "bob", {"from": "ADVOCATE", "to": "SUPPORTER"})]


@pytest.mark.datapkg_commits
def test_several_raise_the_same_author_at_once(db):
    """There is one row; named the same tier, one of them did it; each engagement of several counts."""
    author = new_author()
    promotions = [partial(engagement.promote_champion, author.id, tier="ADVOCATE", actor=f"p{n}") for n in range(6)]
    results = all_at_once(*promotions)
    assert all(isinstance(each, CommunityChampion) and each.tier == "ADVOCATE" for each in results)
    assert len(actions("author")) == 1
    all_at_once(*[partial(engagement.update_champion, author.id, engagements=2)] * 6)
    assert engagement.get_champion(author.id).engagement_count == 12


def test_contact(db):
    """A newer message counts and waits for its response; an older one, or the same told twice, changes nothing."""
    author = new_author()
    engagement.promote_champion(author.id, actor="ann")
    first = engagement.record_champion_contact(author.id, dm_sent_at=NOON)
    assert (first.dm_sent_at, first.dm_response, first.engagement_count) == (NOON, "NO_RESPONSE", 1)
    engagement.update_champion(author.id, dm_response="POSITIVE")
    for at in (NOON, NOON - HOUR):
        again = engagement.record_champion_contact(author.id, dm_sent_at=at)
        assert (again.dm_sent_at, again.dm_response, again.engagement_count) == (NOON, "POSITIVE", 1)
    newer = engagement.record_champion_contact(author.id, dm_sent_at=NOON + HOUR)
    assert (newer.dm_sent_at, newer.dm_response, newer.engagement_count) == (NOON + HOUR, "NO_RESPONSE", 2)
    assert engagement.record_champion_contact(author.id).dm_sent_at > NOON + HOUR
    with pytest.raises(ValidationError):
        engagement.record_champion_contact(author.id, dm_sent_at=dt.datetime(2026, 1, 1))


def test_changes(db):
    """What is left out stays, engagements are added, and None empties what may be empty."""
    author = new_author()
    engagement.promote_champion(author.id, actor="ann")
    engagement.update_champion(
        author.id, dm_sent_at=NOON, dm_response="NEGATIVE", sample_sent=True, converted=True, engagements=3
    )
    read = engagement.update_champion(author.id, advocate_status="ACTIVE", dm_response=None, engagements=2)
    assert (read.dm_sent_at, read.dm_response, read.sample_sent, read.converted) == (NOON, None, True, True)
    assert (read.advocate_status, read.engagement_count, read.tier) == ("ACTIVE", 5, "SUPPORTER")
    with pytest.raises(ValidationError) as caught:
        engagement.update_champion(
            author.id, dm_response="MAYBE", sample_sent=1, advocate_status=None, engagements=-1, tier="AMBASSADOR"
        )
    assert set(caught.value.errors) == {"dm_response", "sample_sent", "advocate_status", "engagements", "tier"}
    with pytest.raises(ValidationError):
        engagement.update_champion(author.id)
    assert engagement.get_champion(author.id).public() == read.public()
    with pytest.raises(ConflictError):
        CommunityChampion.create(author=author.id)
    CommunityChampion.update(engagement_count=2**31 - 3).execute()
    assert engagement.update_champion(author.id, engagements=2).engagement_count == 2**31 - 1
    with pytest.raises(ConflictError) as full:
        engagement.update_champion(author.id, engagements=1, converted=False)
    assert full.value.columns == ("engagement_count",)
    assert engagement.update_champion(author.id, engagements=0).converted is True


def test_who_is_no_champion(db):
    """An author who is none, and a key that belongs to nobody."""
    author = new_author()
    for key in (author.id, UNKNOWN):
        assert engagement.find_champion(key) is None
        for call in (
            engagement.get_champion,
            engagement.delete_champion,
            engagement.record_champion_contact,
            partial(engagement.update_champion, converted=True),
            partial(engagement.demote_champion, tier="SUPPORTER", actor="ann"),
        ):
            with pytest.raises(NotFoundError):
                call(key)
    with pytest.raises(NotFoundError) as caught:
        engagement.promote_champion(UNKNOWN, actor="ann")
    assert caught.value.entity == "author"
    with pytest.raises(ValidationError) as refused:
        engagement.promote_champion("x", tier="KING", actor="")
    assert set(refused.value.errors) == {"author_id", "tier", "actor"}
    with pytest.raises(ValidationError) as refused:
        engagement.demote_champion("x", tier=None, actor="")
    assert set(refused.value.errors) == {"author_id", "tier", "actor"}


def test_anonymised_authors_are_no_champions(db):
    """Nobody can make one of them any more."""
    author = new_author()
    engagement.promote_champion(author.id, actor="ann")
    engagement.anonymise_author(author.id, actor="ann", reason="asked for")
    with pytest.raises(InvalidTransitionError, match="anonymised"):
        engagement.promote_champion(author.id, actor="ann")


def test_lists_and_deletion(db):
    """By tier, status and conversion, newest first; a deleted champion is an author like others again."""
    made = [engagement.promote_champion(new_author().id, tier=tier, actor="a") for tier in ("SUPPORTER", "ADVOCATE")]
    engagement.update_champion(made[0].author_id, converted=True, advocate_status="ACTIVE")

    def listed(**filters):
        return [made.index(each) for each in engagement.list_champions(**filters)]

    assert listed() == [1, 0]
    assert listed(tier="ADVOCATE") == listed(converted=False) == listed(limit=1) == [1]
    assert listed(advocate_status="ACTIVE") == listed(converted=True) == listed(after=made[1].id) == [0]
    with pytest.raises(ValidationError) as caught:
        engagement.list_champions(tier="x", advocate_status="x", converted="x", limit=0)
    assert set(caught.value.errors) == {"tier", "advocate_status", "converted", "limit"}
    hold = engagement.place_hold(author_id=made[0].author_id, reason="a case", placed_by="law")
    with pytest.raises(InvalidTransitionError, match="legal hold"):
        engagement.delete_champion(made[0].author_id)
    engagement.release_hold(hold.id, released_by="judge")
    engagement.delete_champion(made[0].author_id)
    assert engagement.find_champion(made[0].author_id) is None
    assert engagement.get_author(made[0].author_id).id == made[0].author_id
    assert engagement.promote_champion(made[0].author_id, actor="a").tier == "SUPPORTER"
