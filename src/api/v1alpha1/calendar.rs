//! `DemandCalendar`: events that change demand or replicas at times that are known beforehand.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscaler::DNS_LABEL;
use super::text::{ClockTime, Duration, LocalTime, Multiplier, UpToADay};

/// A DemandCalendar announces events to the autoscalers of its namespace that name it in calendarRefs.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "DemandCalendar",
    plural = "demandcalendars",
    singular = "demandcalendar",
    category = "autoscaling",
    namespaced,
    derive = "PartialEq",
    doc = "A DemandCalendar announces events to the autoscalers of its namespace that name it in calendarRefs.",
    printcolumn(name = "TimeZone", type_ = "string", json_path = ".spec.timeZone"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DemandCalendarSpec {
    /// IANA time zone on whose clocks the events are announced, as Europe/Berlin.
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: String,

    /// One to 64 events. Where they overlap, multipliers multiply, the largest minReplicas and the smallest
    /// maxReplicas hold.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_string()]))]
    pub events: Vec<CalendarEvent>,
}

/// Something that happens once (start) or every week (weekly), and what it does to demand or replicas.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.start) != has(self.weekly)")
    .message("an event happens once or every week: set exactly one of start and weekly"))]
#[x_kube(validation = Rule::new("!has(self.start) || has(self.end) != has(self.duration)")
    .message("an event that happens once has one end: set exactly one of end and duration"))]
#[x_kube(validation = Rule::new("!has(self.weekly) || (has(self.duration) && !has(self.end))")
    .message("a weekly event lasts a duration: set duration, and remove end"))]
#[x_kube(validation = Rule::new("!has(self.duration) || !has(self.weekly) || duration(self.duration) <= duration('168h')")
    .message("a weekly event must be at most a week long: choose a shorter duration")
    .field_path(".duration"))]
#[x_kube(validation = Rule::new(
    "!has(self.start) || !has(self.end) || timestamp(self.start + ':00Z') < timestamp(self.end + ':00Z')")
    .message("must be later than start: exchange them, or correct one")
    .field_path(".end"))]
#[x_kube(validation = Rule::new(
    "!has(self.start) || !has(self.end) || \
     timestamp(self.end + ':00Z') - timestamp(self.start + ':00Z') <= duration('336h')")
    .message("must be at most 14 days after start: split the event")
    .field_path(".end"))]
#[x_kube(validation = Rule::new(
    "has(self.multiplier) || has(self.minReplicas) || has(self.maxReplicas) || \
     (has(self.excludeFromLearning) && self.excludeFromLearning)")
    .message("an event must do something: set multiplier, minReplicas, maxReplicas, or excludeFromLearning: true"))]
#[x_kube(validation = Rule::new(
    "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
    .message("must be at most maxReplicas: lower minReplicas or raise maxReplicas")
    .field_path(".minReplicas"))]
#[x_kube(validation = Rule::new("has(self.multiplier) || !has(self.rampUp)")
    .message("rampUp shapes the multiplier: set multiplier, or remove rampUp; for replicas ahead of the start use readyBefore")
    .field_path(".rampUp"))]
#[x_kube(validation = Rule::new("has(self.multiplier) || !has(self.decay)")
    .message("decay shapes the multiplier: set multiplier, or remove decay")
    .field_path(".decay"))]
#[x_kube(validation = Rule::new("has(self.multiplier) || has(self.minReplicas) || !has(self.readyBefore)")
    .message("readyBefore readies what multiplier or minReplicas need: set one of them, or remove readyBefore")
    .field_path(".readyBefore"))]
#[x_kube(validation = Rule::new(
    "!has(self.rampUp) || !has(self.duration) || duration(self.rampUp) <= duration(self.duration)")
    .message("must be at most as long as the event: shorten rampUp, or lengthen the event")
    .field_path(".rampUp"))]
#[x_kube(validation = Rule::new(
    "!has(self.rampUp) || !has(self.start) || !has(self.end) || \
     duration(self.rampUp) <= timestamp(self.end + ':00Z') - timestamp(self.start + ':00Z')")
    .message("must be at most as long as the event: shorten rampUp, or move its end")
    .field_path(".rampUp"))]
pub struct CalendarEvent {
    /// Name of the event, unique within the calendar; decisions name it.
    #[schemars(length(max = 63), regex(pattern = DNS_LABEL))]
    pub name: String,

    /// When an event that happens once starts, in local time, as 2026-11-27T18:00. A time that the clocks skip is as
    /// long after the gap; of a time that they show twice it is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<LocalTime>,

    /// When it ends, in local time, at most 14 days later. Of a time that the clocks show twice it is the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<LocalTime>,

    /// When an event that happens every week starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Weekly>,

    /// How long the event lasts, from 1m to 336h, instead of end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration<60, 1_209_600>>,

    /// Demand is so many times what it would be, as "4"; from 0.01 to 100. Taken out of demand before it is learned
    /// and put back afterwards, whether or not the forecast is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<Multiplier>,

    /// From the start until demand has reached the multiple, in a straight line; at once when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp_up: Option<UpToADay>,

    /// From the end until demand is ordinary again, in a straight line; at once when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decay: Option<UpToADay>,

    /// How long before its start the replicas that the event needs must serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_before: Option<UpToADay>,

    /// At least so many replicas during the event; within the autoscaler's maxReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub min_replicas: Option<u32>,

    /// At most so many replicas during the event; gives way to every minReplicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_replicas: Option<u32>,

    /// Whether demand during the event teaches the forecast nothing. Default: true for an event that happens once and
    /// has a multiplier, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_from_learning: Option<bool>,
}

/// Days of the week and a time of day.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Weekly {
    /// The days on which the event starts.
    #[schemars(length(min = 1, max = 7))]
    pub weekdays: Vec<Weekday>,

    /// The local time at which it starts, as "18:00".
    pub time: ClockTime,
}

/// A day of the week.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}
