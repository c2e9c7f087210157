//! Laws over the decisions that follow each other.

use super::*;

type Played = (Scene, Replicas, Memory, Tick);

/// The same scene, so much later.
pub(super) fn later(scene: &mut Scene, by: Span) {
    scene.now = scene.now.plus(by);
    for seen in &mut scene.metrics {
        if let Reading::Value { at, .. } = &mut seen.reading {
            *at = at.plus(by);
        }
        if let Some(outlook) = &mut seen.outlook {
            outlook.newest = outlook.newest.plus(by);
        }
    }
    for Window { start, end, .. } in &mut scene.events {
        (*start, *end) = (start.plus(by), end.plus(by));
    }
    let BreakGlass { no_scale_down, no_scale_up, boost, .. } = &mut scene.orders;
    let boost = boost.as_mut().map(|boost| &mut boost.until);
    for at in no_scale_down.iter_mut().chain(no_scale_up).chain(boost) {
        *at = at.plus(by);
    }
}

/// The same memory, so much later.
pub(super) fn remembered_later(memory: &mut Memory, by: Span) {
    for evidence in &mut memory.evidence {
        for at in
            [&mut evidence.suspect_since, &mut evidence.source_suspect_since, &mut evidence.absent_since]
        {
            *at = at.map(|at| at.plus(by));
        }
    }
    if let Some(intent) = &mut memory.intent {
        intent.at = intent.at.plus(by);
    }
    let Some(track) = &mut memory.track else { return };
    for (at, _) in track.down.iter_mut().chain(&mut track.up) {
        *at = at.plus(by);
    }
    for (at, _) in &mut track.events {
        *at = at.plus(by);
    }
    for at in &mut track.foreign {
        *at = at.plus(by);
    }
    let Track { last_up, last_down, last_outside, begun, sustain, human, .. } = track;
    for at in [last_up, last_down, last_outside, begun, &mut sustain.up, &mut sustain.down] {
        *at = at.map(|at| at.plus(by));
    }
    if let Some(human) = human {
        human.until = human.until.plus(by);
    }
}

/// What this file keeps of a sequence, apart from the engine's own memory.
struct Log {
    /// Own changes that landed.
    changes: Vec<(Timestamp, Replicas, Replicas)>,
    recommended: Vec<(Timestamp, Replicas)>,
    lowered_outside: bool,
    /// The first evidence after some time without.
    returned: Option<Timestamp>,
    blind: bool,
}

/// I19, I31, I32 and I36 over the ticks of a case, from a log of its own.
pub(super) fn sequence(judge: &mut Judge, case: &Case, played: &[Played]) {
    let mut log = Log {
        changes: case.past.changes.clone(),
        recommended: case.past.recommended.iter().map(|one| (one.0, one.1)).collect(),
        lowered_outside: false,
        returned: None,
        blind: false,
    };
    let mut before: Option<&Played> = None;
    for one @ (scene, asked, _, tick) in played {
        if before.is_some_and(|(earlier, ..)| scene.now < earlier.now) {
            return;
        }
        let left = before.map_or(case.asked, |(earlier, stood, _, tick)| match tick.decision.write {
            Some(to) if to == *asked => {
                log.changes.push((earlier.now, *stood, to));
                log.lowered_outside = false;
                to
            }
            _ => *stood,
        });
        log.lowered_outside |= *asked < left;
        let blind = tick.decision.judged.iter().any(|one| matches!(one.standing, Standing::Absent(_)));
        if log.blind && !blind {
            log.returned = Some(scene.now);
        }
        log.blind = blind;
        log.check(judge, &case.policy, (scene, *asked), &tick.decision);
        // A fall that is held is noted as it was read.
        let held = tick.decision.judged.iter().any(|one| one.standing == Standing::SuddenFall);
        if scene.metrics.iter().all(|seen| seen.outlook.is_none()) && !held {
            log.recommended.push((scene.now, after(&tick.decision, Stage::Combine)));
        }
        before = Some(one);
    }
}

impl Log {
    fn check(
        &self,
        judge: &mut Judge,
        policy: &Policy,
        (scene, asked): (&Scene, Replicas),
        decision: &Decision,
    ) {
        let (now, desired) = (scene.now, decision.desired);
        let last = self.changes.last().map(|change| change.0);
        let since = |at: Option<Timestamp>| at.map(|at| now.since(at));
        let uncapped = scene.events.iter().all(|one| one.effect.max_replicas.is_none());
        if desired > asked && desired > policy.bounds.min() {
            let limit = self.up_limit(policy, asked, now);
            judge.hold(31, desired <= limit, || format!("{asked} -> {desired}, {limit} allowed"));
            let waited = since(last).is_none_or(|waited| waited >= policy.cooldown.up);
            judge.hold(32, waited || self.lowered_outside, || format!("{asked} -> {desired} too early"));
        }
        if desired < asked && desired < policy.bounds.max() && uncapped {
            let waited = since(last).is_none_or(|waited| waited >= policy.cooldown.down);
            judge.hold(32, waited, || format!("{asked} -> {desired} too early"));
            let window = policy.behavior.down.window;
            if scene.metrics.iter().all(|seen| seen.outlook.is_none()) {
                let held =
                    self.recommended.iter().filter(|one| now.since(one.0) < window).map(|one| one.1).max();
                let held = held.unwrap_or_default().min(asked);
                judge.hold(36, desired >= held, || format!("{asked} -> {desired}, {held} in the window"));
            }
            if let Some(waited) = since(self.returned) {
                judge.hold(19, waited >= window, || format!("{asked} -> {desired} after {waited}"));
            }
        }
    }

    /// What the up-policies allow, from what stood at the start of their periods.
    fn up_limit(&self, policy: &Policy, asked: Replicas, now: Timestamp) -> Replicas {
        let rules = &policy.behavior.up;
        let reach = |one: &RatePolicy| {
            let recent = self.changes.iter().filter(|change| now.since(change.0) < one.period);
            let start = recent.fold(i64::from(asked.get()), |n, change| n - change.1.delta_to(change.2));
            let start = u64::try_from(start).unwrap_or(0);
            match one.amount {
                RateAmount::Pods(n) => start + u64::from(n),
                RateAmount::Percent(n) => start + (start * u64::from(n)).div_ceil(100),
            }
        };
        let reached = rules.policies.iter().map(reach);
        let limit = match rules.select {
            SelectPolicy::Max => reached.max(),
            SelectPolicy::Min => reached.min(),
            SelectPolicy::Disabled => None,
        };
        Replicas::new(u32::try_from(limit.unwrap_or(0)).unwrap()).max(asked)
    }
}

/// I38 and I39: on constant demand without a forecast what stands comes to rest, and passes by no later value.
pub(super) fn constant(judge: &mut Judge, case: &Case, draw: &mut Draw) {
    let mut policy = case.policy.clone();
    (policy.actuation, policy.mode) = (Actuation::Scale, Mode::Active);
    for rules in [&mut policy.behavior.up, &mut policy.behavior.down] {
        rules.window = rules.window.min(Span::from_seconds(120));
        if rules.select == SelectPolicy::Disabled {
            rules.select = SelectPolicy::Max;
        }
    }
    let Some(mut scene) = case.scenes.first().cloned() else { return };
    (scene.events, scene.orders, scene.rival) = (Vec::new(), BreakGlass::NONE, false);
    let load = case.asked.as_f64() * draw.uniform(0.1, 2.0);
    for seen in &mut scene.metrics {
        *seen = Seen {
            reading: Reading::Absent(Absence::Empty),
            capacity: CapacityPerReplica::new(10.0),
            outlook: None,
            trusted: false,
            level: None,
            p05_earlier: None,
            same_hours_maximum: None,
            source_suspect: false,
        };
    }
    let (mut memory, mut asked) = (Memory::default(), policy.bounds.clamp(case.asked));
    let (mut path, mut last_change) = (vec![asked], Span::ZERO);
    let tick = Span::from_minutes(1);
    let mut elapsed = Span::ZERO;
    // Every wait of the policy fits in so long: then nothing may move any more.
    let longest = Span::from_minutes(120);
    while elapsed <= last_change.plus(longest) && elapsed <= Span::from_hours(60) {
        scene.now = MIDNIGHT.plus(elapsed);
        for seen in &mut scene.metrics {
            seen.reading = Reading::Value { value: load * 10.0, at: scene.now, partial: false };
        }
        let next = judge.tick(&scene, &policy, asked, &memory);
        memory = next.memory;
        if let Some(to) = next.decision.write {
            (asked, last_change) = (to, elapsed);
            path.push(to);
        }
        elapsed = elapsed.plus(tick);
    }
    judge.hold(38, elapsed <= Span::from_hours(60), || format!("still moving: {path:?}"));
    let first = path.first().copied().unwrap_or_default();
    let (low, high) = (first.min(asked), first.max(asked));
    let fixed =
        policy.bounds.clamp(crate::units::replicas_ceil(load / policy.reactive.average_utilization.get()));
    let beyond = if asked > first { asked > fixed } else { asked < fixed && asked != first };
    judge.hold(39, path.iter().all(|n| *n >= low && *n <= high), || format!("{path:?}"));
    judge.hold(39, !beyond, || format!("{path:?} passes {fixed}"));
}

/// I37: reversals within an hour on noise within tolerance, without a window.
pub(super) fn reversals() -> usize {
    let mut policy = crate::decide::tests::policy();
    policy.behavior.down.window = Span::ZERO;
    let mut draw = Draw::new(3);
    let demand: Vec<f64> = (0..240).map(|_| 700.0 * draw.uniform(0.91, 1.09)).collect();
    let (path, _) = crate::engine::tests::run(&policy, 10, 240, |i| demand[usize::try_from(i).unwrap()]);
    let moves = path.windows(2).filter(|pair| pair[0] != pair[1]);
    let directions: Vec<bool> = moves.map(|pair| pair[0] < pair[1]).collect();
    directions.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
