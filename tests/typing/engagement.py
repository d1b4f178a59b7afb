"""The engagement domain, as a program downstream sees it; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
from typing import assert_type
from uuid import UUID

from datapkg import engagement
from datapkg.engagement import (
    AbAssignment,
    AbExperiment,
    AbExperimentHealth,
    Author,
    CommunityChampion,
    CompetitiveMention,
    Competitor,
    ContentRules,
    Decision,
    EngagementReport,
    Escalation,
    KpiMetric,
    LearningEvent,
    LegalHold,
    Post,
    RandomizedExperiment,
    Reply,
    SegmentedWeight,
    WeightAdjustmentLog,
)
from datapkg.kit.results import Rows


def functions(key: UUID, text: str, day: dt.date) -> None:
    """What each function gives."""
    assert_type(engagement.adjust_weights([], reason=text, actor=key), WeightAdjustmentLog)
    assert_type(engagement.anonymise_author(key, actor=key, reason=text), Author)
    assert_type(engagement.approve_reply(key, approved_by=key, content_sha256=text), Reply)
    assert_type(engagement.assign_escalation(key, assigned_to=text, actor=key), Escalation)
    assert_type(engagement.assign_variant(key, subject=key), AbAssignment)
    assert_type(engagement.cancel_ab_experiment(key), AbExperiment)
    engagement.check_author(text, text)
    engagement.check_post(text, text, text, [text])
    engagement.check_reply(text, text)
    engagement.configure_rules(engagement.DEFAULT_RULES)
    assert_type(engagement.content_rules(), ContentRules)
    assert_type(engagement.content_sha256(text), str)
    assert_type(engagement.create_ab_experiment(text, variant_a=text, variant_b=text, metric=text), AbExperiment)
    assert_type(engagement.create_competitor(text, category=text), Competitor)
    engagement.delete_ab_experiment(key)
    engagement.delete_author(key)
    engagement.delete_champion(key)
    engagement.delete_competitor(key)
    engagement.delete_decision(key)
    engagement.delete_kpi(key)
    engagement.delete_mention(key)
    engagement.delete_post(key)
    assert_type(engagement.delete_reply(key, reason=text, actor=key), Reply)
    assert_type(engagement.demote_champion(key, tier=text, actor=key), CommunityChampion)
    assert_type(engagement.draft_reply(key, content=text), Reply)
    assert_type(engagement.edit_reply(key, content=text), Reply)
    assert_type(engagement.escalate(text, actor=key), Escalation)
    assert_type(engagement.evaluate_learning_event(key, actual_improvement=1.5), LearningEvent)
    assert_type(engagement.experiment_health(key), AbExperimentHealth)
    assert_type(engagement.find_ab_experiment(key), AbExperiment | None)
    assert_type(engagement.find_author(key), Author | None)
    assert_type(engagement.find_author_by_platform_id(text, platform_id=text), Author | None)
    assert_type(engagement.find_champion(key), CommunityChampion | None)
    assert_type(engagement.find_competitor(key), Competitor | None)
    assert_type(engagement.find_competitor_by_name(text), Competitor | None)
    assert_type(engagement.find_decision(key), Decision | None)
    assert_type(engagement.find_escalation(key), Escalation | None)
    assert_type(engagement.find_hold(key), LegalHold | None)
    assert_type(engagement.find_kpi(key), KpiMetric | None)
    assert_type(engagement.find_learning_event(key), LearningEvent | None)
    assert_type(engagement.find_mention(key), CompetitiveMention | None)
    assert_type(engagement.find_post(key), Post | None)
    assert_type(engagement.find_post_by_platform_id(text, platform_post_id=text), Post | None)
    assert_type(engagement.find_randomized_experiment(key), RandomizedExperiment | None)
    assert_type(engagement.find_reply(key), Reply | None)
    assert_type(engagement.find_weight_adjustment(key), WeightAdjustmentLog | None)
    assert_type(engagement.find_weights(text, segment_key=text), SegmentedWeight | None)
    assert_type(engagement.finish_ab_experiment(key, results={}), AbExperiment)
    assert_type(engagement.get_ab_experiment(key), AbExperiment)
    assert_type(engagement.get_author(key), Author)
    assert_type(engagement.get_champion(key), CommunityChampion)
    assert_type(engagement.get_competitor(key), Competitor)
    assert_type(engagement.get_decision(key), Decision)
    assert_type(engagement.get_escalation(key), Escalation)
    assert_type(engagement.get_hold(key), LegalHold)
    assert_type(engagement.get_kpi(key), KpiMetric)
    assert_type(engagement.get_learning_event(key), LearningEvent)
    assert_type(engagement.get_mention(key), CompetitiveMention)
    assert_type(engagement.get_post(key), Post)
    assert_type(engagement.get_randomized_experiment(key), RandomizedExperiment)
    assert_type(engagement.get_reply(key), Reply)
    assert_type(engagement.get_weight_adjustment(key), WeightAdjustmentLog)
    assert_type(engagement.get_weights(text, segment_key=text), SegmentedWeight)
    assert_type(engagement.list_ab_experiments(), Rows[AbExperiment])
    assert_type(engagement.list_assignments(), Rows[AbAssignment])
    assert_type(engagement.list_authors(), Rows[Author])
    assert_type(engagement.list_champions(), Rows[CommunityChampion])
    assert_type(engagement.list_competitors(), Rows[Competitor])
    assert_type(engagement.list_decisions(), Rows[Decision])
    assert_type(engagement.list_escalations(), Rows[Escalation])
    assert_type(engagement.list_holds(), Rows[LegalHold])
    assert_type(engagement.list_kpis(), Rows[KpiMetric])
    assert_type(engagement.list_learning_events(), Rows[LearningEvent])
    assert_type(engagement.list_mentions(), Rows[CompetitiveMention])
    assert_type(engagement.list_posts(), Rows[Post])
    assert_type(engagement.list_randomized_experiments(), Rows[RandomizedExperiment])
    assert_type(engagement.list_replies(), Rows[Reply])
    assert_type(engagement.list_weight_adjustments(), Rows[WeightAdjustmentLog])
    assert_type(engagement.list_weights(), Rows[SegmentedWeight])
    assert_type(engagement.mark_posted(key, platform_post_id=text), Reply)
    assert_type(engagement.mark_processed(key), Post)
    assert_type(engagement.place_hold(reason=text, placed_by=key), LegalHold)
    assert_type(engagement.promote_champion(key, actor=key), CommunityChampion)
    assert_type(engagement.record_champion_contact(key), CommunityChampion)
    assert_type(
        engagement.record_decision(
            key, sss_score=1.5, ars_score=1.5, evs_score=1.5, trs_score=1.5, composite_score=1.5, mode=text
        ),
        Decision,
    )
    assert_type(engagement.record_interaction(key, kind=text), Author)
    assert_type(engagement.record_kpi(day, platform=text, metric_type=text, metric_name=text, value=1.5), KpiMetric)
    assert_type(
        engagement.record_learning_event(text, adjustment={}, predicted_improvement=1.5, baseline_performance=1.5),
        LearningEvent,
    )
    assert_type(
        engagement.record_mention(key, competitor_id=key, sentiment=text, opportunity_score=1.5), CompetitiveMention
    )
    assert_type(engagement.record_no_adjustment(text, actor=key), WeightAdjustmentLog)
    assert_type(
        engagement.record_post(text, platform_post_id=text, author_id=key, content=text, keyword_matches=[text]), Post
    )
    assert_type(
        engagement.record_randomized_experiment(key, predicted_mode=text, actual_mode=text), RandomizedExperiment
    )
    assert_type(engagement.record_randomized_outcome(key, actual_outcome=1.5), RandomizedExperiment)
    assert_type(engagement.record_reply_metrics(key, metrics={}), Reply)
    assert_type(engagement.reject_reply(key, rejected_by=key, reason=text), Reply)
    assert_type(engagement.release_hold(key, released_by=key), LegalHold)
    assert_type(engagement.report(), EngagementReport)
    assert_type(engagement.resolve_escalation(key, resolved_by=key), Escalation)
    assert_type(engagement.rollback_weights(key, reason=text, actor=key), WeightAdjustmentLog)
    assert_type(
        engagement.set_segment_weights(
            text,
            segment_key=text,
            sss_weight=1.5,
            ars_weight=1.5,
            evs_weight=1.5,
            trs_weight=1.5,
            reason=text,
            actor=key,
        ),
        SegmentedWeight,
    )
    assert_type(engagement.start_ab_experiment(key), AbExperiment)
    assert_type(engagement.update_ab_experiment(key), AbExperiment)
    assert_type(engagement.update_champion(key), CommunityChampion)
    assert_type(engagement.update_competitor(key), Competitor)
    assert_type(engagement.upsert_author(text, platform_id=text, handle=text), Author)
    with engagement.use_rules(engagement.DEFAULT_RULES) as rules:
        assert_type(rules, ContentRules)
