//! The administrator's price book: what a core and a GiB of memory cost for an hour, by the labels of nodes, and what a
//! pod costs by it.
//!
//! A pod costs what it requests, counted as the scheduler counts it: containers and sidecars together, or the largest
//! moment of the init containers where that is more, and the overhead of its runtime class.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::units::{PricePerReplicaHour, ResourceAmount, UnitPrice};

/// What nodes cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    /// ISO 4217 code of every price in it.
    pub currency: String,
    /// Rates of nodes with certain labels.
    pub rates: Vec<Rate>,
    /// The rate of every other node; without it a pod that no rate fits has no price.
    pub default: Option<Rate>,
}

/// What a core and a GiB of memory cost for an hour on some nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Labels of those nodes; none for the default.
    pub node_selector: BTreeMap<String, String>,
    /// A core for an hour.
    pub cpu_hour: UnitPrice,
    /// A GiB for an hour.
    pub memory_gibibyte_hour: UnitPrice,
}

/// What a pod requests, and the labels that its nodes must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodCost {
    /// Cores.
    pub cpu: Option<ResourceAmount>,
    /// Bytes.
    pub memory: Option<ResourceAmount>,
    /// One for each alternative of its node affinity: for each label the values that it may have.
    places: Vec<Place>,
}

/// For each label of a node that is required, the values that it may have.
type Place = BTreeMap<String, BTreeSet<String>>;

/// Why a pod has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpriceable {
    /// The target has no pod template.
    #[error("the target has no pod template: state spend.pricePerReplicaHour instead of priceBook")]
    NoTemplate,
    /// A quantity that cannot be read.
    #[error("`{0}` is no quantity: correct the requests of the pod template")]
    NoQuantity(String),
    /// A resource that costs something is not requested.
    #[error("the pods request no {0}, which the price book charges for: state {0} in resources.requests")]
    NotRequested(&'static str),
    /// Rates that charge nothing for it.
    #[error(
        "the price book comes to nothing, or to more than a million an hour, for what the pods request: correct its rates"
    )]
    NoPrice,
    /// No rate.
    #[error(
        "no rate of the price book fits the pods, whose nodeSelector and affinity require {0}: add such a rate, or a default"
    )]
    NoRate(String),
}

impl PriceBook {
    /// What a replica costs for an hour, and the rate that says so. A rate fits where the pods require all of its
    /// labels, and the one with most labels counts. Where they may run on nodes of several rates the dearest counts.
    ///
    /// # Errors
    /// [`Unpriceable`], with what to do.
    pub fn price(&self, pod: &PodCost) -> Result<(PricePerReplicaHour, &Rate), Unpriceable> {
        let mut dearest: Option<(PricePerReplicaHour, &Rate)> = None;
        for place in &pod.places {
            for rate in self.rates_at(place)? {
                let price = pod.at(rate)?;
                if dearest.is_none_or(|(most, _)| price > most) {
                    dearest = Some((price, rate));
                }
            }
        }
        dearest.ok_or_else(|| Unpriceable::NoRate(words(&Place::new())))
    }

    /// The rates of the nodes of `place`; at least one.
    fn rates_at(&self, place: &Place) -> Result<Vec<&Rate>, Unpriceable> {
        let fitting: Vec<&Rate> = self.rates.iter().filter(|rate| rate.may_hold(place)).collect();
        let sure = fitting.iter().filter(|rate| rate.holds(place)).map(|rate| rate.node_selector.len()).max();
        // A rate that is sure to hold rules out those that say less.
        let mut kept: Vec<&Rate> =
            fitting.into_iter().filter(|rate| rate.node_selector.len() >= sure.unwrap_or(0)).collect();
        if sure.is_none() {
            match &self.default {
                Some(default) => kept.push(default),
                None => return Err(Unpriceable::NoRate(words(place))),
            }
        }
        Ok(kept)
    }
}

impl Rate {
    /// Whether nodes of `place` may have its labels: those are all required, with this value among them.
    fn may_hold(&self, place: &Place) -> bool {
        self.node_selector
            .iter()
            .all(|(label, value)| place.get(label).is_some_and(|values| values.contains(value)))
    }

    /// Whether they must.
    fn holds(&self, place: &Place) -> bool {
        self.node_selector
            .iter()
            .all(|(label, value)| place.get(label).is_some_and(|values| values.iter().eq([value])))
    }

    /// Its labels for sentences, as `rate tier=spot` or `default rate`.
    pub fn name(&self) -> String {
        if self.node_selector.is_empty() {
            return "default rate".to_owned();
        }
        let labels: Vec<String> =
            self.node_selector.iter().map(|(label, value)| format!("{label}={value}")).collect();
        format!("rate {}", labels.join(","))
    }
}

fn words(place: &Place) -> String {
    if place.is_empty() {
        return "no label".to_owned();
    }
    let one = |(label, values): (&String, &BTreeSet<String>)| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        format!("{label}={}", values.join("|"))
    };
    place.iter().map(one).collect::<Vec<_>>().join(" and ")
}

impl PodCost {
    /// Pods of a `workload` with a pod template, such as a Deployment.
    ///
    /// # Errors
    /// [`Unpriceable`] without one, or with requests that are no quantities.
    pub fn of_workload(workload: &Value) -> Result<Self, Unpriceable> {
        let spec = workload.pointer("/spec/template/spec").ok_or(Unpriceable::NoTemplate)?;
        Ok(Self { cpu: requested(spec, "cpu")?, memory: requested(spec, "memory")?, places: places(spec) })
    }

    /// Pods that request so much and may run anywhere.
    pub fn stated(cpu: Option<ResourceAmount>, memory: Option<ResourceAmount>) -> Self {
        Self { cpu, memory, places: vec![Place::new()] }
    }

    fn at(&self, rate: &Rate) -> Result<PricePerReplicaHour, Unpriceable> {
        let Rate { node_selector: _, cpu_hour, memory_gibibyte_hour } = rate;
        let charged = |amount: Option<ResourceAmount>, price: UnitPrice, name| match amount {
            Some(amount) if amount > ResourceAmount::ZERO => Ok(amount),
            // What nobody states would be free.
            _ if price.is_charged() => Err(Unpriceable::NotRequested(name)),
            _ => Ok(ResourceAmount::ZERO),
        };
        let cpu = charged(self.cpu, *cpu_hour, "cpu")?;
        let memory = charged(self.memory, *memory_gibibyte_hour, "memory")?;
        PricePerReplicaHour::of_requests((cpu, *cpu_hour), (memory, *memory_gibibyte_hour))
            .ok_or(Unpriceable::NoPrice)
    }
}

/// What a pod requests of a resource; `None` when nothing of it requests any.
fn requested(spec: &Value, resource: &str) -> Result<Option<ResourceAmount>, Unpriceable> {
    let of = |holder: &Value| amount(holder, resource);
    let list = |name: &str| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let mut running = None;
    for container in list("containers") {
        running = plus(running, of(container)?);
    }
    // Sidecars run beside every init container that is started after them, and beside the containers.
    let (mut sidecars, mut starting) = (None, None);
    for container in list("initContainers") {
        if is_sidecar(container) {
            sidecars = plus(sidecars, of(container)?);
            starting = starting.max(sidecars);
        } else {
            starting = starting.max(plus(sidecars, of(container)?));
        }
    }
    let whole = plus(running, sidecars).max(starting);
    // Requests of the pod itself stand in place of its containers'.
    let whole = of(spec)?.or(whole);
    let overhead = spec.pointer("/overhead").and_then(|overhead| overhead.get(resource));
    Ok(plus(whole, overhead.map(quantity).transpose()?))
}

/// What a container, or a pod, requests, as it is written; a limit without a request is one.
pub fn request<'a>(holder: &'a Value, resource: &str) -> Option<&'a Value> {
    let stated = |list: &str| holder.pointer("/resources")?.get(list)?.get(resource);
    stated("requests").or_else(|| stated("limits"))
}

/// Whether an init container runs beside the containers as long as they do.
pub fn is_sidecar(container: &Value) -> bool {
    container.get("restartPolicy").and_then(Value::as_str) == Some("Always")
}

fn amount(holder: &Value, resource: &str) -> Result<Option<ResourceAmount>, Unpriceable> {
    request(holder, resource).map(quantity).transpose()
}

fn quantity(value: &Value) -> Result<ResourceAmount, Unpriceable> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ResourceAmount::parse(&text)
        .ok_or_else(|| Unpriceable::NoQuantity(text.chars().take(64).collect::<String>()))
}

fn plus(a: Option<ResourceAmount>, b: Option<ResourceAmount>) -> Option<ResourceAmount> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.plus(b)),
        (one, other) => one.or(other),
    }
}

/// Where pods may run: their nodeSelector, and each term of the affinity that is required.
fn places(spec: &Value) -> Vec<Place> {
    let mut selected = Place::new();
    for (label, value) in spec.get("nodeSelector").and_then(Value::as_object).into_iter().flatten() {
        selected.extend(value.as_str().map(|value| (label.clone(), BTreeSet::from([value.to_owned()]))));
    }
    let terms = spec
        .pointer("/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let terms: Vec<&Value> = terms.and_then(Value::as_array).into_iter().flatten().collect();
    if terms.is_empty() {
        return vec![selected];
    }
    terms.into_iter().map(|term| narrowed(selected.clone(), term)).collect()
}

/// `place` where what `term` says of values holds too; what it says otherwise narrows no label to a value.
fn narrowed(mut place: Place, term: &Value) -> Place {
    for expression in term.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| expression.get(name).and_then(Value::as_str);
        let (Some(label), Some("In")) = (text("key"), text("operator")) else { continue };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values: BTreeSet<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
        place
            .entry(label.to_owned())
            .and_modify(|known| known.retain(|value| values.contains(value)))
            .or_insert(values);
    }
    place
}

#[cfg(test)]
mod tests;
