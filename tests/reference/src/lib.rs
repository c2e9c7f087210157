//! A decision a second time, from the definitions alone: plain numbers, one step a stage, the slow way where the slow
//! way is the definition. It knows nothing of the crate that it is compared with. Times are in milliseconds. What there
//! is for decreases and for increases is a pair, the one for increases second.

mod forecast;

pub use forecast::Objective;
use forecast::{least, need, sized};

/// One direction of `behavior`, `cooldown` and `sustainFor`.
pub struct Rules {
    pub window: i64,
    /// Whether the rate that moves most counts, or the one that moves least.
    pub most: bool,
    /// None where nothing may move.
    pub rates: Vec<Rate>,
    pub tolerance: f64,
    pub cooldown: i64,
    pub sustain: i64,
}

/// Whether per cent; at most so many of them, or pods; within what time.
pub type Rate = (bool, i64, i64);

pub struct Policy {
    pub never_below_reactive: bool,
    /// A replica serves less than is stated.
    pub drifted: bool,
    pub beside_hpa: bool,
    pub min: i64,
    pub max: i64,
    pub lead: i64,
    pub step: i64,
    pub objective: Objective,
    pub average: f64,
    pub floor: f64,
    pub rules: [Rules; 2],
    pub min_step: i64,
    /// Price, if it is known, and `maxPerHour`, in the same small coin.
    pub price: Option<i64>,
    pub hourly: Option<i64>,
    pub suspect_for: i64,
    pub absent_for: i64,
    pub fallback: Option<i64>,
}

/// One metric.
pub struct Seen {
    pub max_age: i64,
    pub predicted: bool,
    /// Value, when, whether partial.
    pub reading: Option<(f64, i64, bool)>,
    pub capacity: Option<f64>,
    /// One that is trusted: its newest sample, and the quantiles of each step that begins after it.
    pub forecast: Option<(i64, Vec<[f64; 11]>)>,
    /// The quantile that a rehearsal found.
    pub level: Option<f64>,
    pub p05_earlier: Option<f64>,
    pub same_hours: Option<f64>,
    pub source_suspect: bool,
}

/// From when it stands, start and end; its `minReplicas`, or 0; its `maxReplicas`, or as many as there can be.
pub type Event = ([i64; 3], i64, i64);

/// What a budget pays for: so many millionths of what is needed, and present demand up to so many replicas from the
/// overdraft; whether it withholds.
pub struct Budget {
    pub theta: i64,
    pub needed: i64,
    pub overdraft: i64,
    pub holds: bool,
}

pub struct Situation {
    pub now: i64,
    pub asked: i64,
    pub metrics: Vec<Seen>,
    pub events: Vec<Event>,
    /// Until when an order forbids decreases, and increases.
    pub forbidden: [i64; 2],
    /// What is ordered to stand, and until when.
    pub boost: (i64, i64),
    pub standing: i64,
    pub rival: bool,
    /// The budget that is named, and what it pays for if it takes the autoscaler.
    pub budget: Option<Option<Budget>>,
}

/// What decisions leave behind: mostly when, and how many.
#[derive(Default)]
pub struct Memory {
    pub metrics: Vec<Known>,
    pub recommended: [Vec<(i64, i64)>; 2],
    /// Own changes of the last half hour.
    pub changes: Vec<(i64, i64)>,
    /// Since when the cooldown runs.
    pub cooling: [Option<i64>; 2],
    pub left: i64,
    /// What somebody raised to, and when somebody wrote.
    pub human: Option<(i64, i64)>,
    pub foreign: Vec<i64>,
    /// Since when a change is wanted.
    pub since: [Option<i64>; 2],
    pub intent: Option<(i64, i64)>,
}

/// Last value; since when a fall is held, the source suspect, the evidence absent.
pub type Known = (Option<f64>, [Option<i64>; 3]);

#[derive(Debug, PartialEq)]
pub struct Decision {
    /// The proposal after combine, floors, guards, threshold, stabilise, rate, cooldown, spend, bounds.
    pub after: [i64; 9],
    pub reactive: i64,
    pub predicted: Option<(i64, i64)>,
    pub write: Option<i64>,
}

impl Memory {
    pub fn begin(now: i64, asked: i64, metrics: usize) -> Self {
        let (metrics, recommended) = (vec![Known::default(); metrics], [vec![(now, asked)], vec![]]);
        Self { metrics, recommended, cooling: [Some(now), None], left: asked, ..Self::default() }
    }
}

pub fn tick(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    // A clock may be set back: nothing lies ahead.
    let counts =
        m.recommended.iter_mut().flatten().chain(&mut m.changes).chain(&mut m.human).chain(&mut m.intent);
    let spans = m.metrics.iter_mut().flat_map(|known| &mut known.1).chain(&mut m.cooling).chain(&mut m.since);
    let times = counts.map(|one| &mut one.0).chain(spans.flatten()).chain(&mut m.foreign);
    times.for_each(|at| *at = s.now.min(*at));
    m.foreign.retain(|at| s.now - at < 600_000);
    let by = s.asked - m.left;
    match m.intent.take() {
        Some((at, to)) if to == s.asked => {
            m.changes.push((at, by));
            m.cooling = [Some(at); 2];
        }
        _ if by > 0 => {
            m.foreign.push(s.now);
            m.human = Some((s.now, s.asked));
        }
        _ if by < 0 => {
            m.foreign.push(s.now);
            m.cooling[1] = None;
        }
        _ => {}
    }
    m.left = s.asked;
    m.human = m.human.filter(|human| s.now - human.0 < 1_800_000);
    m.changes.retain(|change| s.now - change.0 < 1_800_000);
    decide(p, s, m)
}

fn decide(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    let (now, asked) = (s.now, s.asked);
    let on = || s.events.iter().filter(|([_, start, end], ..)| (*start..*end).contains(&now));
    let least = on().map(|event| event.1).max().unwrap_or(0).clamp(p.min, p.max);
    let cap = on().map(|event| event.2.max(least)).filter(|&cap| cap < p.max).min();
    let [max, cap] = [p.max, i64::MAX].map(|most| cap.unwrap_or(most));

    let known = s.metrics.iter().zip(&mut m.metrics);
    let judged: Vec<_> = known.map(|(seen, known)| judge(p, seen, now, known)).collect();
    let views = [0, 1].map(|i| judged.iter().map(|one| one.0[i]).collect::<Vec<_>>());
    let [held, read] = views.each_ref().map(|views| answers(p, s, max, views));
    let wants = held.predicted.map_or(0, |(raise, keep)| asked.clamp(raise, keep));
    let combined = wants.max(held.least);

    let boost = if now < s.boost.1 { s.boost.0 } else { 0 };
    let human = m.human.map_or(0, |human| human.1);
    let absent = judged.iter().map(|one| one.1).max().unwrap_or(0);
    let floors = absent.max(event_floor(p, s)).max(human).max(boost).max(p.min).min(cap);
    let floored = combined.max(floors).min(cap);

    let [no_down, no_up] = s.forbidden.map(|until| now < until);
    let (kept, frozen) = if no_down { (asked, s.standing) } else { (0, 0) };
    let guarded = floored.max(kept).max(frozen).min(if no_up { asked } else { i64::MAX });

    // What is wanted for certain waits for nothing, and what was ordered is never too small a step.
    let firm = wants.max(held.present).max(floors).max(frozen).max(asked);
    for (since, wanted) in m.since.iter_mut().zip([guarded < asked, guarded > firm]) {
        *since = since.or(Some(now)).filter(|_| wanted);
    }
    let waits = |up: usize| m.since[up].is_some_and(|since| now - since < p.rules[up].sustain);
    let small = (guarded - asked).abs() < p.min_step && guarded.min(boost) <= asked;
    let lasting = if waits(1) { firm } else { guarded };
    let firmed = if small || waits(0) { asked } else { lasting };

    // A fall that is held is noted as it was read. The last one is remembered in any case.
    let kept = if p.rules[0].window > 0 && judged.iter().any(|one| one.2) { asked } else { 0 };
    let unheld = read.predicted.map_or(0, |(raise, _)| raise).max(read.least).max(floors).max(kept);
    let recommended = [Some(unheld), held.recommendation];
    for ((list, n), rules) in m.recommended.iter_mut().zip(recommended).zip(&p.rules) {
        list.extend(n.map(|n| (now, n)));
        let last = list.last().copied();
        list.retain(|one| now - one.0 < rules.window || Some(*one) == last);
    }
    let [down, up] = m.recommended.each_ref().map(|list| list.iter().map(|one| one.1));
    let (highest, lowest) = (down.max().unwrap_or(0), held.recommendation.and(up.min()).unwrap_or(0));
    let stable = firmed.clamp(highest.min(asked), lowest.max(firm));

    let up = stable > asked;
    let Rules { most, rates, cooldown, .. } = &p.rules[usize::from(up)];
    let reached = select(
        *most == up,
        rates.iter().map(|rate| {
            let within = m.changes.iter().filter(|change| change.0 > now - rate.2);
            moved((asked - within.map(|change| change.1).sum::<i64>()).max(0), rate, up)
        }),
    )
    .unwrap_or(asked);
    let limited = stable.clamp(reached.min(asked), reached.max(asked));

    let hot = m.cooling[usize::from(up)].is_some_and(|at| now - at < *cooldown);
    let cooled = if hot { asked } else { limited };

    let affordable =
        spend(p, s, cooled, views[0].iter().filter_map(|view| view.0).map(need).max().unwrap_or(0));
    let desired = affordable.clamp(p.min, max);
    let writes = asked > 0 && !s.rival && m.foreign.len() < 2 && desired != asked;
    let write = writes.then_some(desired);
    m.intent = write.map(|to| (now, to));
    let after = [combined, floored, guarded, firmed, stable, limited, cooled, affordable, desired];
    Decision { after, reactive: held.recommendation.unwrap_or(asked), predicted: held.predicted, write }
}

/// Demand in replicas, where it is known, and whether it may lower.
type View = (Option<f64>, bool);

/// Stage 1: a reading as it counts and as it was read, what stands in for it, and whether it has returned.
fn judge(p: &Policy, seen: &Seen, now: i64, known: &mut Known) -> ([View; 2], i64, bool) {
    let (last, [fell, suspect, absent]) = known;
    let fresh = |(x, at, _): &(f64, i64, bool)| {
        (0.0..f64::INFINITY).contains(x) && (now - seen.max_age..=now + 30_000).contains(at)
    };
    let read = seen.reading.filter(fresh).filter(|_| seen.capacity.is_some());
    *suspect = suspect.or(Some(now).filter(|_| read.is_some() && seen.source_suspect));
    let low = at(seen, p.step, now).map_or(f64::INFINITY, |q| q[0]);
    let believed = read.filter(|x| suspect.is_none_or(|since| low <= x.0 || now - since >= 600_000));
    *suspect = suspect.filter(|_| believed.is_none() || seen.source_suspect);
    let Some((x, _, partial)) = believed else {
        let lasts = now - *absent.get_or_insert(now) >= p.absent_for;
        return ([(None, false); 2], if lasts { fallback(p, seen, now) } else { 0 }, false);
    };
    let returned = absent.take().is_some();
    let view = |x: f64, may_lower: bool| (seen.capacity.map(|capacity| x / capacity), may_lower);
    if let Some(before) = last.filter(|before| x < 0.1 * before)
        && now - *fell.get_or_insert(now) < p.suspect_for
    {
        return ([view(before, false), view(x, !partial)], 0, returned);
    }
    (*fell, *last) = (None, Some(x));
    ([view(x, !partial); 2], 0, returned)
}

/// What is forecast for a time.
fn at(seen: &Seen, step: i64, at: i64) -> Option<&[f64; 11]> {
    let (newest, steps) = seen.forecast.as_ref()?;
    steps.get(usize::try_from((at - newest).div_euclid(step) - 1).ok()?)
}

/// Stage 6: what stands in for evidence that stays absent.
fn fallback(p: &Policy, seen: &Seen, now: i64) -> i64 {
    let ahead = (0..=(p.lead + hold(p)) / p.step).map_while(|h| at(seen, p.step, now + h * p.step));
    let usual = ahead.map(|q| q[7]).reduce(f64::max).or(seen.same_hours).unwrap_or(0.0);
    p.fallback.unwrap_or(need(usual / seen.capacity.unwrap_or(f64::INFINITY)))
}

/// Stages 2 to 5 over all metrics; what is combined comes to `least` beside what is predicted.
struct Answers {
    recommendation: Option<i64>,
    predicted: Option<(i64, i64)>,
    present: i64,
    least: i64,
}

fn answers(p: &Policy, s: &Situation, max: i64, views: &[View]) -> Answers {
    let (mut predicted, mut present, mut p05, mut others) = (None, 0, 0, vec![]);
    for (seen, view) in s.metrics.iter().zip(views) {
        match predict(p, seen, view.0, s.now) {
            None => others.push(*view),
            Some((raise, keep)) => {
                let (r, k) = predicted.unwrap_or((0, 0));
                predicted = Some((raise.max(r), keep.max(k)));
                present = present.max(need(view.0.unwrap_or(0.0) / p.floor));
                p05 = p05.max(need(seen.p05_earlier.unwrap_or(0.0) / seen.capacity.unwrap_or(f64::INFINITY)));
            }
        }
    }
    let recommendation = reactive(p, views, s.asked);
    let answer = recommendation.unwrap_or(s.asked);
    let other = reactive(p, &others, s.asked).unwrap_or(if others.is_empty() { 0 } else { s.asked });
    let least = match predicted {
        None if p.beside_hpa => p.min,
        Some(_) if p.beside_hpa => 0,
        Some(_) if !p.never_below_reactive => present.max(other).max(if p.drifted { answer } else { 0 }),
        _ => answer,
    };
    let kept = if views.iter().all(|view| view.1) { 0 } else { s.asked.min(max) };
    Answers { recommendation, predicted, present, least: least.max(kept).max(p05.min(s.asked)) }
}

/// Stage 2: an HPA's recommendation, if it makes one.
fn reactive(p: &Policy, views: &[View], asked: i64) -> Option<i64> {
    let answer = |demand: f64| {
        let off = demand / p.average / asked as f64 - 1.0;
        let inside = off.abs() <= p.rules[usize::from(off > 0.0)].tolerance + 1e-9;
        if inside { asked } else { need(demand / p.average) }
    };
    let largest = views.iter().filter_map(|view| view.0.map(answer)).max()?;
    (largest >= asked || views.iter().all(|view| view.1)).then_some(largest)
}

/// Stage 4: what to raise to now, and what to keep.
fn predict(p: &Policy, seen: &Seen, demand: Option<f64>, now: i64) -> Option<(i64, i64)> {
    let capacity = seen.capacity.filter(|_| seen.predicted)?;
    let first = now.max(seen.forecast.as_ref()?.0 + p.step);
    let ahead = || (0..).map_while(|h| at(seen, p.step, first + h * p.step));
    ahead().nth(steps(p.lead, p.step)).filter(|q| demand.is_some() || q[7] <= 3.0 * q[4])?;
    let present = need(demand.unwrap_or(0.0));
    let needs = ahead().map(|q| sized(&q.map(|x| x / capacity), &p.objective, seen.level));
    Some(backward(p, needs.enumerate().map(|(h, n)| if h == 0 { n.max(present) } else { n })))
}

fn hold(p: &Policy) -> i64 {
    p.rules[0].window.max(600_000)
}

fn steps(span: i64, step: i64) -> usize {
    ((span + step - 1) / step) as usize
}

/// What to raise to now and what to keep of a path that the up-rates and the cooldown can follow. A raise is followed by
/// the next one after the cooldown, and by as much again after a period of the rate policies: until then it covers what
/// is needed.
fn backward(p: &Policy, needs: impl Iterator<Item = i64>) -> (i64, i64) {
    let Rules { most, rates, cooldown, .. } = &p.rules[1];
    let stride = select(!most, rates.iter().map(|rate| rate.2)).unwrap_or(0).max(p.step);
    let rates = || rates.iter().filter(|rate| rate.2 <= stride);
    let longest = rates().map(|rate| rate.2).max().unwrap_or(1);
    let rounds = (stride / longest.max(*cooldown)).clamp(1, 64);
    let more = |n: i64| select(*most, rates().map(|rate| moved(n, rate, true))).unwrap_or(n).min(1 << 40);
    let gap = steps(stride.max(*cooldown), p.step);
    let lead = steps(p.lead, p.step);
    let needs: Vec<i64> = needs.take(lead + steps(hold(p), p.step) + 1).collect();
    let mut path = needs.clone();
    for h in (0..path.len()).rev() {
        let own = needs[h..].iter().take(gap).copied().max().unwrap_or(0);
        let target = path.get(h + gap).copied().unwrap_or(0);
        path[h] = own.max(least(|n| (0..rounds).fold(n, |n, _| more(n)) >= target));
    }
    (path[lead], path.into_iter().max().unwrap_or(0))
}

fn moved(from: i64, &(percent, amount, _): &Rate, up: bool) -> i64 {
    let by = if up { amount } else { -amount };
    if percent { (from * (100 + by) + if up { 99 } else { 0 }) / 100 } else { from + by }
}

fn select(largest: bool, limits: impl Iterator<Item = i64>) -> Option<i64> {
    if largest { limits.max() } else { limits.min() }
}

/// Stage 6: what events need so that it stands `readyBefore` them and is reached in time.
fn event_floor(p: &Policy, s: &Situation) -> i64 {
    let far = s.now + (p.lead + hold(p)).max(3_600_000);
    let need = |at: i64| {
        let on = s.events.iter().filter(|([stands, _, end], ..)| *stands <= at.min(far) && at < *end);
        on.map(|event| event.1).max().unwrap_or(0)
    };
    let (raise, keep) = backward(p, (0..).map(|h| need(s.now + h * p.step)));
    s.asked.clamp(raise, keep)
}

/// Stage 9: growth that money does not pay for is withheld, beyond `maxPerHour` and beyond the budget's path; what
/// stands stays. Where money pays for nothing that is known, present demand is served.
fn spend(p: &Policy, s: &Situation, wanted: i64, owed: i64) -> i64 {
    let hourly = p.hourly.map_or(i64::MAX, |most| p.price.map_or(0, |price| most / price));
    let path = match &s.budget {
        None | Some(Some(Budget { holds: false, .. })) => i64::MAX,
        Some(Some(b)) if p.price.is_some() => (b.needed * b.theta / 1_000_000).max(b.overdraft.min(owed)),
        _ => owed,
    };
    wanted.min(hourly.max(owed).min(path).max(s.asked).max(p.min))
}
