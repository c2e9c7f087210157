//! What follows from one generation of the spec: the policy, the target, the signals and everything that is asked.

use super::Worker;
use crate::api::{self, FieldError, MetricQuery, MetricSource, PredictiveAutoscaler};
use crate::operator::actuate::ScaleTarget;
use crate::operator::capacities::Asks;
use crate::operator::pricing::Asked;
use crate::operator::signal::Signal;
use crate::operator::sources;
use crate::policy::{CapacityRule, Policy};
use crate::units::{Span, Timestamp};

/// What follows from one generation of the spec and its source.
pub(super) struct Plan {
    pub(super) fingerprint: (i64, Vec<Option<String>>, u64),
    pub(super) policy: Policy,
    pub(super) target: ScaleTarget,
    pub(super) signals: Vec<Signal>,
    /// Where the price is asked for.
    pub(super) price: Option<Asked>,
    /// What is asked for capacities and limits.
    pub(super) asks: Asks,
}

impl Worker {
    /// Makes the plan of this generation unless it stands already.
    pub(super) fn plan_for(
        &mut self,
        object: &PredictiveAutoscaler,
        now: Timestamp,
    ) -> Result<(), Vec<FieldError>> {
        let asked = api::metric_queries(&object.spec, &self.namespace);
        let sources: Vec<_> = asked.iter().map(|query| self.ctx.source(&query.source)).collect();
        let price = api::price_query(&object.spec);
        let price_source = price.as_ref().and_then(|(query, _)| self.ctx.source(&query.source));
        let others: Vec<_> = Asks::sources(&object.spec).map(|name| self.ctx.source(&name)).collect();
        let all = sources.iter().chain([&price_source]).chain(&others);
        let versions = all.map(|source| source.as_deref().map(sources::version)).collect();
        let fingerprint = (object.metadata.generation.unwrap_or_default(), versions, self.announced.round);
        let windows = &self.announced.windows;
        if self.plan.as_ref().is_some_and(|plan| plan.fingerprint == fingerprint) {
            return Ok(());
        }
        let policy = api::policy(&object.spec)?;
        let price =
            self.asked_price(object, (price, price_source.as_deref())).map_err(|error| vec![error])?;
        let asks = Asks::of(&self.ctx, &object.spec, &self.namespace)?;
        let mut old: Vec<Signal> = self.plan.take().map(|plan| plan.signals).unwrap_or_default();
        let mut signals = Vec::new();
        let key = format!("{}/{}", self.namespace, self.name);
        for (i, (rule, (question, source))) in
            policy.metrics.iter().zip(asked.into_iter().zip(&sources)).enumerate()
        {
            let preset = object.spec.metrics.get(i).map(|metric| metric.kind);
            let preset = preset.filter(|_| rule.capacity == CapacityRule::PodRequests);
            let query = sources::question(question, source.as_deref(), &self.namespace, preset);
            let query = query.map_err(|error| {
                let path = format!("spec.metrics[{i}].query");
                vec![FieldError::new(path, error.problem, error.remedy)]
            })?;
            // A metric whose question did not change keeps what it has learned.
            let same = old.iter().position(|signal| {
                *signal.query() == query && signal.learns_as(&policy, rule) && signal.takes_out(windows, now)
            });
            let mut signal = match same {
                Some(idx) => old.swap_remove(idx),
                None => Signal::new(&key, &policy, (rule, query), windows),
            };
            signal.announce(windows);
            signals.push(signal);
        }
        let target = ScaleTarget::named(&object.spec.scale_target_ref, &self.namespace);
        self.capacities.ask_anew();
        self.plan = Some(Plan { fingerprint, policy, target, signals, price, asks });
        Ok(())
    }

    /// Where the price is asked for.
    fn asked_price(
        &self,
        object: &PredictiveAutoscaler,
        (query, source): (Option<(MetricQuery, Span)>, Option<&MetricSource>),
    ) -> Result<Option<Asked>, FieldError> {
        let query = query.map(|(query, max_age)| {
            let question = sources::question(query, source, &self.namespace, None);
            question
                .map(|question| (question, max_age))
                .map_err(|error| FieldError::new("spec.spend.priceQuery.query", error.problem, error.remedy))
        });
        Asked::of(&object.spec, query.transpose()?, self.ctx.settings.price_book.as_deref())
    }
}
