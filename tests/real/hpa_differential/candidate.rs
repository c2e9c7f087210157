//! Foresail as the HPA's double: `engine::tick` with prediction disabled.

use foresail::api::{self, PredictiveAutoscalerSpec};
use foresail::decide::{Absence, BreakGlass, Growth, MetricObservation, Reading};
use foresail::engine::{self, Memory, Observation, Tick};
use foresail::policy::Policy;
use foresail::units::{CapacityPerReplica, Replicas};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A policy and what its ticks remember.
pub(super) struct Candidate {
    policy: Policy,
    memory: Memory,
}

impl Candidate {
    /// The policy that an HPA with an `averageValue` of 70 and this `behavior` becomes.
    pub(super) fn new(behavior: &Value) -> Self {
        let spec = json!({
            "mode": "Active",
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "shop" },
            "minReplicas": 1,
            "maxReplicas": 60,
            "sourceRef": { "name": "main" },
            "metrics": [{
                "name": "demand",
                "type": "Prometheus",
                "query": "sum(demand)",
                "capacityPerReplica": "100",
                "prediction": "Disabled",
            }],
            "forecast": { "leadTime": "1m" },
            "reactive": { "averageUtilization": 70 },
            "behavior": behavior,
        });
        let spec: PredictiveAutoscalerSpec = serde_json::from_value(spec).expect("the spec has its shape");
        let policy = api::policy(&spec).unwrap_or_else(|errors| panic!("{errors:?}"));
        Self { policy, memory: Memory::default() }
    }

    /// The replicas that a tick wants at this instant, with `asked` standing.
    pub(super) fn desired(&mut self, at: Timestamp, asked: u32, value_milli: Option<u64>) -> u32 {
        let now = foresail::units::Timestamp::from_millis(at.as_millisecond());
        let reading = match value_milli {
            Some(milli) => {
                // As Prometheus would write it.
                let text = format!("{}.{:03}", milli / 1000, milli % 1000);
                Reading::Value { value: text.parse().expect("a number"), at: now, partial: false }
            }
            None => Reading::Absent(Absence::Empty),
        };
        let metric = MetricObservation {
            reading,
            capacity: CapacityPerReplica::new(100.0),
            outlook: None,
            trusted: false,
            level: None,
            profile: None,
            p05_earlier: None,
            same_hours_maximum: None,
            source_suspect: false,
        };
        let observation = Observation {
            now,
            asked: Replicas::new(asked),
            ready: Replicas::new(asked),
            hpa: None,
            rival: false,
            events: &[],
            break_glass: BreakGlass::NONE,
            growth: Growth::default(),
            budget: None,
            metrics: &[metric],
        };
        let Tick { decision, memory } = engine::tick(&self.policy, &observation, &self.memory);
        self.memory = memory;
        decision.write.map_or(asked, Replicas::get)
    }
}
