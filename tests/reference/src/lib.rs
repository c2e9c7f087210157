//! A decision a second time, from the definitions alone: plain numbers, one function a stage, the slow way where the
//! slow way is the definition. It knows nothing of the crate that it is compared with. Times are in milliseconds.

mod forecast;

pub use forecast::Forecast;
use forecast::need;

/// The share that may go unserved, the quantile that is covered, or what an idle and a missing replica cost.
#[derive(Clone, Copy, Debug)]
pub enum Objective {
    Unserved(f64),
    Quantile(f64),
    Costs(u64, u64),
}

/// One direction of `behavior`, `cooldown` and `sustainFor`.
#[derive(Clone, Debug)]
pub struct Rules {
    pub window: i64,
    pub select: Select,
    pub rates: Vec<Rate>,
    pub tolerance: f64,
    pub cooldown: i64,
    pub sustain: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Select {
    Max,
    Min,
    Disabled,
}

/// At most `amount` pods, or per cent, within a period.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub percent: bool,
    pub amount: u32,
    pub period: i64,
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub never_below_reactive: bool,
    /// A replica serves less than is stated.
    pub drifted: bool,
    pub beside_hpa: bool,
    pub min: u32,
    pub max: u32,
    /// `maxAge` of each metric, and whether it is predicted.
    pub metrics: Vec<(i64, bool)>,
    pub lead: i64,
    pub step: i64,
    pub objective: Objective,
    pub average: f64,
    pub floor: f64,
    pub up: Rules,
    pub down: Rules,
    pub min_step: u32,
    /// Price and `maxPerHour` in the same small coin.
    pub spend: Option<(u64, u64)>,
    pub suspect_for: i64,
    pub absent_for: i64,
    pub fallback: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Seen {
    /// Value, when, whether partial.
    pub reading: Option<(f64, i64, bool)>,
    pub capacity: Option<f64>,
    pub forecast: Option<Forecast>,
    pub trusted: bool,
    /// The quantile that a rehearsal found.
    pub level: Option<f64>,
    pub p05_earlier: Option<f64>,
    pub same_hours: Option<f64>,
    pub source_suspect: bool,
}

/// An event's `minReplicas` and `maxReplicas`.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub start: i64,
    pub end: i64,
    pub ready_before: i64,
    pub min: Option<u32>,
    pub max: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Situation {
    pub now: i64,
    pub asked: u32,
    pub metrics: Vec<Seen>,
    pub events: Vec<Event>,
    pub no_down_until: Option<i64>,
    pub no_up_until: Option<i64>,
    pub boost: Option<(u32, i64)>,
    pub standing: u32,
    pub rival: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Of each metric: last value, since when a fall is held, its source suspect, its evidence absent.
    pub metrics: Vec<(Option<f64>, Option<i64>, Option<i64>, Option<i64>)>,
    /// What earlier decisions recommended: for decreases, for increases.
    pub down: Vec<(i64, u32)>,
    pub up: Vec<(i64, u32)>,
    /// Own changes of the last half hour, and the last one of all.
    pub changes: Vec<(i64, u32, u32)>,
    pub last_change: Option<i64>,
    pub begun: i64,
    pub left: u32,
    pub lowered_outside: bool,
    pub human: Option<(u32, i64)>,
    pub foreign: Vec<i64>,
    pub up_since: Option<i64>,
    pub down_since: Option<i64>,
    pub intent: Option<(i64, u32, u32)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The proposal after combine, floors, guards, threshold, stabilise, rate, cooldown, spend, bounds.
    pub after: [u32; 9],
    pub reactive: u32,
    pub predicted: Option<(u32, u32)>,
    pub write: Option<u32>,
}

/// What became of one reading.
#[derive(Clone, Copy)]
struct Judged {
    demand: Option<f64>,
    /// What was read, where the value before a fall is held.
    fallen: Option<(f64, bool)>,
    capacity: f64,
    may_lower: bool,
    absent_for: Option<i64>,
    returned: bool,
}

impl Memory {
    pub fn begin(now: i64, asked: u32, metrics: usize) -> Self {
        let (metrics, down) = (vec![Default::default(); metrics], vec![(now, asked)]);
        Self { metrics, down, begun: now, left: asked, ..Self::default() }
    }

    /// A clock that was set back: nothing lies ahead.
    fn set_back(&mut self, now: i64) {
        let past = |at: &mut i64| *at = now.min(*at);
        self.metrics.iter_mut().flat_map(|m| [&mut m.1, &mut m.2, &mut m.3]).flatten().for_each(past);
        self.down.iter_mut().chain(&mut self.up).for_each(|one| past(&mut one.0));
        self.changes.iter_mut().for_each(|one| past(&mut one.0));
        self.foreign.iter_mut().for_each(past);
        self.intent.iter_mut().for_each(|one| past(&mut one.0));
        [&mut self.up_since, &mut self.down_since, &mut self.last_change]
            .into_iter()
            .flatten()
            .for_each(past);
        past(&mut self.begun);
        self.human.iter_mut().for_each(|human| human.1 = human.1.min(now + 1_800_000));
    }

    fn forget(&mut self, now: i64, p: &Policy) {
        for (list, window) in [(&mut self.down, p.down.window), (&mut self.up, p.up.window)] {
            let last = list.last().copied();
            list.retain(|one| now - one.0 < window || Some(*one) == last);
        }
        self.changes.retain(|change| now - change.0 < 1_800_000);
        self.human = self.human.filter(|human| now < human.1);
    }
}

pub fn tick(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    m.set_back(s.now);
    if let Some((at, from, to)) = m.intent.take().filter(|intent| intent.2 == s.asked) {
        m.changes.push((at, from, to));
        (m.left, m.lowered_outside, m.last_change) = (to, false, Some(at));
    }
    m.foreign.retain(|at| s.now - at < 600_000);
    if s.asked != m.left {
        m.foreign.push(s.now);
        if s.asked > m.left {
            m.human = Some((s.asked, s.now + 1_800_000));
        } else {
            m.lowered_outside = true;
        }
        m.left = s.asked;
    }
    let mut decision = decide(p, s, m);
    m.forget(s.now, p);
    let desired = decision.after[8];
    if s.asked > 0 && !s.rival && m.foreign.len() < 2 && desired != s.asked {
        m.intent = Some((s.now, s.asked, desired));
        decision.write = Some(desired);
    }
    decision
}

fn decide(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    let (now, asked) = (s.now, s.asked);
    let on = |e: &&Event| e.start <= now && now < e.end;
    let least = s.events.iter().filter(on).filter_map(|e| e.min).max().unwrap_or(0).clamp(p.min, p.max);
    let cap = s.events.iter().filter(on).filter_map(|e| e.max).min();
    let capped = Policy { max: cap.map_or(p.max, |cap| cap.max(least).min(p.max)), ..p.clone() };
    let event_caps = capped.max < p.max;
    let p = &capped;

    let judged: Vec<Judged> = s
        .metrics
        .iter()
        .zip(&p.metrics)
        .zip(&mut m.metrics)
        .map(|((seen, rule), m)| judge(p, rule.0, seen, now, m))
        .collect();
    let answers = answers(p, s, &judged);
    let Answers { recommendation, present, predicted, .. } = answers;
    let wants = predicted.map(|(raise, keep)| asked.clamp(raise, keep));
    let combined = answers.combine(p, asked, wants);

    let boost = s.boost.filter(|boost| now < boost.1).map_or(0, |boost| boost.0);
    let human = m.human.filter(|human| now < human.1).map_or(0, |human| human.0);
    let fallback =
        judged.iter().zip(&s.metrics).map(|(j, seen)| fallback(p, j, seen, now)).max().unwrap_or(0);
    let mut floors = fallback.max(event_floor(p, s)).max(human).max(boost);
    let mut floored = combined.max(floors).max(p.min);
    if event_caps && floored > p.max {
        (floored, floors) = (p.max, floors.min(p.max));
    }

    let (no_up, no_down) = (s.no_up_until.is_some_and(|t| now < t), s.no_down_until.is_some_and(|t| now < t));
    let stands = if no_up { asked } else { asked.max(s.standing) };
    let guarded = if no_up && floored > asked {
        asked
    } else if no_down {
        floored.max(stands)
    } else {
        floored
    };

    let frozen = if no_down && !no_up { s.standing } else { 0 };
    let firm = wants.map_or(0, |n| n.max(present)).max(floors).max(frozen).max(p.min);
    let threshold = threshold(p, m, (asked, guarded), firm, boost, now);

    let kept = if p.down.window > 0 && judged.iter().any(|j| j.returned) { asked } else { 0 };
    // A fall that is held is noted as it was read.
    let read: Vec<Judged> = judged.iter().map(Judged::as_read).collect();
    let read = self::answers(p, s, &read);
    let unheld = read.combine(p, asked, read.predicted.map(|(raise, _)| raise)).max(floors).max(p.min).max(kept);
    let within = |list: &[(i64, u32)], window: i64| -> Vec<u32> {
        list.iter().filter(|one| one.0 > now - window).map(|one| one.1).collect()
    };
    let highest = within(&m.down, p.down.window).into_iter().fold(unheld, u32::max);
    m.down.push((now, unheld));
    let lowest = recommendation.map_or(asked, |n| {
        let lowest = within(&m.up, p.up.window).into_iter().fold(n, u32::min);
        m.up.push((now, n));
        lowest
    });
    let stable = if threshold > asked {
        threshold.min(lowest.max(firm).max(asked))
    } else {
        threshold.max(highest.min(asked))
    };

    let limited = stable.clamp(limit(p, m, asked, now, false), limit(p, m, asked, now, true));

    let hot = |last: Option<i64>, cooldown: i64| last.is_some_and(|at| now - at < cooldown);
    let settled = m.last_change.max(Some(m.begun));
    let cooled = if limited > asked && !m.lowered_outside && hot(m.last_change, p.up.cooldown)
        || limited < asked && hot(settled, p.down.cooldown)
    {
        asked
    } else {
        limited
    };

    let owed = judged.iter().map(|j| need_now(j, 1.0)).max().unwrap_or(0);
    let paid = p.spend.map_or(u64::MAX, |(price, most)| most / price);
    let affordable = cooled.min(u32::try_from(paid).unwrap_or(u32::MAX).max(asked).max(p.min).max(owed));
    let desired = affordable.clamp(p.min, p.max);
    let after = [combined, floored, guarded, threshold, stable, limited, cooled, affordable, desired];
    Decision { after, reactive: recommendation.unwrap_or(asked), predicted, write: None }
}

/// Stages 2 to 4 over all metrics.
struct Answers {
    recommendation: Option<u32>,
    predicted: Option<(u32, u32)>,
    present: u32,
    other: u32,
    p05: u32,
    may_lower: bool,
}

fn answers(p: &Policy, s: &Situation, judged: &[Judged]) -> Answers {
    let (mut predicted, mut present, mut p05, mut others) = (None, 0, 0, Vec::new());
    for ((j, seen), rule) in judged.iter().zip(&s.metrics).zip(&p.metrics) {
        let Some((raise, keep)) = Some(()).filter(|()| rule.1).and_then(|()| predict(p, j, seen, s.now)) else {
            others.push(*j);
            continue;
        };
        predicted = Some(predicted.map_or((raise, keep), |(r, k): (u32, u32)| (r.max(raise), k.max(keep))));
        present = present.max(need_now(j, p.floor));
        p05 = p05.max(seen.p05_earlier.map_or(0, |x| need(x / j.capacity)));
    }
    Answers {
        recommendation: reactive(p, judged, s.asked),
        predicted,
        present,
        other: if others.is_empty() { 0 } else { reactive(p, &others, s.asked).unwrap_or(s.asked) },
        p05,
        may_lower: judged.iter().all(|j| j.may_lower),
    }
}

fn need_now(j: &Judged, share: f64) -> u32 {
    j.demand.map_or(0, |x| need(x / (j.capacity * share)))
}

impl Judged {
    fn as_read(&self) -> Self {
        self.fallen.map_or(*self, |(x, whole)| Self { demand: Some(x), may_lower: whole, ..*self })
    }
}

impl Answers {
    /// Stage 5.
    fn combine(&self, p: &Policy, asked: u32, wants: Option<u32>) -> u32 {
        let reactive = self.recommendation.unwrap_or(asked);
        let n = match wants {
            None if p.beside_hpa => p.min,
            None => reactive,
            Some(n) if p.beside_hpa => n,
            Some(n) if p.never_below_reactive => n.max(reactive),
            Some(n) => n.max(self.present).max(self.other).max(if p.drifted { reactive } else { 0 }),
        };
        let n = if self.may_lower { n } else { n.max(asked.min(p.max)) };
        n.max(self.p05.min(asked))
    }
}

/// Stage 1.
fn judge(
    p: &Policy,
    max_age: i64,
    seen: &Seen,
    now: i64,
    m: &mut (Option<f64>, Option<i64>, Option<i64>, Option<i64>),
) -> Judged {
    let (last, fell, suspect, absent) = m;
    let fresh =
        |x: &(f64, i64, bool)| x.0.is_finite() && x.0 >= 0.0 && x.1 <= now + 30_000 && x.1 >= now - max_age;
    let read = seen.reading.filter(fresh).filter(|_| seen.capacity.is_some());
    let believed = read.filter(|&(x, _, _)| {
        if seen.source_suspect {
            suspect.get_or_insert(now);
        }
        let Some(since) = *suspect else { return true };
        let forecast = seen.forecast.as_ref().filter(|_| seen.trusted);
        let agrees = forecast.and_then(|f| f.at(now)).is_some_and(|q| q[0] <= x);
        let over = agrees || now - since >= 600_000;
        if over && !seen.source_suspect {
            *suspect = None;
        }
        over
    });
    let capacity = seen.capacity.unwrap_or(1.0);
    let Some((x, _, partial)) = believed else {
        let since = *absent.get_or_insert(now);
        return Judged {
            demand: None,
            fallen: None,
            capacity,
            may_lower: false,
            absent_for: Some(now - since),
            returned: false,
        };
    };
    let returned = absent.take().is_some();
    if let Some(before) = last.filter(|before| x < 0.1 * before) {
        let since = *fell.get_or_insert(now);
        if now - since < p.suspect_for {
            let fallen = Some((x, !partial));
            return Judged { demand: Some(before), fallen, capacity, may_lower: false, absent_for: None, returned };
        }
    }
    (*fell, *last) = (None, Some(x));
    Judged { demand: Some(x), fallen: None, capacity, may_lower: !partial, absent_for: None, returned }
}

/// Stage 2: an HPA's recommendation, if it makes one.
fn reactive(p: &Policy, judged: &[Judged], asked: u32) -> Option<u32> {
    let answer = |j: &Judged| {
        let (x, target) = (j.demand?, j.capacity * p.average);
        let ratio = x / (target * f64::from(asked));
        let inside = ratio >= 1.0 - p.down.tolerance - 1e-9 && ratio <= 1.0 + p.up.tolerance + 1e-9;
        Some(if asked > 0 && inside { asked } else { need(x / target) })
    };
    let largest = judged.iter().filter_map(answer).max()?;
    (largest >= asked || judged.iter().all(|j| j.may_lower)).then_some(largest)
}

/// Stage 4: what to raise to now, and what to keep.
fn predict(p: &Policy, j: &Judged, seen: &Seen, now: i64) -> Option<(u32, u32)> {
    let forecast = seen.forecast.as_ref().filter(|_| seen.trusted)?;
    let capacity = seen.capacity?;
    let lead = steps(p.lead, forecast.step);
    let first = usize::try_from((now - forecast.newest).max(0) / forecast.step).ok()?.saturating_sub(1);
    let ahead = forecast.steps.get(first..)?;
    let at_lead = ahead.get(lead)?;
    if j.demand.is_none() && at_lead[7] > 3.0 * at_lead[4] {
        return None;
    }
    let until = lead + steps(hold(p), forecast.step);
    let mut path: Vec<u32> =
        ahead.iter().take(until + 1).map(|q| forecast::sized(q, capacity, p.objective, seen.level)).collect();
    path[0] = path[0].max(j.demand.map_or(0, |x| need(x / capacity)));
    backward(p, &mut path);
    Some((path[lead], path.iter().copied().max()?))
}

fn hold(p: &Policy) -> i64 {
    p.down.window.max(600_000)
}

fn steps(span: i64, step: i64) -> usize {
    usize::try_from((span + step - 1) / step).unwrap_or(0)
}

/// A path that the up-rates and the cooldown can follow. A raise is followed by the next one after the cooldown, and
/// by as much again after a period of the rate policies: until then it covers what is needed.
fn backward(p: &Policy, path: &mut [u32]) {
    let periods = || p.up.rates.iter().map(|rate| rate.period);
    let slowest = if p.up.select == Select::Max { periods().min() } else { periods().max() };
    let stride = slowest.unwrap_or(0).max(p.step);
    let rates: Vec<Rate> = p.up.rates.iter().copied().filter(|rate| rate.period <= stride).collect();
    let rounds = rates
        .iter()
        .map(|rate| rate.period)
        .max()
        .map_or(1, |longest| (stride / longest.max(p.up.cooldown)).clamp(1, 64));
    let reaches = |from: u32| {
        let mut n = u64::from(from);
        for _ in 0..rounds {
            n = n
                .max(select(p.up.select, rates.iter().map(|rate| moved(n, rate, true)), true).unwrap_or(n))
                .min(1 << 40);
        }
        n
    };
    let gap = steps(p.up.cooldown.max(stride), p.step);
    let needs = path.to_vec();
    for h in (0..path.len()).rev() {
        let own = needs.iter().skip(h).take(gap).copied().max().unwrap_or(0);
        let target = path.get(h + gap).copied().unwrap_or(0);
        let (mut low, mut high) = (own, own.max(target));
        while low < high {
            let middle = low + (high - low) / 2;
            if reaches(middle) >= u64::from(target) { high = middle } else { low = middle + 1 }
        }
        path[h] = low;
    }
}

fn moved(from: u64, rate: &Rate, up: bool) -> u64 {
    let amount = u64::from(rate.amount);
    match (rate.percent, up) {
        (false, true) => from + amount,
        (false, false) => from.saturating_sub(amount),
        (true, true) => (from * (100 + amount)).div_ceil(100),
        (true, false) => from * 100_u64.saturating_sub(amount) / 100,
    }
}

fn select(select: Select, limits: impl Iterator<Item = u64>, up: bool) -> Option<u64> {
    match select {
        Select::Disabled => None,
        one if (one == Select::Max) == up => limits.max(),
        _ => limits.min(),
    }
}

/// Stage 8: how far `asked` may go now.
fn limit(p: &Policy, m: &Memory, asked: u32, now: i64, up: bool) -> u32 {
    let rules = if up { &p.up } else { &p.down };
    let reach = |rate: &Rate| {
        let recent = m.changes.iter().filter(|change| change.0 > now - rate.period);
        let start = recent.fold(i64::from(asked), |n, change| n - i64::from(change.2) + i64::from(change.1));
        moved(u64::try_from(start).unwrap_or(0), rate, up)
    };
    let reached = select(rules.select, rules.rates.iter().map(reach), up).unwrap_or(u64::from(asked));
    let reached = u32::try_from(reached).unwrap_or(u32::MAX);
    if up { reached.max(asked) } else { reached.min(asked) }
}

/// Stage 7.
fn threshold(p: &Policy, m: &mut Memory, (asked, n): (u32, u32), firm: u32, ordered: u32, now: i64) -> u32 {
    let (up, down) = (n > asked && firm < n, n < asked);
    m.up_since = m.up_since.or(Some(now)).filter(|_| up);
    m.down_since = m.down_since.or(Some(now)).filter(|_| down);
    if asked.abs_diff(n) < p.min_step && !(n > asked && ordered > asked) {
        return asked;
    }
    let wait = |since: Option<i64>, sustain: i64| since.is_some_and(|since| now - since < sustain);
    if wait(m.up_since, p.up.sustain) {
        return firm.max(asked);
    }
    if wait(m.down_since, p.down.sustain) { asked } else { n }
}

/// Stage 6: what stands in for evidence that stays absent.
fn fallback(p: &Policy, j: &Judged, seen: &Seen, now: i64) -> u32 {
    if j.absent_for.is_none_or(|lasted| lasted < p.absent_for) {
        return 0;
    }
    if let Some(n) = p.fallback {
        return n;
    }
    let Some(capacity) = seen.capacity else { return 0 };
    let forecast = seen.forecast.as_ref().filter(|f| seen.trusted && f.at(now).is_some());
    let most = match forecast {
        Some(f) => (0..)
            .map(|i| now + i * f.step)
            .take_while(|&at| at <= now + p.lead + hold(p))
            .map_while(|at| f.at(at).map(|q| q[7]))
            .reduce(f64::max),
        None => seen.same_hours,
    };
    most.map_or(0, |x| need(x / capacity))
}

/// Stage 6: what events need so that it stands `readyBefore` them and is reached in time.
fn event_floor(p: &Policy, s: &Situation) -> u32 {
    let lead = steps(p.lead, p.step);
    let near =
        |e: &&Event| e.start - e.ready_before - (p.lead + hold(p)).max(3_600_000) <= s.now && s.now < e.end;
    let least = |at: i64| {
        let on = s.events.iter().filter(near).filter(|e| e.start - e.ready_before <= at && at < e.end);
        on.filter_map(|e| e.min).max().unwrap_or(0)
    };
    let at = |i| s.now + p.step * i;
    let mut path: Vec<u32> = (0..).map(at).map(least).take(lead + steps(hold(p), p.step) + 1).collect();
    backward(p, &mut path);
    s.asked.clamp(path[lead], path.iter().copied().max().unwrap_or(0))
}
