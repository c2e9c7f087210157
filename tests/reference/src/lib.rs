//! A decision a second time, from the definitions alone: plain numbers, one step a stage, the slow way where the slow
//! way is the definition. It knows nothing of the crate that it is compared with. Times are in milliseconds. What there
//! is for decreases and for increases is a pair, the one for increases second.

/// The levels of the quantiles.
const LEVELS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/// The share that may go unserved, the quantile that is covered, or what an idle and a missing replica cost.
pub enum Objective {
    Unserved(f64),
    Quantile(f64),
    Costs(i64, i64),
}

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
    pub tolerance: [f64; 2],
    pub window: [i64; 2],
    /// Whether the rate that moves most counts, or the one that moves least.
    pub most: [bool; 2],
    /// Whether per cent; at most so many of them, or pods; within what time. There is none where nothing may move.
    pub rates: [Vec<(bool, i64, i64)>; 2],
    pub cooldown: [i64; 2],
    pub sustain: [i64; 2],
    pub min_step: i64,
    /// Price, if it is known, and `maxPerHour`, in the same small coin.
    pub price: Option<i64>,
    pub hourly: Option<i64>,
    pub suspect_for: i64,
    pub absent_for: i64,
    pub fallback: Option<i64>,
}

/// One metric, with what its rule says of it.
pub struct Seen {
    pub max_age: i64,
    pub predicted: bool,
    /// Value, when, whether partial.
    pub reading: Option<(f64, i64, bool)>,
    pub capacity: Option<f64>,
    /// If it is trusted: the newest sample, and the quantiles of each step, the first one step after it.
    pub forecast: Option<(i64, Vec<[f64; 11]>)>,
    /// The quantile that a rehearsal found.
    pub level: Option<f64>,
    pub p05_earlier: Option<f64>,
    pub same_hours: Option<f64>,
    pub source_suspect: bool,
}

/// It pays for millionths of what is needed, and for present demand up to an overdraft; whether it withholds.
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
    /// From when it stands, start, end; its `minReplicas`, or nothing; its `maxReplicas`, or as many as can be.
    pub events: Vec<([i64; 3], i64, i64)>,
    /// Until when an order forbids decreases, and increases.
    pub forbidden: [i64; 2],
    /// How many it orders at least, and until when.
    pub boost: (i64, i64),
    pub standing: i64,
    pub rival: bool,
    /// The budget that is named, and what it pays for if it takes the autoscaler.
    pub budget: Option<Option<Budget>>,
}

/// What is remembered; a pair is of when and how many.
#[derive(Default)]
pub struct Memory {
    pub metrics: Vec<Known>,
    pub recommended: [Vec<(i64, i64)>; 2],
    /// Own changes of the last half hour.
    pub changes: Vec<(i64, i64)>,
    /// From when the cooldown counts.
    pub cooling: [Option<i64>; 2],
    pub left: i64,
    /// What somebody else raised to, and when somebody else wrote.
    pub human: Option<(i64, i64)>,
    pub foreign: Vec<i64>,
    /// Since when a change is wanted.
    pub since: [Option<i64>; 2],
    pub intent: Option<(i64, i64)>,
}

/// Of a metric: the last value; since when a fall is held, its source suspect, its evidence absent.
pub type Known = (Option<f64>, [Option<i64>; 3]);

#[derive(Debug, PartialEq)]
pub struct Decision {
    /// The proposal after combine, floors, guards, threshold, stabilise, rate, cooldown, spend, bounds.
    pub after: [i64; 9],
    pub reactive: i64,
    pub predicted: Option<(i64, i64)>,
    pub write: Option<i64>,
}

pub fn begin(now: i64, asked: i64, metrics: usize) -> Memory {
    let (metrics, recommended) = (vec![Known::default(); metrics], [vec![(now, asked)], vec![]]);
    Memory { metrics, recommended, cooling: [Some(now), None], left: asked, ..Memory::default() }
}

pub fn tick(p: &Policy, s: &Situation, m: &mut Memory) -> Decision {
    // A clock may be set back: nothing lies ahead.
    let since = m.metrics.iter_mut().flat_map(|known| &mut known.1).chain(&mut m.cooling).chain(&mut m.since);
    let lists = m.recommended.iter_mut().flatten().chain(&mut m.changes);
    let counts = lists.chain(&mut m.human).chain(&mut m.intent).map(|one| &mut one.0);
    since.flatten().chain(counts).chain(&mut m.foreign).for_each(|at| *at = s.now.min(*at));

    m.foreign.retain(|at| s.now - at < 600_000);
    let by = s.asked - std::mem::replace(&mut m.left, s.asked);
    if let Some((at, _)) = m.intent.take().filter(|intent| intent.1 == s.asked) {
        m.changes.push((at, by));
        m.cooling = [Some(at); 2];
    } else if by != 0 {
        m.foreign.push(s.now);
        m.human = if by > 0 { Some((s.now, s.asked)) } else { m.human };
        m.cooling = [Some(s.now), m.cooling[1].filter(|_| by > 0)];
    }
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

    let each: Vec<_> = s.metrics.iter().zip(&mut m.metrics).map(|(seen, m)| judge(p, seen, now, m)).collect();
    let views = [0, 1].map(|i| each.iter().map(|one| one.0[i]).collect::<Vec<View>>());
    let [(recommendation, predicted, other), (_, read, read_other)] =
        views.each_ref().map(|views| answers(p, s, max, views));
    let [raise, keep, present] = predicted.unwrap_or_default();
    let wants = asked.clamp(raise, keep);
    let combined = wants.max(other);

    let boost = if now < s.boost.1 { s.boost.0 } else { 0 };
    let human = m.human.map_or(0, |human| human.1);
    let absent = each.iter().map(|one| one.1).max().unwrap_or(0);
    let floors = absent.max(event_floor(p, s)).max(human).max(boost).max(p.min).min(cap);
    let floored = combined.max(floors).min(cap);
    let [no_down, no_up] = s.forbidden.map(|until| now < until);
    let (kept, frozen) = if no_down { (asked, s.standing) } else { (0, 0) };
    let guarded = floored.max(kept).max(frozen).min(if no_up { asked } else { i64::MAX });

    // What is wanted for certain waits for nothing, and what was ordered is never too small a step.
    let firm = wants.max(present).max(floors).max(frozen).max(asked);
    for (since, wanted) in m.since.iter_mut().zip([guarded < asked, guarded > firm]) {
        *since = since.or(Some(now)).filter(|_| wanted);
    }
    let waits = |up: usize| m.since[up].is_some_and(|since| now - since < p.sustain[up]);
    let small = (guarded - asked).abs() < p.min_step && guarded.min(boost) <= asked;
    let lasting = if waits(1) { firm } else { guarded };
    let firmed = if small || waits(0) { asked } else { lasting };

    // A fall that is held is noted as it was read. The last one is remembered in any case.
    let kept = if p.window[0] > 0 && each.iter().any(|one| one.2) { asked } else { 0 };
    let unheld = read.unwrap_or_default()[0].max(read_other).max(floors).max(kept);
    for (up, n) in [Some(unheld), recommendation].into_iter().enumerate() {
        let list = &mut m.recommended[up];
        list.extend(n.map(|n| (now, n)));
        let last = list.last().copied();
        list.retain(|one| now - one.0 < p.window[up] || Some(*one) == last);
    }
    let [down, up] = m.recommended.each_ref().map(|list| list.iter().map(|one| one.1));
    let lowest = recommendation.and(up.min()).unwrap_or(asked);
    let stable = firmed.clamp(down.max().unwrap_or(0).min(asked), lowest.max(firm));

    let (raises, up) = (stable > asked, usize::from(stable > asked));
    let reached = p.rates[up].iter().map(|rate| {
        let within = m.changes.iter().filter(|change| change.0 > now - rate.2);
        moved((asked - within.map(|change| change.1).sum::<i64>()).max(0), rate, raises)
    });
    let reached = select(p.most[up] == raises, reached).unwrap_or(asked);
    let limited = stable.clamp(reached.min(asked), reached.max(asked));
    let hot = m.cooling[up].is_some_and(|at| now - at < p.cooldown[up]);
    let cooled = if hot { asked } else { limited };

    let owed = views[0].iter().filter_map(|view| view.0.map(need)).max().unwrap_or(0);
    let affordable = spend(p, s, cooled, owed);
    let desired = affordable.clamp(p.min, max);
    let write = (asked > 0 && !s.rival && m.foreign.len() < 2 && desired != asked).then_some(desired);
    m.intent = write.map(|to| (now, to));
    let after = [combined, floored, guarded, firmed, stable, limited, cooled, affordable, desired];
    let predicted = predicted.map(|[raise, keep, _]| (raise, keep));
    Decision { after, reactive: recommendation.unwrap_or(asked), predicted, write }
}

/// Demand in replicas, if there is evidence, and whether it may lower.
type View = (Option<f64>, bool);

/// Stage 1: a metric as it counts and as it was read; what stands in for it; whether it has returned.
fn judge(p: &Policy, seen: &Seen, now: i64, (last, since): &mut Known) -> ([View; 2], i64, bool) {
    let [fell, suspect, absent] = since;
    let times = now - seen.max_age..=now + 30_000;
    let fresh = |(x, at, _): &(f64, i64, bool)| (0.0..f64::INFINITY).contains(x) && times.contains(at);
    let read = seen.reading.filter(fresh).zip(seen.capacity);
    *suspect = suspect.or(Some(now).filter(|_| read.is_some() && seen.source_suspect));
    let low = at(seen, p.step, now).map_or(f64::INFINITY, |q| q[0]);
    let believed = read.filter(|read| suspect.is_none_or(|since| low <= read.0.0 || now - since >= 600_000));
    *suspect = suspect.filter(|_| believed.is_none() || seen.source_suspect);
    let Some(((x, _, partial), capacity)) = believed else {
        let lasts = now - *absent.get_or_insert(now) >= p.absent_for;
        return ([(None, false); 2], if lasts { fallback(p, seen, now) } else { 0 }, false);
    };
    let before = last.filter(|before| x < 0.1 * before);
    let held = before.filter(|_| now - *fell.get_or_insert(now) < p.suspect_for);
    (*fell, *last) = (fell.filter(|_| held.is_some()), held.or(Some(x)));
    let read = (Some(x / capacity), !partial);
    let counts = held.map_or(read, |x| (Some(x / capacity), false));
    ([counts, read], 0, absent.take().is_some())
}

/// What is forecast for a time.
fn at(seen: &Seen, step: i64, at: i64) -> Option<&[f64; 11]> {
    let (newest, steps) = seen.forecast.as_ref()?;
    steps.get(usize::try_from((at - newest).div_euclid(step) - 1).ok()?)
}

/// Stage 6: what stands in for evidence that stays absent.
fn fallback(p: &Policy, seen: &Seen, now: i64) -> i64 {
    let ahead = (0..=(p.lead + hold(p)) / p.step).map_while(|h| at(seen, p.step, now + h * p.step));
    let usual = ahead.map(|q| q[7]).reduce(f64::max).or(seen.same_hours).zip(seen.capacity);
    p.fallback.unwrap_or(usual.map_or(0, |(x, capacity)| need(x / capacity)))
}

/// Stages 2 to 5 over all metrics: an HPA's recommendation; what is predicted; how many beside that are combined.
fn answers(p: &Policy, s: &Situation, max: i64, views: &[View]) -> (Option<i64>, Option<[i64; 3]>, i64) {
    let (mut predicted, mut p05, mut others) = (None, 0, vec![]);
    for (seen, view) in s.metrics.iter().zip(views) {
        if let Some(one) = predict(p, seen, view.0, s.now) {
            let most = predicted.unwrap_or(one);
            predicted = Some([0, 1, 2].map(|i| one[i].max(most[i])));
            p05 = p05.max(seen.p05_earlier.zip(seen.capacity).map_or(0, |(x, capacity)| need(x / capacity)));
        } else {
            others.push(*view);
        }
    }
    let recommendation = reactive(p, views, s.asked);
    let answer = recommendation.unwrap_or(s.asked);
    let other = if others.is_empty() { 0 } else { reactive(p, &others, s.asked).unwrap_or(s.asked) };
    let drifted = if p.drifted { answer } else { 0 };
    let least = match predicted {
        None if p.beside_hpa => p.min,
        Some(_) if p.beside_hpa => 0,
        Some([.., present]) if !p.never_below_reactive => present.max(other).max(drifted),
        _ => answer,
    };
    let kept = if views.iter().all(|view| view.1) { 0 } else { s.asked.min(max) };
    (recommendation, predicted, least.max(kept).max(p05.min(s.asked)))
}

/// Stage 2: an HPA's recommendation, if it makes one.
fn reactive(p: &Policy, views: &[View], asked: i64) -> Option<i64> {
    let answer = |x: f64| {
        let off = x / p.average / asked as f64 - 1.0;
        if off.abs() <= p.tolerance[usize::from(off > 0.0)] + 1e-9 { asked } else { need(x / p.average) }
    };
    let largest = views.iter().filter_map(|view| view.0.map(answer)).max()?;
    (largest >= asked || views.iter().all(|view| view.1)).then_some(largest)
}

/// Stage 4: what to raise to now, what to keep, and what present demand needs.
fn predict(p: &Policy, seen: &Seen, demand: Option<f64>, now: i64) -> Option<[i64; 3]> {
    let capacity = seen.capacity.filter(|_| seen.predicted)?;
    let first = now.max(seen.forecast.as_ref()?.0 + p.step);
    let ahead = || (0..).map_while(|h| at(seen, p.step, first + h * p.step));
    ahead().nth(steps(p, p.lead)).filter(|q| demand.is_some() || q[7] <= 3.0 * q[4])?;
    let demand = demand.unwrap_or(0.0);
    let needs = ahead().map(|q| sized(&q.map(|x| x / capacity), &p.objective, seen.level));
    let needs = needs.enumerate().map(|(h, n)| if h == 0 { n.max(need(demand)) } else { n });
    let [raise, keep] = backward(p, needs);
    Some([raise, keep, need(demand / p.floor)])
}

fn hold(p: &Policy) -> i64 {
    p.window[0].max(600_000)
}

fn steps(p: &Policy, span: i64) -> usize {
    ((span + p.step - 1) / p.step) as usize
}

/// What to raise to now and what to keep, on a path that the up-rates and the cooldown can follow: the next raise comes
/// after the cooldown, and as much again after a period of the rates; until then a raise covers what is needed.
fn backward(p: &Policy, needs: impl Iterator<Item = i64>) -> [i64; 2] {
    let stride = select(!p.most[1], p.rates[1].iter().map(|rate| rate.2)).unwrap_or(0).max(p.step);
    let rates = || p.rates[1].iter().filter(|rate| rate.2 <= stride);
    let rounds = (stride / rates().map(|rate| rate.2).fold(p.cooldown[1].max(1), i64::max)).clamp(1, 64);
    let more = |n: i64| select(p.most[1], rates().map(|rate| moved(n, rate, true))).unwrap_or(n).min(1 << 40);
    let (lead, gap) = (steps(p, p.lead), steps(p, stride.max(p.cooldown[1])));
    let needs: Vec<i64> = needs.take(lead + steps(p, hold(p)) + 1).collect();
    let mut path = needs.clone();
    for h in (0..path.len()).rev() {
        let own = needs[h..].iter().take(gap).copied().max().unwrap_or(0);
        let target = path.get(h + gap).copied().unwrap_or(0);
        let reaches = |n: &i64| (0..rounds).fold(*n, |n, _| more(n)) >= target;
        path[h] = (own..=target).find(reaches).unwrap_or(own);
    }
    [path[lead], path.into_iter().max().unwrap_or(0)]
}

fn moved(from: i64, &(percent, amount, _): &(bool, i64, i64), up: bool) -> i64 {
    let by = if percent { (from * amount + 99) / 100 } else { amount };
    if up { from + by } else { from - by }
}

fn select(largest: bool, limits: impl Iterator<Item = i64>) -> Option<i64> {
    if largest { limits.max() } else { limits.min() }
}

/// Stage 6: what events need so that it stands `readyBefore` them and is reached in time.
fn event_floor(p: &Policy, s: &Situation) -> i64 {
    let far = s.now + (p.lead + hold(p)).max(3_600_000);
    let on = |at: i64| s.events.iter().filter(move |([from, _, end], ..)| *from <= at.min(far) && at < *end);
    let needs = (0..).map(|h| on(s.now + h * p.step).map(|event| event.1).max().unwrap_or(0));
    let [raise, keep] = backward(p, needs);
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

/// `ceil(x * (1 - 1e-9))`, saturating.
fn need(replicas: f64) -> i64 {
    i64::from((replicas * (1.0 - 1e-9)).ceil() as u32)
}

/// What a step needs: the share unserved, or a rehearsed quantile that leaves half of it at least, and twice it at most
/// or is exceeded so rarely that a tenth above it each time comes to the share.
fn sized(q: &[f64; 11], objective: &Objective, level: Option<f64>) -> i64 {
    let at = |level: f64| need(quantile(q, level));
    let unserved = match *objective {
        Objective::Unserved(share) => share,
        Objective::Quantile(level) => return at(level),
        Objective::Costs(idle, missing) => return at(missing as f64 / (idle + missing) as f64),
    };
    // The least n with E[(x - n)+] <= unserved E[x], bit by bit.
    let serving = |times: f64| {
        let allowed = unserved * times * excess(q, 0.0);
        let enough = |n: i64| excess(q, n as f64 * (1.0 + 1e-9)) <= allowed;
        let bits = (0..32).find(|bit| enough((1 << bit) - 1)).unwrap_or(32);
        (0..bits).rev().fold(0, |n, bit| if enough(n + (1 << bit) - 1) { n } else { n + (1 << bit) })
    };
    let Some(level) = level else { return serving(1.0) };
    at(level).min(serving(0.5)).max(serving(2.0).min(at(1.0 - 10.0 * unserved)))
}

fn quantile(q: &[f64; 11], level: f64) -> f64 {
    match LEVELS.partition_point(|&l| l < level) {
        0 => q[0],
        11 => q[10] + (q[10] - q[8]) / 10_f64.ln() * (0.001 / (1.0 - level)).ln(),
        i => q[i - 1] + (q[i] - q[i - 1]) * (level - LEVELS[i - 1]) / (LEVELS[i] - LEVELS[i - 1]),
    }
}

/// E[(x - a)+]: linear between the levels, flat below the first, exponential above the last.
fn excess(q: &[f64; 11], a: f64) -> f64 {
    let beta = (q[10] - q[8]) / 10_f64.ln();
    let beyond = (a - q[10]).max(0.0) / beta.max(f64::MIN_POSITIVE);
    let tail = (q[10] - a).max(0.0) + beta * (-beyond).exp();
    let between = (0..10).map(|i| {
        let [low, high] = [q[i], q[i + 1]].map(|x| (x - a).max(0.0));
        let part = if q[i + 1] > q[i] { (high - low) / (q[i + 1] - q[i]) } else { 1.0 };
        (LEVELS[i + 1] - LEVELS[i]) * part * (low + high) / 2.0
    });
    0.01 * (q[0] - a).max(0.0) + between.sum::<f64>() + 0.001 * tail
}
