//! What a replica costs, where that is asked for: by a query of a metric source, or by the operator's price book from
//! what the pods request.
//!
//! Asked once a step of the policy. The last price holds until it is too old; from then on it is unknown, and that is
//! part of the policy of the tick, so that a decision can be derived again from its log.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::time::{Instant, timeout_at};

use super::actuate::ScaleTarget;
use super::context::Context;
use super::signal::Query;
use crate::api::{self, FieldError, PredictiveAutoscalerSpec, SpendStatus};
use crate::edge::clock::to_jiff;
use crate::metrics::InstantQuery;
use crate::policy::{PodCost, Policy, Price, PriceBook, PriceMemory, Told};
use crate::units::{PricePerReplicaHour, Span, Timestamp};

/// A price query looks back no further than this, as Prometheus does: its age is counted from when it was answered.
const LOOK_BACK: Span = Span::from_minutes(5);

/// What is asked of a source at `at`, where an answer holds for `max_age`.
pub fn question(promql: String, at: Timestamp, max_age: Span) -> InstantQuery {
    InstantQuery { promql, at, max_age: LOOK_BACK.min(max_age) }
}

/// While the workload cannot be read its pods are taken to cost what they did.
const TEMPLATE_HOLDS: Span = Span::from_hours(1);

/// Where the price of a replica is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Of a source; an answer holds so long.
    Query(Query, Span),
    /// The price book.
    Book,
}

impl Asked {
    /// Where `spec` asks; `None` where it states the price, or none. `query` is its query with the source's labels.
    ///
    /// # Errors
    /// When the price book is in another currency.
    pub fn of(
        spec: &PredictiveAutoscalerSpec,
        query: Option<(Query, Span)>,
        book: Option<&PriceBook>,
    ) -> Result<Option<Self>, FieldError> {
        if let Some((query, max_age)) = query {
            return Ok(Some(Self::Query(query, max_age)));
        }
        if !api::by_price_book(spec) {
            return Ok(None);
        }
        let currency = spec.spend.as_ref().map(|spend| spend.currency.as_str()).unwrap_or_default();
        book.map_or(Ok(()), |book| api::in_currency(book, currency))?;
        Ok(Some(Self::Book))
    }

    /// What is asked, in a few words that change with the question.
    fn words(&self, currency: &str) -> String {
        match self {
            Self::Query(Query { source, promql, .. }, _) => {
                let mut hasher = DefaultHasher::new();
                promql.hash(&mut hasher);
                format!("{currency} {source} {:016x}", hasher.finish())
            }
            Self::Book => format!("{currency} price book"),
        }
    }

    const fn field(&self) -> &'static str {
        match self {
            Self::Query(..) => "priceQuery",
            Self::Book => "priceBook",
        }
    }
}

/// What was answered when the price was asked for.
pub struct Answered {
    told: Told,
    /// How long it holds.
    holds: Span,
    /// The rate of the price book that counts.
    rate: Option<String>,
}

/// The price of one autoscaler from tick to tick.
#[derive(Debug, Default)]
pub struct Pricing {
    /// What is remembered of it; `None` where nothing is asked.
    pub memory: Option<PriceMemory>,
    asked_at: Option<Timestamp>,
    /// How long the last price holds.
    holds: Span,
    /// The rate of the price book that counts.
    rate: Option<String>,
}

impl Pricing {
    /// Asks when a new step has begun, or something else is asked; `None` when nothing is due.
    pub async fn ask(
        &self,
        ctx: &Context,
        (asked, target): (Option<&Asked>, &ScaleTarget),
        policy: &Policy,
        (now, until): (Timestamp, Instant),
    ) -> Option<Answered> {
        let (asked, rule) = (asked?, policy.spend.as_ref()?);
        let at = now.floor_to(policy.step);
        let knows = self.memory.as_ref().is_some_and(|memory| memory.asked == asked.words(&rule.currency));
        if knows && self.asked_at == Some(at) {
            return None;
        }
        Some(match asked {
            Asked::Query(query, max_age) => {
                let answer = by_query(ctx, query, (at, *max_age), policy.step);
                let told = timeout_at(until, answer).await;
                let told =
                    told.unwrap_or_else(|_| Err("the source did not answer within the tick".to_owned()));
                Answered { told, holds: *max_age, rate: None }
            }
            Asked::Book => by_book(ctx, target, (now, until)).await,
        })
    }

    /// Puts the price of this tick into the policy, where it is asked for.
    pub fn take(
        &mut self,
        (asked, answered): (Option<&Asked>, Option<Answered>),
        policy: &mut Policy,
        now: Timestamp,
    ) {
        let step = policy.step;
        let (Some(asked), Some(rule)) = (asked, &mut policy.spend) else {
            self.memory = None;
            return;
        };
        let words = asked.words(&rule.currency);
        let known = self.memory.take().filter(|memory| memory.asked == words);
        let mut memory = known.unwrap_or_else(|| PriceMemory::asking(&words));
        if let Some(Answered { told, holds, rate }) = answered {
            (self.asked_at, self.holds, self.rate) = (Some(now.floor_to(step)), holds, rate);
            memory.take(told, now);
        }
        rule.price = memory.price(now, self.holds);
        self.memory = Some(memory);
    }

    /// What the status says of the price.
    pub fn status(&self, asked: Option<&Asked>, price: &Price) -> SpendStatus {
        let from = asked.map_or("pricePerReplicaHour", Asked::field);
        let from = match &self.rate {
            Some(rate) => format!("{from}: {rate}"),
            None => from.to_owned(),
        };
        let last = self.memory.as_ref().and_then(|memory| memory.last);
        let since = match price {
            Price::Known(_) => None,
            Price::Unknown(unpriced) => unpriced.since,
        };
        SpendStatus {
            price: price.reckoned().map(|price| price.to_string()),
            price_from: Some(api::limits::clip(&from, 256)),
            price_at: last.map(|(_, at)| to_jiff(at)),
            price_unknown_since: since.map(to_jiff),
            ..SpendStatus::default()
        }
    }
}

async fn by_book(ctx: &Context, target: &ScaleTarget, (now, until): (Timestamp, Instant)) -> Answered {
    let read = timeout_at(until, ctx.targets.object(target)).await;
    let Some(object) = read.ok().and_then(Result::ok) else {
        let told = Err("the target could not be read".to_owned());
        return Answered { told, holds: TEMPLATE_HOLDS, rate: None };
    };
    let priced =
        match &ctx.settings.price_book {
            None => Err("the operator has no price book: start it with --price-book (Helm value priceBook)"
                .to_owned()),
            Some(book) => PodCost::of_workload(&object.data)
                .and_then(|pod| book.price(&pod).map(|(price, rate)| (price, rate.name())))
                .map_err(|error| error.to_string()),
        };
    match priced {
        Ok((price, rate)) => Answered { told: Ok((price, now)), holds: TEMPLATE_HOLDS, rate: Some(rate) },
        // What the template says holds at once.
        Err(problem) => Answered { told: Err(problem), holds: Span::ZERO, rate: None },
    }
}

async fn by_query(
    ctx: &Context,
    query: &Query,
    (at, max_age): (Timestamp, Span),
    step: crate::units::Step,
) -> Told {
    if let Some(refused) = &query.refused {
        return Err(refused.clone());
    }
    let asked = question(query.promql.clone(), at, max_age);
    let (digits, at) = ctx.pool.exact(&query.source, &asked, step).await?;
    match PricePerReplicaHour::told(&digits) {
        Ok(price) => Ok((price, at)),
        Err(_) => Err(format!(
            "the price query gave `{digits}`: it must give a price greater than zero and at most 1000000"
        )),
    }
}
