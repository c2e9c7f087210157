//! A decision a second time, from the definitions alone: plain numbers, one function a stage, the slow way where the
//! slow way is the definition. It knows nothing of the crate that it is compared with. Times are in milliseconds. What
//! there is for decreases and for increases is a pair, the one for increases second.

mod forecast;

pub use forecast::{Forecast, Objective};
use forecast::{least, need, sized};

/// One direction of `behavior`, `cooldown` and `sustainFor`.
#[derive(Clone)]
pub struct Rules {
    pub window: i64,
    /// Whether the rate that moves most counts, or the one that moves least; none where nothing may move.
    pub most: Option<bool>,
    pub rates: Vec<Rate>,
    pub tolerance: f64,
    pub cooldown: i64,
    pub sustain: i64,
}

/// Whether per cent; at most so many of them, or pods; within what time.
#[derive(Clone)]
pub struct Rate(pub bool, pub u64, pub i64);

#[derive(Clone)]
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
    pub rules: [Rules; 2],
    pub min_step: u32,
    /// Price, if it is known, and `maxPerHour`, in the same small coin.
    pub price: Option<u64>,
    pub hourly: Option<u64>,
    pub suspect_for: i64,
    pub absent_for: i64,
    pub fallback: Option<u32>,
}

pub struct Seen {
    /// Value, when, whether partial.
    pub reading: Option<(f64, i64, bool)>,
    pub capacity: Option<f64>,
    /// One that is trusted.
    pub forecast: Option<Forecast>,
    /// The quantile that a rehearsal found.
    pub level: Option<f64>,
    pub p05_earlier: Option<f64>,
    pub same_hours: Option<f64>,
    pub source_suspect: bool,
}

/// An event: from when it stands, start, end, its `minReplicas` and `maxReplicas`.
pub struct Event(pub i64, pub i64, pub i64, pub Option<u32>, pub Option<u32>);

/// What a budget pays for: so many millionths of what is needed, and present demand up to so many replicas from the
/// overdraft; whether it withholds.
#[derive(Clone, Copy)]
pub struct Budget {
    pub theta: u64,
    pub needed: u32,
    pub overdraft: Option<u32>,
    pub holds: bool,
}

pub struct Situation {
    pub now: i64,
    pub asked: u32,
    pub metrics: Vec<Seen>,
    pub events: Vec<Event>,
    /// Until when an order forbids decreases, and increases.
    pub forbidden: [Option<i64>; 2],
    pub boost: Option<(u32, i64)>,
    pub standing: u32,
    pub rival: bool,
    /// The budget that is named, and what it pays for if it takes the autoscaler.
    pub budget: Option<Option<Budget>>,
}

#[derive(Default)]
pub struct Memory {
    /// Of each metric: last value; since when a fall is held, its source suspect, its evidence absent.
    pub metrics: Vec<(Option<f64>, [Option<i64>; 3])>,
    /// What earlier decisions recommended.
    pub recommended: [Vec<(i64, u32)>; 2],
    /// Own changes of the last half hour, and the last one of all.
    pub changes: Vec<(i64, u32, u32)>,
    pub last_change: Option<i64>,
    pub begun: i64,
    pub left: u32,
    pub lowered_outside: bool,
    pub human: Option<(u32, i64)>,
    pub foreign: Vec<i64>,
    /// Since when a change is wanted.
    pub since: [Option<i64>; 2],
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
    /// What was read and whether it is whole, where the value before a fall is held.
    fallen: Option<(f64, bool)>,
    capacity: f64,
    may_lower: bool,
    absent_for: Option<i64>,
    returned: bool,
}

impl Memory {
    pub fn begin(now: i64, asked: u32, metrics: usize) -> Self {
        let (metrics, recommended) = (vec![Default::default(); metrics], [vec![(now, asked)], vec![]]);
        Self { metrics, recommended, begun: now, left: asked, ..Self::default() }
    }

    /// A clock that was set back: nothing lies ahead.
    fn set_back(&mut self, now: i64) {
        let since = self.metrics.iter_mut().flat_map(|m| &mut m.1).chain(&mut self.since);
        let at = since.chain([&mut self.last_change]).flatten().chain(&mut self.foreign);
        at.chain(self.recommended.iter_mut().flatten().map(|one| &mut one.0))
            .chain(self.changes.iter_mut().chain(&mut self.intent).map(|one| &mut one.0))
            .chain([&mut self.begun])
            .for_each(|at| *at = now.min(*at));
        self.human = self.human.map(|(n, until)| (n, until.min(now + 1_800_000)));
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
        m.human = if s.asked > m.left { Some((s.asked, s.now + 1_800_000)) } else { m.human };
        m.lowered_outside |= s.asked < m.left;
        m.left = s.asked;
    }
    m.human = m.human.filter(|human| s.now < human.1);
    m.changes.retain(|change| s.now - change.0 < 1_800_000);
    let mut decision = decide(p, s, m);
    let desired = decision.after[8];
    if s.asked > 0 && !s.rival && m.foreign.len() < 2 && desired != s.asked {
        m.intent = Some((s.now, s.asked, desired));
        decision.write = Some(desired);
    }
    decision
}

fn decide(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    let (now, asked) = (s.now, s.asked);
    let on = || s.events.iter().filter(|e| e.1 <= now && now < e.2);
    let floor = on().filter_map(|e| e.3).max().unwrap_or(0).clamp(p.min, p.max);
    let cap = on().filter_map(|e| e.4).min().map_or(p.max, |cap| cap.max(floor).min(p.max));
    let (event_caps, p) = (cap < p.max, &Policy { max: cap, ..p.clone() });

    let known = p.metrics.iter().zip(&s.metrics).zip(&mut m.metrics);
    let judged: Vec<Judged> = known.map(|((rule, seen), m)| judge(p, rule.0, seen, now, m)).collect();
    let answers = answers(p, s, &judged);
    let Answers { recommendation, predicted, present, .. } = answers;
    let wants = predicted.map(|(raise, keep)| asked.clamp(raise, keep));
    let combined = answers.combine(p, asked, wants);

    let boost = s.boost.filter(|boost| now < boost.1).map_or(0, |boost| boost.0);
    let absent = judged.iter().zip(&s.metrics).map(|(j, seen)| fallback(p, j, seen, now)).max();
    let human = m.human.map_or(0, |human| human.0);
    let floors = absent.unwrap_or(0).max(event_floor(p, s)).max(human).max(boost);
    let floors = if event_caps { floors.min(p.max) } else { floors };
    let floored = combined.max(floors).max(p.min).min(if event_caps { p.max } else { u32::MAX });

    let [no_down, no_up] = s.forbidden.map(|until| until.is_some_and(|until| now < until));
    let stands = if no_up { asked } else { asked.max(s.standing) };
    let kept = if no_down { floored.max(stands) } else { floored };
    let guarded = if no_up { kept.min(asked) } else { kept };

    let frozen = if no_down && !no_up { s.standing } else { 0 };
    let firm = wants.map_or(0, |n| n.max(present)).max(floors).max(frozen).max(p.min);
    let firmed = threshold(p, m, (asked, guarded), (firm, boost), now);

    let kept = if p.rules[0].window > 0 && judged.iter().any(|j| j.returned) { asked } else { 0 };
    // A fall that is held is noted as it was read.
    let read: Vec<Judged> = judged.iter().map(Judged::as_read).collect();
    let read = self::answers(p, s, &read);
    let raise = read.predicted.map(|(raise, _)| raise);
    let unheld = read.combine(p, asked, raise).max(floors).max(p.min).max(kept);
    let [down, up] = &mut m.recommended;
    let highest = recent(down, p.rules[0].window, now, Some(unheld)).max();
    let lowest =
        recent(up, p.rules[1].window, now, recommendation).min().filter(|_| recommendation.is_some());
    let stable = if firmed > asked {
        firmed.min(lowest.unwrap_or(asked).max(firm).max(asked))
    } else {
        firmed.max(highest.unwrap_or(0).min(asked))
    };

    let limited = stable.clamp(limit(p, m, asked, now, false), limit(p, m, asked, now, true));

    let hot = |last: Option<i64>, up: usize| last.is_some_and(|at| now - at < p.rules[up].cooldown);
    let waits = limited > asked && !m.lowered_outside && hot(m.last_change, 1)
        || limited < asked && hot(m.last_change.max(Some(m.begun)), 0);
    let cooled = if waits { asked } else { limited };

    let affordable = spend(p, s, cooled, judged.iter().map(|j| need_now(j, 1.0)).max().unwrap_or(0));
    let desired = affordable.clamp(p.min, p.max);
    let after = [combined, floored, guarded, firmed, stable, limited, cooled, affordable, desired];
    Decision { after, reactive: recommendation.unwrap_or(asked), predicted, write: None }
}

/// Stages 2 to 4 over all metrics.
struct Answers {
    recommendation: Option<u32>,
    predicted: Option<(u32, u32)>,
    present: u32,
    /// What the metrics without a forecast want.
    other: u32,
    p05: u32,
    may_lower: bool,
}

fn answers(p: &Policy, s: &Situation, judged: &[Judged]) -> Answers {
    let (mut predicted, mut present, mut p05, mut others) = (None, 0, 0, Vec::new());
    for ((j, seen), rule) in judged.iter().zip(&s.metrics).zip(&p.metrics) {
        if let Some((raise, keep)) = predict(p, j, seen, s.now).filter(|_| rule.1) {
            let (r, k) = predicted.unwrap_or((0, 0));
            predicted = Some((raise.max(r), keep.max(k)));
            present = present.max(need_now(j, p.floor));
            p05 = p05.max(seen.p05_earlier.map_or(0, |x| need(x / j.capacity)));
        } else {
            others.push(*j);
        }
    }
    let other = if others.is_empty() { 0 } else { reactive(p, &others, s.asked).unwrap_or(s.asked) };
    let may_lower = judged.iter().all(|j| j.may_lower);
    let recommendation = reactive(p, judged, s.asked);
    Answers { recommendation, predicted, present, other, p05, may_lower }
}

fn need_now(j: &Judged, share: f64) -> u32 {
    j.demand.map_or(0, |x| need(x / (j.capacity * share)))
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
        n.max(if self.may_lower { 0 } else { asked.min(p.max) }).max(self.p05.min(asked))
    }
}

impl Judged {
    /// The same where a fall is not held.
    fn as_read(&self) -> Self {
        self.fallen.map_or(*self, |(x, whole)| Self { demand: Some(x), may_lower: whole, ..*self })
    }
}

/// Stage 1.
fn judge(
    p: &Policy,
    max_age: i64,
    seen: &Seen,
    now: i64,
    (last, [fell, suspect, absent]): &mut (Option<f64>, [Option<i64>; 3]),
) -> Judged {
    let fresh =
        |x: &(f64, i64, bool)| x.0.is_finite() && x.0 >= 0.0 && x.1 <= now + 30_000 && x.1 >= now - max_age;
    let read = seen.reading.filter(fresh).filter(|_| seen.capacity.is_some());
    *suspect = suspect.or(Some(now).filter(|_| read.is_some() && seen.source_suspect));
    let low = seen.forecast.as_ref().and_then(|f| f.at(now)).map_or(f64::INFINITY, |q| q[0]);
    let believed = read.filter(|x| suspect.is_none_or(|since| low <= x.0 || now - since >= 600_000));
    *suspect = suspect.filter(|_| believed.is_none() || seen.source_suspect);
    let capacity = seen.capacity.unwrap_or(1.0);
    let judged = Judged { demand: None, fallen: None, capacity, may_lower: false, absent_for: None, returned: false };
    let Some((x, _, partial)) = believed else {
        return Judged { absent_for: Some(now - *absent.get_or_insert(now)), ..judged };
    };
    let judged = Judged { returned: absent.take().is_some(), ..judged };
    if let Some(before) = last.filter(|before| x < 0.1 * before)
        && now - *fell.get_or_insert(now) < p.suspect_for
    {
        return Judged { demand: Some(before), fallen: Some((x, !partial)), ..judged };
    }
    (*fell, *last) = (None, Some(x));
    Judged { demand: Some(x), may_lower: !partial, ..judged }
}

/// Stage 2: an HPA's recommendation, if it makes one.
fn reactive(p: &Policy, judged: &[Judged], asked: u32) -> Option<u32> {
    let answer = |j: &Judged| {
        let (x, target) = (j.demand?, j.capacity * p.average);
        let ratio = x / (target * f64::from(asked));
        let [down, up] = [p.rules[0].tolerance, p.rules[1].tolerance];
        let inside = ratio >= 1.0 - down - 1e-9 && ratio <= 1.0 + up + 1e-9;
        Some(if asked > 0 && inside { asked } else { need(x / target) })
    };
    let largest = judged.iter().filter_map(answer).max()?;
    (largest >= asked || judged.iter().all(|j| j.may_lower)).then_some(largest)
}

/// Stage 4: what to raise to now, and what to keep.
fn predict(p: &Policy, j: &Judged, seen: &Seen, now: i64) -> Option<(u32, u32)> {
    let (forecast, capacity) = (seen.forecast.as_ref()?, seen.capacity?);
    let lead = steps(p.lead, forecast.step);
    let first = usize::try_from((now - forecast.newest).max(0) / forecast.step).ok()?.saturating_sub(1);
    let ahead = forecast.steps.get(first..)?;
    let at_lead = ahead.get(lead)?;
    if j.demand.is_none() && at_lead[7] > 3.0 * at_lead[4] {
        return None;
    }
    let ahead = ahead.iter().take(lead + steps(hold(p), forecast.step) + 1);
    let mut path: Vec<u32> = ahead.map(|q| sized(q, capacity, p.objective, seen.level)).collect();
    path[0] = path[0].max(j.demand.map_or(0, |x| need(x / capacity)));
    backward(p, &mut path);
    Some((path[lead], path.iter().copied().max()?))
}

fn hold(p: &Policy) -> i64 {
    p.rules[0].window.max(600_000)
}

fn steps(span: i64, step: i64) -> usize {
    usize::try_from((span + step - 1) / step).unwrap_or(0)
}

fn whole(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A path that the up-rates and the cooldown can follow. A raise is followed by the next one after the cooldown, and
/// by as much again after a period of the rate policies: until then it covers what is needed.
fn backward(p: &Policy, path: &mut [u32]) {
    let Rules { most, rates, cooldown, .. } = &p.rules[1];
    let periods = rates.iter().map(|rate| rate.2);
    let slowest = if *most == Some(true) { periods.min() } else { periods.max() };
    let stride = slowest.unwrap_or(0).max(p.step);
    let rates: Vec<&Rate> = rates.iter().filter(|rate| rate.2 <= stride).collect();
    let longest = rates.iter().map(|rate| rate.2).max();
    let rounds = longest.map_or(1, |longest| (stride / longest.max(*cooldown)).clamp(1, 64));
    let more =
        |n: u64| n.max(select(*most, rates.iter().map(|rate| moved(n, rate, true)), true).unwrap_or(n));
    let reaches = |from: u32| (0..rounds).fold(u64::from(from), |n, _| more(n).min(1 << 40));
    let gap = steps(stride.max(*cooldown), p.step);
    let needs = path.to_vec();
    for h in (0..path.len()).rev() {
        let own = needs.iter().skip(h).take(gap).copied().max().unwrap_or(0);
        let target = path.get(h + gap).copied().unwrap_or(0);
        path[h] = least(own, own.max(target), |n| reaches(n) >= u64::from(target));
    }
}

fn moved(from: u64, &Rate(percent, amount, _): &Rate, up: bool) -> u64 {
    match (percent, up) {
        (false, true) => from + amount,
        (false, false) => from.saturating_sub(amount),
        (true, true) => (from * (100 + amount)).div_ceil(100),
        (true, false) => from * 100_u64.saturating_sub(amount) / 100,
    }
}

fn select(most: Option<bool>, limits: impl Iterator<Item = u64>, up: bool) -> Option<u64> {
    if most? == up { limits.max() } else { limits.min() }
}

/// Stage 8: how far `asked` may go now.
fn limit(p: &Policy, m: &Memory, asked: u32, now: i64, up: bool) -> u32 {
    let rules = &p.rules[usize::from(up)];
    let reach = |rate: &Rate| {
        let recent = m.changes.iter().filter(|change| change.0 > now - rate.2);
        let start = recent.fold(i64::from(asked), |n, change| n - i64::from(change.2) + i64::from(change.1));
        moved(u64::try_from(start).unwrap_or(0), rate, up)
    };
    let reached = select(rules.most, rules.rates.iter().map(reach), up).map_or(asked, whole);
    if up { reached.max(asked) } else { reached.min(asked) }
}

/// Stage 7: what is wanted for certain waits for nothing, and what was ordered is never too small a step.
fn threshold(
    p: &Policy,
    m: &mut Memory,
    (asked, n): (u32, u32),
    (firm, ordered): (u32, u32),
    now: i64,
) -> u32 {
    for (since, wanted) in m.since.iter_mut().zip([n < asked, n > asked && firm < n]) {
        *since = since.or(Some(now)).filter(|_| wanted);
    }
    let waits = |up: usize| m.since[up].is_some_and(|since| now - since < p.rules[up].sustain);
    if asked.abs_diff(n) < p.min_step && !(n > asked && ordered > asked) || waits(0) {
        return asked;
    }
    if waits(1) { firm.max(asked) } else { n }
}

/// Stage 8: what was recommended within the window, now included; the last one is remembered in any case.
fn recent(list: &mut Vec<(i64, u32)>, window: i64, now: i64, n: Option<u32>) -> impl Iterator<Item = u32> {
    list.extend(n.map(|n| (now, n)));
    let last = list.last().copied();
    list.retain(|one| now - one.0 < window || Some(*one) == last);
    list.iter().map(|one| one.1)
}

/// Stage 6: what stands in for evidence that stays absent.
fn fallback(p: &Policy, j: &Judged, seen: &Seen, now: i64) -> u32 {
    if j.absent_for.is_none_or(|lasted| lasted < p.absent_for) {
        return 0;
    }
    let usual = || {
        let f = seen.forecast.as_ref().filter(|f| f.at(now).is_some());
        let most = f.map_or(seen.same_hours, |f| {
            let ahead = (0..=(p.lead + hold(p)) / f.step).map_while(|i| f.at(now + i * f.step));
            ahead.map(|q| q[7]).reduce(f64::max)
        });
        most.map_or(0, |x| need(x / j.capacity))
    };
    p.fallback.unwrap_or_else(|| if seen.capacity.is_some() { usual() } else { 0 })
}

/// Stage 6: what events need so that it stands `readyBefore` them and is reached in time.
fn event_floor(p: &Policy, s: &Situation) -> u32 {
    let lead = steps(p.lead, p.step);
    let far = s.now + (p.lead + hold(p)).max(3_600_000);
    let least = |at: i64| {
        let on = s.events.iter().filter(|e| e.0 <= far && s.now < e.2 && e.0 <= at && at < e.2);
        on.filter_map(|e| e.3).max().unwrap_or(0)
    };
    let at = (0..).map(|i| s.now + p.step * i).take(lead + steps(hold(p), p.step) + 1);
    let mut path: Vec<u32> = at.map(least).collect();
    backward(p, &mut path);
    s.asked.clamp(path[lead], path.iter().copied().max().unwrap_or(0))
}

/// Stage 9: growth that money does not pay for is withheld, beyond `maxPerHour` and beyond the budget's path; what
/// stands stays. Where money pays for nothing that is known, present demand is served.
fn spend(p: &Policy, s: &Situation, wanted: u32, owed: u32) -> u32 {
    let stands = s.asked.max(p.min);
    let paid = p.hourly.map_or(u64::MAX, |most| p.price.map_or(0, |price| most / price));
    let wanted = wanted.min(whole(paid).max(stands).max(owed));
    match s.budget {
        None | Some(Some(Budget { holds: false, .. })) => wanted,
        Some(Some(Budget { theta, needed, overdraft, .. })) if p.price.is_some() => {
            let path = whole(u64::from(needed) * theta / 1_000_000).max(stands);
            wanted.min(path.max(overdraft.map_or(0, |most| most.min(owed))))
        }
        _ => wanted.min(stands.max(owed)),
    }
}
