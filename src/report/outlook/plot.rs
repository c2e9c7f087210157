//! A forecast drawn in characters: the newest history as a line of braille dots, then the band and the median ahead.
//!
//! The crates that draw in a terminal draw lines and points; none fills a band beside them, which is what a forecast is.

use std::ops::Range;

use super::Outlook;
use crate::report::chart::{even_ticks, is_passed, tick_seconds, tick_text};
use crate::units::Timestamp;

/// Rows of the drawing: with legend, axis and some sentences it fits a screen of 24 lines.
const ROWS: u32 = 14;

/// Braille has four dots above and two beside each other.
const DOTS_HIGH: u32 = 4;
const DOTS_WIDE: usize = 2;

/// The dots of a braille cell as bits of its code point, from the bottom: the left column, the right one.
const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];

/// The braille cell without dots.
const BRAILLE: u32 = 0x2800;

/// Columns that a drawing has at least.
const COLUMNS_MIN: usize = 20;

const LEGEND: &str = "⠒⠒ demand  ━━ median  ▒▒ p05 to p95  ░░ to p99  times are UTC";

/// The drawing in lines of at most `width` characters (of 40 at least); ends with a line break.
pub fn plot(outlook: &Outlook<'_>, width: usize) -> String {
    let tail = outlook.tail();
    let (least, most) = outlook.extent(tail);
    let ticks = even_ticks(least, most);
    let gutter = ticks.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
    let columns = width.saturating_sub(gutter + 2).max(COLUMNS_MIN);
    let ahead = outlook.forecast.steps.len();
    let past = (columns * tail.len() / (tail.len() + ahead).max(1)).clamp(1, columns - 1);
    let axis = Axis { least, most };
    let (line, band) = (dots(tail, past), bands(outlook, columns - past));
    let mut lines = vec![LEGEND.to_owned()];
    for row in (0..ROWS).rev() {
        let (low, high) = axis.row(row, ROWS);
        let label =
            ticks.iter().find(|(value, _)| (low..high).contains(value)).map(|(_, text)| text.as_str());
        let edge = if label.is_some() { '┤' } else { '│' };
        let mut drawn = format!("{:>gutter$} {edge}", label.unwrap_or_default());
        drawn.extend(line.iter().map(|cell| axis.braille(cell, row)));
        drawn.extend(band.iter().map(|cell| cell.shade(low, high)));
        lines.push(drawn.trim_end().to_owned());
    }
    lines.extend(time_axis(outlook, (past, columns), gutter));
    lines.push(String::new());
    lines.join("\n")
}

/// The vertical axis.
struct Axis {
    least: f64,
    most: f64,
}

/// The lowest and the highest value to be drawn in one column of dots; `None` in a gap.
type Stroke = Option<(f64, f64)>;

impl Axis {
    /// The values of one of `n` rows, counted from the bottom: from the first, below the second.
    fn row(&self, row: u32, n: u32) -> (f64, f64) {
        let edge = |row: u32| self.least + (self.most - self.least) * f64::from(row) / f64::from(n);
        (edge(row), edge(row + 1))
    }

    /// The character that draws the strokes of a cell within `row`.
    fn braille(&self, cell: &[Stroke; DOTS_WIDE], row: u32) -> char {
        let mut code = BRAILLE;
        for (stroke, bits) in cell.iter().zip(DOTS) {
            for (dot, bit) in (row * DOTS_HIGH..).zip(bits) {
                let (low, high) = self.row(dot, ROWS * DOTS_HIGH);
                if stroke.is_some_and(|(from, to)| from < high && to >= low) {
                    code |= bit;
                }
            }
        }
        if code == BRAILLE { ' ' } else { char::from_u32(code).unwrap_or(' ') }
    }
}

/// What is drawn in one column of the forecast.
struct Band {
    p05: f64,
    median: f64,
    p95: f64,
    p99: f64,
}

impl Band {
    /// The character for the values from `low` to below `high`.
    fn shade(&self, low: f64, high: f64) -> char {
        let Self { p05, median, p95, p99 } = *self;
        if (low..high).contains(&median) {
            '━'
        } else if p05 < high && p95 >= low {
            '▒'
        } else if p95 < high && p99 >= low {
            '░'
        } else {
            ' '
        }
    }
}

/// `n` steps on `columns` columns: the steps of each, at least one.
fn spread(n: usize, columns: usize) -> impl Iterator<Item = Range<usize>> {
    (0..columns).map(move |column| {
        let start = (column * n / columns).min(n.saturating_sub(1));
        start..((column + 1) * n / columns).max(start + 1)
    })
}

/// The history in `columns` cells, each column of dots joined to the one before.
fn dots(history: &[Option<f64>], columns: usize) -> Vec<[Stroke; DOTS_WIDE]> {
    let own = spread(history.len(), columns * DOTS_WIDE).map(|steps| -> Stroke {
        let values = || history.get(steps.clone()).unwrap_or_default().iter().flatten().copied();
        Some((values().reduce(f64::min)?, values().reduce(f64::max)?))
    });
    let mut before: Stroke = None;
    let mut joined = own.map(|stroke| {
        let beside = std::mem::replace(&mut before, stroke);
        let (low, high) = stroke?;
        let (low_before, high_before) = beside.unwrap_or((low, high));
        Some((low.min(high_before), high.max(low_before)))
    });
    let mut cells = Vec::with_capacity(columns);
    while let Some(left) = joined.next() {
        cells.push([left, joined.next().flatten()]);
    }
    cells
}

/// The forecast in `columns` cells; where one has several steps, the widest band and the middle of their medians.
fn bands(outlook: &Outlook<'_>, columns: usize) -> Vec<Band> {
    let [p05, p50, p95, p99] = [0.05, 0.5, 0.95, 0.99].map(|level| outlook.path(level));
    spread(p50.len(), columns)
        .map(|steps| {
            let fold = |path: &[f64], pick: fn(f64, f64) -> f64| {
                path.get(steps.clone()).unwrap_or_default().iter().copied().reduce(pick).unwrap_or(0.0)
            };
            Band {
                p05: fold(&p05, f64::min),
                median: f64::midpoint(fold(&p50, f64::min), fold(&p50, f64::max)),
                p95: fold(&p95, f64::max),
                p99: fold(&p99, f64::max),
            }
        })
        .collect()
}

/// The line under the drawing, where `┼` is the end of the history, and the times below it.
fn time_axis(outlook: &Outlook<'_>, (past, columns): (usize, usize), gutter: usize) -> [String; 2] {
    let (n, ahead) = (outlook.history.len(), outlook.forecast.steps.len());
    let shown = outlook.tail().len();
    let history = spread(shown, past).map(|steps| n - shown + steps.start);
    let forecast = spread(ahead, columns - past).map(|steps| n + steps.start);
    let starts: Vec<Timestamp> = history.chain(forecast).map(|step| outlook.grid.time(step)).collect();
    let every = tick_seconds(outlook.grid.time(n + ahead).since(outlook.grid.time(n - shown)));
    let (mut line, mut times) = (String::new(), String::new());
    let mut before = outlook.grid.time((n - shown).saturating_sub(1));
    let margin = gutter + 2;
    for (column, at) in starts.into_iter().enumerate() {
        let text = tick_text(every, at);
        // A time stands under its tick and one character away from its neighbours.
        let is_free = times.is_empty() || column + margin > times.chars().count();
        let is_tick = is_passed(every, before, at) && is_free && column + text.len() <= columns;
        if is_tick {
            times = format!("{times:<width$}{text}", width = column + margin);
        }
        line.push(match (column == past, is_tick) {
            (true, _) => '┼',
            (false, true) => '┴',
            (false, false) => '─',
        });
        before = at;
    }
    [format!("{:>gutter$} └{line}", ""), times]
}
