//! `foresail dev`: the files in `models/` can be made again.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at the first surprise")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::scratch;

fn dev(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_foresail")).current_dir(dir).arg("dev").args(arguments).output().unwrap()
}

#[test]
fn the_shipped_model_is_what_its_recipe_gives() {
    let dir = scratch("dev-train");
    let made = dev(&dir, &["synthesise", "series"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let trained = dev(&dir, &["train", "series", "--out", "global.json"]);
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/global.json");
    assert!(
        fs::read(dir.join("global.json")).unwrap() == fs::read(shipped).unwrap(),
        "the model is not that of models/: train it again and measure it as its card says"
    );
}

#[test]
fn a_directory_without_series_is_refused_with_a_remedy() {
    let dir = scratch("dev-empty");
    let trained = dev(&dir, &["train", "."]);
    assert!(!trained.status.success());
    let said = String::from_utf8_lossy(&trained.stderr);
    assert!(said.contains("no CSV file") && said.contains("foresail dev synthesise"), "{said}");
    assert!(!dir.join("models").exists());
}

#[test]
fn a_damaged_model_is_refused_with_a_remedy() {
    let dir = scratch("dev-damaged");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/global.json");
    let text = fs::read_to_string(shipped).unwrap().replacen("0.8", "0.9", 1);
    fs::write(dir.join("model.json"), text).unwrap();
    let answered = Command::new(env!("CARGO_BIN_EXE_foresail"))
        .current_dir(&dir)
        .args(["forecast", "--requests", "/dev/null", "--model", "model.json"])
        .output()
        .unwrap();
    assert!(!answered.status.success());
    let said = String::from_utf8_lossy(&answered.stderr);
    assert!(said.contains("model.json") && said.contains("checksum"), "{said}");
}

#[test]
fn a_part_of_the_forecast_can_be_left_out() {
    let dir = scratch("dev-ablate");
    let values: Vec<String> = (0..200).map(|hour| (100 + 7 * (hour % 24) + hour % 5).to_string()).collect();
    let request = format!(
        r#"{{"id":1,"step_seconds":3600,"start":"2026-01-01T00:00:00Z","values":[{}],"horizon":12,"quantiles":[0.5,0.9]}}"#,
        values.join(",")
    );
    fs::write(dir.join("requests.jsonl"), request).unwrap();
    let answered = |part: &str| {
        let made = dev(&dir, &["ablate", "--without", part, "--requests", "requests.jsonl"]);
        assert!(made.status.success(), "{part}: {}", String::from_utf8_lossy(&made.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
        answer["quantiles"].to_string()
    };
    let whole = answered("nothing");
    for part in ["seasonal-naive", "ridge", "global-model", "combination"] {
        assert_ne!(answered(part), whole, "{part}");
    }
    let refused = dev(&dir, &["ablate", "--without", "luck"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("`luck` is no part: use one of nothing"), "{said}");
}
