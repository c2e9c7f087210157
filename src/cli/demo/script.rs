//! What is played: which days, what goes wrong in them, and the objects that stand in the cluster.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::api::{self, DemandCalendar, PredictiveAutoscaler};
use crate::policy::Policy;
use crate::sandbox::prometheus::{Trouble, Window};
use crate::sandbox::world::SOURCE;
use crate::sandbox::{Season, StartUp};
use crate::units::{Span, Timestamp};

/// Foresail's namespace.
pub(super) const OURS: &str = "shop";
/// The namespace of the HPA beside it.
pub(super) const RIVAL: &str = "rival";
/// The workload and its autoscaler in both.
pub(super) const NAME: &str = "web";
/// The calendar of the autoscaler.
const CALENDAR: &str = "retail";
/// Where demand is read.
pub(super) const QUERY: &str = "sum(rate(http_requests_total{app=\"web\"}[1m]))";
/// What one replica serves, in requests a second.
pub(super) const CAPACITY: f64 = 100.0;
/// The utilization that the HPA aims at.
pub(super) const TARGET: f64 = 0.7;
/// From asking to serving, as the autoscaler is told: 95 % of the pods of the pods are ready by then.
const LEAD: &str = "4m";
/// Pods of a service that loads its caches before it serves.
pub(super) const START_UP: StartUp = StartUp { median: Span::from_seconds(180), spread: 0.15 };

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// The days up to a Black Friday that a calendar announces, and that day.
    BlackFriday,
    /// Prometheus is gone before the morning's wave.
    Blind,
    /// Demand is told as zero, then as NaN, then in a unit that is off by a thousand.
    BadMetric,
    /// Foresail raises an HPA's minReplicas and is killed before the morning's wave.
    OperatorDead,
}

impl Scenario {
    /// As it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BlackFriday => "black-friday",
            Self::Blind => "blind",
            Self::BadMetric => "bad-metric",
            Self::OperatorDead => "operator-dead",
        }
    }
}

/// A stretch of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first instant.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

impl Stretch {
    /// Whether `at` is in it.
    pub fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// Everything that is played.
#[derive(Clone, Debug)]
pub struct Script {
    /// What happens.
    pub scenario: Scenario,
    /// The demand.
    pub season: Season,
    /// Seed of everything else: start-up times, names.
    pub seed: u64,
    /// What is played live and judged; whole minutes. What came before it is history.
    pub live: Stretch,
}

impl Script {
    /// The scenario's usual days.
    pub fn of(scenario: Scenario, seed: u64) -> Self {
        let season = Season::of(seed);
        let (friday, day) = (season.black_friday, Span::from_hours(24));
        let live = match scenario {
            Scenario::BlackFriday => {
                Stretch { from: friday.minus(Span::from_hours(48)), to: friday.plus(day) }
            }
            Scenario::Blind | Scenario::BadMetric | Scenario::OperatorDead => {
                Stretch { from: friday.minus(day), to: friday }
            }
        };
        Self { scenario, season, seed, live }
    }

    /// The instant at `minute` of the last day before the Black Friday.
    fn at(&self, minute: u64) -> Timestamp {
        self.season.black_friday.minus(Span::from_hours(24)).plus(Span::from_minutes(minute))
    }

    /// From shortly before the morning's wave until it has risen and the first deal of the day has come.
    pub fn wave(&self) -> Stretch {
        match self.scenario {
            Scenario::BlackFriday => {
                let from = self.season.wave;
                Stretch { from, to: from.plus(Span::from_hours(4)) }
            }
            _ => Stretch { from: self.at(350), to: self.at(610) },
        }
    }

    /// When the operator is killed, if it is.
    pub fn killed(&self) -> Option<Timestamp> {
        (self.scenario == Scenario::OperatorDead).then(|| self.wave().from)
    }

    /// What goes wrong with the metric source.
    pub fn troubles(&self) -> Vec<Window> {
        let window = |from, to, trouble| Window { from: self.at(from), to: self.at(to), trouble };
        match self.scenario {
            Scenario::BlackFriday | Scenario::OperatorDead => Vec::new(),
            Scenario::Blind => {
                let Stretch { from, to } = self.wave();
                vec![Window { from, to, trouble: Trouble::Refused }]
            }
            Scenario::BadMetric => vec![
                window(480, 490, Trouble::Says(0.0)),
                window(540, 570, Trouble::Says(f64::NAN)),
                window(720, 730, Trouble::Times(1000.0)),
            ],
        }
    }

    /// The calendar that announces the Black Friday, where it is played.
    pub fn calendar(&self) -> Option<Value> {
        (self.scenario == Scenario::BlackFriday).then(|| {
            json!({
                "apiVersion": "foresail.dev/v1alpha1", "kind": "DemandCalendar",
                "metadata": {"name": CALENDAR, "namespace": OURS},
                "spec": {"timeZone": "UTC", "events": [{
                    "name": "black-friday", "start": "2026-11-27T06:00", "duration": "14h",
                    "multiplier": "4", "rampUp": "4h", "decay": "4h",
                }]},
            })
        })
    }

    /// The windows of the calendar.
    ///
    /// # Errors
    /// None in practice: the manifest is valid.
    pub fn events(&self) -> anyhow::Result<Vec<crate::calendar::Window>> {
        let Some(calendar) = self.calendar() else { return Ok(Vec::new()) };
        let object: DemandCalendar = serde_json::from_value(calendar)?;
        let calendar = api::calendar(CALENDAR, &object.spec)
            .map_err(|errors| anyhow::anyhow!("{errors:?}"))
            .context("the demo's calendar is refused")?;
        Ok(calendar.windows(self.live.from, self.live.to))
    }

    /// The autoscaler's manifest.
    pub fn autoscaler(&self) -> Value {
        let beside = self.scenario == Scenario::OperatorDead;
        let (mode, via) =
            if beside { ("Floor", "HorizontalPodAutoscalerFloor") } else { ("Active", "Scale") };
        let mut spend = json!({"pricePerReplicaHour": "0.096", "currency": "EUR"});
        if self.scenario == Scenario::BadMetric {
            // Fifty replicas.
            crate::sandbox::json::put(&mut spend, &["maxPerHour"], "4.80");
        }
        let calendars: Vec<Value> = self.calendar().iter().map(|_| json!({"name": CALENDAR})).collect();
        json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "PredictiveAutoscaler",
            "metadata": {"name": NAME, "namespace": OURS},
            "spec": {
                "mode": mode, "minReplicas": 2, "maxReplicas": self.most(), "sourceRef": {"name": SOURCE},
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
                "metrics": [{"name": "requests", "type": "Prometheus", "query": QUERY, "capacityPerReplica": "100"}],
                "forecast": {"leadTime": LEAD, "historyDays": 21},
                "spend": spend,
                "calendarRefs": calendars,
                // Longer than any lie of ten minutes: a shop that never falls by 90 % loses nothing by it.
                "evidence": {"suspectFor": "15m"},
                "actuation": {"via": via},
            },
        })
    }

    /// `maxReplicas` of both.
    const fn most(&self) -> u32 {
        match self.scenario {
            Scenario::BadMetric => 60,
            _ => 250,
        }
    }

    /// The policy of the autoscaler.
    ///
    /// # Errors
    /// None in practice: the manifest is valid.
    pub fn policy(&self) -> anyhow::Result<Policy> {
        let object: PredictiveAutoscaler = serde_json::from_value(self.autoscaler())?;
        api::policy(&object.spec)
            .map_err(|errors| anyhow::anyhow!("{errors:?}"))
            .context("the demo's autoscaler is refused")
    }

    /// An HPA at 70 % on the same metric.
    pub fn hpa(&self, namespace: &str) -> Value {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": NAME, "namespace": namespace},
            "spec": {
                "minReplicas": 2, "maxReplicas": self.most(),
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
                "metrics": [{"type": "External", "external": {"metric": {"name": "requests"},
                    "target": {"type": "AverageValue", "averageValue": "70"}}}],
            },
        })
    }
}

/// The workload, with `replicas` to begin with.
pub(super) fn deployment(namespace: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": NAME}}, "template": {
            "metadata": {"labels": {"app": NAME}},
            "spec": {"containers": [{"name": NAME, "image": "web:1"}]}}},
    })
}
