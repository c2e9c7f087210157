//! Charts as SVG paths: a frame with axes, lines that step, bands.

use std::ops::Range;

use maud::{Markup, html};

use crate::calendar::rfc3339;
use crate::plan::Grid;
use crate::units::{Span, Timestamp};

/// Size of a chart in its own units, and the margins for its axes.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;

/// Columns of a chart at most: more than a screen has pixels shows nothing more.
const COLUMNS_MAX: usize = 920;

/// Steps drawn together.
pub(super) struct Columns {
    all: Range<usize>,
    stride: usize,
}

impl Columns {
    /// The steps of `all` in at most 920 columns.
    pub(super) fn of(all: Range<usize>) -> Self {
        let stride = all.len().div_ceil(COLUMNS_MAX).max(1);
        Self { all, stride }
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let end = self.all.end;
        self.all.clone().step_by(self.stride).map(move |start| start..(start + self.stride).min(end))
    }

    /// One number a column.
    pub(super) fn fold(&self, values: &[f64], pick: fn(f64, f64) -> f64) -> Vec<f64> {
        self.ranges()
            .map(|range| values.get(range).unwrap_or_default().iter().copied().reduce(pick).unwrap_or(0.0))
            .collect()
    }

    pub(super) fn is_single(&self) -> bool {
        self.stride == 1
    }
}

/// A chart over time.
pub(super) struct Frame<'a> {
    pub(super) grid: &'a Grid,
    pub(super) columns: &'a Columns,
    /// The lowest value shown.
    pub(super) least: f64,
    /// The highest value shown.
    pub(super) most: f64,
}

impl Frame<'_> {
    fn x(&self, step: usize) -> f64 {
        let all = &self.columns.all;
        let share = float(step.saturating_sub(all.start)) / float(all.len().max(1));
        LEFT + share.min(1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let height = self.most - self.least;
        let share = if height > 0.0 { ((value - self.least) / height).clamp(0.0, 1.0) } else { 0.0 };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    /// The path of a line that holds each column's value; interrupted where that is NaN.
    pub(super) fn line(&self, values: &[f64]) -> String {
        let mut path = Vec::new();
        let mut draws = false;
        for (range, value) in self.columns.ranges().zip(values) {
            let (to, y) = (self.x(range.end), self.y(*value));
            let drew = std::mem::replace(&mut draws, !value.is_nan());
            if !draws {
                continue;
            }
            if !drew {
                path.push(format!("M{:.1} {y:.1}", self.x(range.start)));
            }
            path.push(format!("V{y:.1}H{to:.1}"));
        }
        path.concat()
    }

    /// A dashed line at the start of `step`.
    pub(super) fn mark(&self, step: usize) -> Markup {
        let x = one(self.x(step));
        html! { line class="objective" x1=(x) x2=(x) y1=(TOP) y2=(HEIGHT - BOTTOM) {} }
    }

    /// The path of the area between two lines; columns in which `upper` is not above `lower` are left out.
    pub(super) fn band(&self, lower: &[f64], upper: &[f64]) -> String {
        let mut path = Vec::new();
        for ((range, low), high) in self.columns.ranges().zip(lower).zip(upper) {
            if high > low {
                let (from, to) = (self.x(range.start), self.x(range.end));
                let (low, high) = (self.y(*low), self.y(*high));
                path.push(format!("M{from:.1} {low:.1}V{high:.1}H{to:.1}V{low:.1}Z"));
            }
        }
        path.concat()
    }

    /// The chart with its axes around `content`.
    pub(super) fn draw(&self, label: &str, content: &Markup) -> Markup {
        let bottom = HEIGHT - BOTTOM;
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
                @for (value, text) in even_ticks(self.least, self.most) {
                    @let y = self.y(value);
                    line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(one(y)) y2=(one(y)) {}
                    text class="tick" x=(LEFT - 6.0) y=(one(y + 4.0)) text-anchor="end" { (text) }
                }
                @for (step, text) in self.time_ticks() {
                    @let x = self.x(step);
                    line class="grid" x1=(one(x)) x2=(one(x)) y1=(TOP) y2=(bottom) {}
                    text class="tick" x=(one(x)) y=(HEIGHT - 6.0) text-anchor="middle" { (text) }
                }
                (content)
            }
        }
    }

    /// Steps that begin a day, or an hour of a day, and what to call them.
    fn time_ticks(&self) -> Vec<(usize, String)> {
        let (grid, all) = (self.grid, &self.columns.all);
        let every = tick_seconds(grid.time(all.end).since(grid.time(all.start)));
        let mut ticks = Vec::new();
        for step in all.clone() {
            let at = grid.time(step);
            if step.checked_sub(1).is_some_and(|before| is_passed(every, grid.time(before), at)) {
                ticks.push((step, tick_text(every, at)));
            }
        }
        ticks
    }
}

/// Seconds between two ticks of a time axis over `span`: at most about a dozen of them, on quarters of an hour, hours,
/// three hours, days or weeks.
pub(super) fn tick_seconds(span: Span) -> i64 {
    match span.seconds() {
        0..=10_800 => 900,
        10_801..=43_200 => 3600,
        43_201..=172_799 => 10_800,
        172_800..=1_123_199 => 86_400,
        1_123_200..=8_726_399 => 7 * 86_400,
        _ => 28 * 86_400,
    }
}

/// Whether a tick lies after `before` and not after `at`.
pub(super) fn is_passed(every: i64, before: Timestamp, at: Timestamp) -> bool {
    before.seconds().div_euclid(every) != at.seconds().div_euclid(every)
}

/// What the last tick before `at` is called: the time of day in UTC, or the month and day.
pub(super) fn tick_text(every: i64, at: Timestamp) -> String {
    let text = rfc3339(Timestamp::from_seconds(at.seconds().div_euclid(every).saturating_mul(every)));
    let part = if every < 86_400 { text.get(11..16) } else { text.get(5..10) };
    part.unwrap_or_default().to_owned()
}

/// One policy in the chart of cost against unserved demand.
pub(super) struct Dot {
    pub(super) name: &'static str,
    /// Replica-hours.
    pub(super) cost: f64,
    pub(super) unserved: f64,
    pub(super) on_front: bool,
}

/// Unserved shares below this are drawn at the lower edge, where the logarithm ends.
const UNSERVED_MIN: f64 = 1e-5;

/// Names closer than this would cover each other.
const NAME_WIDTH: f64 = 70.0;
const NAME_HEIGHT: f64 = 13.0;

/// Cost to the right, unserved demand upwards on a logarithmic axis: the lower left is better. A line marks the
/// `objective`.
pub(super) fn scatter(dots: &[Dot], objective: f64) -> Markup {
    let most = dots.iter().map(|dot| dot.cost).fold(0.0, f64::max) * 1.1;
    let x =
        |cost: f64| LEFT + if most > 0.0 { cost / most } else { 0.0 } * (WIDTH - LEFT - RIGHT - NAME_WIDTH);
    let y = |share: f64| {
        let height = (share.clamp(UNSERVED_MIN, 1.0) / UNSERVED_MIN).log10() / 5.0;
        HEIGHT - BOTTOM - height * (HEIGHT - TOP - BOTTOM)
    };
    let levels =
        [(1e-5, "≤0.001 %"), (1e-4, "0.01 %"), (1e-3, "0.1 %"), (1e-2, "1 %"), (0.1, "10 %"), (1.0, "100 %")];
    let placed: Vec<(f64, f64)> = dots.iter().map(|dot| (x(dot.cost), y(dot.unserved))).collect();
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label="Cost against unserved demand" {
            @for (share, text) in levels {
                line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(one(y(share))) y2=(one(y(share))) {}
                text class="tick" x=(LEFT - 6.0) y=(one(y(share) + 4.0)) text-anchor="end" { (text) }
            }
            @for (value, text) in even_ticks(0.0, most) {
                line class="grid" x1=(one(x(value))) x2=(one(x(value))) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                text class="tick" x=(one(x(value))) y=(HEIGHT - 6.0) text-anchor="middle" { (text) }
            }
            line class="objective" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(one(y(objective))) y2=(one(y(objective))) {}
            @for (dot, ((x, y), name_y)) in dots.iter().zip(placed.iter().zip(name_heights(&placed))) {
                circle class=(dot_class(dot)) cx=(one(*x)) cy=(one(*y)) r="5" {}
                text class="name" x=(one(x + 9.0)) y=(one(name_y)) { (dot.name) }
            }
        }
    }
}

/// Where each dot's name stands: beside it, or above the names that stand there already.
fn name_heights(dots: &[(f64, f64)]) -> Vec<f64> {
    let mut names: Vec<(f64, f64)> = Vec::new();
    for &(x, y) in dots {
        let mut height = y + 4.0;
        while names
            .iter()
            .any(|(other_x, other)| (x - other_x).abs() < NAME_WIDTH && (height - other).abs() < NAME_HEIGHT)
        {
            height -= NAME_HEIGHT;
        }
        names.push((x, height));
    }
    names.into_iter().map(|(_, height)| height).collect()
}

fn dot_class(dot: &Dot) -> &'static str {
    match (dot.name, dot.on_front) {
        ("foresail", _) => "ours",
        (_, true) => "front",
        (_, false) => "other",
    }
}

/// Four to nine even numbers from `least` to `most`, and how an axis names them.
pub(super) fn even_ticks(least: f64, most: f64) -> Vec<(f64, String)> {
    if most <= least || !(most - least).is_finite() {
        return Vec::new();
    }
    let raw = (most - least) / 5.0;
    let magnitude = 10.0_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * magnitude >= raw).unwrap_or(10.0);
    let stride = factor * magnitude;
    let mut ticks = Vec::new();
    let mut value = (least / stride).ceil() * stride;
    while value <= most && ticks.len() < 12 {
        ticks.push((value, number(value, stride)));
        value += stride;
    }
    ticks
}

/// A number on an axis, with the decimals that tell it from its neighbours `stride` away.
fn number(value: f64, stride: f64) -> String {
    let (unit, name) = match value {
        1e6.. => (1e6, "M"),
        1e4.. => (1e3, "k"),
        _ => (1.0, ""),
    };
    let fine = stride / unit;
    let decimals = (0..9).zip([1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]);
    let decimals = decimals.filter(|(_, part)| *part <= fine * 1.001).map(|(n, _)| n).next().unwrap_or(9);
    format!("{:.decimals$}{name}", value / unit)
}

fn one(value: f64) -> String {
    format!("{value:.1}")
}

pub(super) fn float(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
