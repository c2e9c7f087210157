//! What is drawn and said of a forecast that was made up, so that nothing here changes with the forecaster.

use super::*;
use crate::forecast::{ExpertShare, Ladder};
use crate::units::{CapacityPerReplica, Objective, ReplicaBounds, Replicas, Share, Step};

/// 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

fn question() -> TrustQuestion {
    TrustQuestion {
        capacity: CapacityPerReplica::new(10.0).unwrap(),
        bounds: ReplicaBounds::new(Replicas::ONE, Replicas::new(1000)).unwrap(),
        objective: Objective::Unserved(Share::new(0.001).unwrap()),
        lead: Span::from_minutes(2),
        utilization: Share::from_percent(70),
        floor: Share::from_percent(95),
        window: Span::from_minutes(5),
        hold: Span::from_minutes(10),
    }
}

fn summary(rung: Ladder) -> Summary {
    let expert = |(name, weight)| ExpertShare { name, weight };
    Summary {
        experts: [("ridge", 0.62), ("day-profile", 0.371), ("last-value", 0.006), ("ridge-log", 0.003)]
            .map(expert)
            .into(),
        coverage_90: Share::new(0.912).unwrap(),
        coverage_99: Share::new(0.9876).unwrap(),
        samples: 288,
        rung,
        ready_from: (rung < Ladder::Weekly).then(|| START.plus(Span::from_hours(14 * 24))),
    }
}

/// Quantiles at the forecast's eleven levels, around `median`.
fn around(median: f64) -> Quantiles {
    let factors = [0.7, 0.8, 0.85, 0.93, 1.0, 1.07, 1.15, 1.2, 1.4, 1.45, 1.6];
    Quantiles::new(factors.map(|factor| factor * median)).unwrap()
}

/// A history of five-minute steps and a forecast after it, which `check` looks at.
fn outlook(name: &str, history: &[Option<f64>], medians: &[f64], check: impl FnOnce(&Outlook<'_>)) {
    let step = Step::new(300).unwrap();
    let grid = Grid { start: START, step, n_steps: history.len() };
    let forecast = QuantileForecast {
        newest: grid.time(history.len() - 1),
        step,
        steps: medians.iter().map(|median| around(*median)).collect(),
    };
    check(&Outlook {
        name,
        begins: START,
        grid: &grid,
        history,
        forecast: &forecast,
        summary: &summary(Ladder::Daily),
        trust: Trust { skill: 0.123, certainty: 12.0, level: None, decisions: 860 },
        question: &question(),
        distant: false,
    });
}

/// Three days of waves with an hour of gaps in the last one.
fn waves() -> Vec<Option<f64>> {
    let wave = |i: u32| 300.0 - 200.0 * (f64::from(i) / 288.0 * std::f64::consts::TAU).cos();
    (0..3 * 288).map(|i| (!(800..812).contains(&i)).then(|| wave(i))).collect()
}

#[test]
fn a_drawing_shows_the_newest_history_a_gap_and_the_band_ahead() {
    let medians: Vec<f64> = (0..48_u32).map(|i| 100.0 + 5.0 * f64::from(i)).collect();
    outlook("waves.csv", &waves(), &medians, |outlook| {
        let drawn = plot(outlook, 80);
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        insta::assert_snapshot!(drawn);
    });
}

#[test]
fn a_drawing_fits_any_width_and_any_history() {
    for (history, medians) in [
        (vec![Some(5.0)], vec![5.0]),
        (vec![Some(0.0); 300], vec![0.0; 12]),
        (vec![Some(1e12); 3], vec![1e12; 2000]),
        (vec![Some(7.0), None, None, Some(7.5)], vec![7.0; 3]),
    ] {
        outlook("any.csv", &history, &medians, |outlook| {
            for width in [40, 79, 200] {
                let drawn = plot(outlook, width);
                let body: Vec<&str> = drawn.lines().skip(1).collect();
                assert_eq!(body.len(), 16, "{drawn}");
                assert!(body.iter().all(|line| line.chars().count() <= width), "{width}:\n{drawn}");
                assert_eq!(drawn.matches('┼').count(), 1, "{drawn}");
                assert!(body.iter().any(|line| line.contains('━')), "{drawn}");
            }
        });
    }
}

#[test]
fn sentences_say_where_the_forecast_comes_from_and_what_it_is_worth() {
    outlook("waves.csv", &waves(), &[100.0, 110.0], |outlook| {
        let said: Vec<String> = sentences(outlook).iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(said.join("\n"));
        let of = |outlook: &Outlook<'_>, about: &str| {
            sentences(outlook).into_iter().find(|sentence| sentence.about == about).unwrap().text
        };
        let trust = |skill, certainty, decisions| {
            of(&Outlook { trust: Trust { skill, certainty, level: None, decisions }, ..*outlook }, "Trust")
        };
        assert!(trust(0.0, 0.0, 0).starts_with("not measured"));
        assert!(trust(-0.5, 7.0, 90).contains("not trusted") && trust(-0.5, 7.0, 90).contains("50.0 % more"));
        assert!(
            trust(-0.03, -0.4, 90).contains("by more than chance: by -0.4 standard errors, and 2 earn trust")
        );
        assert!(trust(0.01, 4.0, 90).contains("1.00 % less"));
        let [cold, weekly] = [Ladder::ColdStart, Ladder::Weekly].map(summary);
        let ladder = |summary| of(&Outlook { summary, ..*outlook }, "Ladder");
        assert!(
            ladder(&cold).starts_with("cold-start") && ladder(&cold).contains("from 2026-01-15T00:00:00Z on")
        );
        assert!(ladder(&weekly).starts_with("weekly since 2026-01-15T00:00:00Z"));
        let unseen =
            Summary { coverage_90: Share::from_percent(90), coverage_99: Share::from_percent(99), ..weekly };
        let coverage = of(&Outlook { summary: &unseen, ..*outlook }, "Coverage");
        assert!(coverage.starts_with("no forecast could be compared"), "{coverage}");
    });
}

#[test]
fn a_table_has_a_row_for_each_step_and_a_column_for_each_level() {
    outlook("waves.csv", &[Some(100.0)], &[1000.0, 0.5], |outlook| {
        let expected = "\
            step                        p05        p50      p99.5\n\
            2026-01-01T00:05:00Z      800.0       1000       1450\n\
            2026-01-01T00:10:00Z      0.400      0.500      0.725\n";
        assert_eq!(table(outlook, &[0.05, 0.5, 0.995]), expected);
    });
}

#[test]
fn a_page_escapes_the_name_and_asks_nobody() {
    let medians = vec![100.0; 300];
    outlook("<script>alert(1)</script>", &waves(), &medians, |outlook| {
        let page = page(outlook, &[0.5, 0.99]);
        assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
        for loading in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(loading), "`{loading}` in the page");
        }
        assert_eq!(page.matches("<svg").count(), 2, "what is ahead, and where it comes from");
        assert!(!page.contains("NaN") && !page.contains(">inf"));
        assert!(page.contains("One step of 3 is shown.") && page.contains("day-profile"));
        assert_eq!(page.matches("<tr>").count(), 1 + 4 + 1 + 100);
    });
}
