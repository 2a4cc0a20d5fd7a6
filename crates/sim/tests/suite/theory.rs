//! Routing is held to queueing theory: the formulas to their reference, and the ACD of the real city to the formulas.
//!
//! A few rows with few calls, so that the test command stays short; `cargo xtask theory` runs every row with ten times as many and more.

use serde_json::Value;
use sim::erlang::{Team, blocking, waiting};
use sim::queue::rows::{self, Bond, CALLS_LEAST, House, Row};
use sim::queue::{Plan, Redial, Spread};
use std::collections::BTreeSet;
use std::time::Duration;

const REFERENCE: &str = include_str!("../../../../tests/data/erlang/reference.json");
const SKILLS: &str = include_str!("../../../../tests/data/erlang/skills.json");

fn table(text: &str, name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(text).expect("the reference is JSON");
    all[name].as_array().expect("a table of rows").clone()
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"))
}

fn figures(row: &Value, name: &str) -> Vec<f64> {
    row[name].as_array().expect("figures").iter().map(|figure| figure.as_f64().expect("a figure")).collect()
}

/// To six significant figures, and beyond: the reference has fifteen.
fn agree(row: &Value, name: &str, got: f64) {
    let want = number(row, name);
    assert!((got - want).abs() <= want.abs() * 1e-8, "{} {name}: {got} is not {want}", row["id"]);
}

fn team(row: &Value) -> Team {
    Team {
        calls_per_hour: number(row, "lam_h"),
        handling_secs: number(row, "aht"),
        patience_secs: row["patience"].as_f64().unwrap_or(f64::INFINITY),
        agents: number(row, "c") as u32,
    }
}

#[test]
fn erlang_b_is_that_of_the_reference() {
    for row in table(REFERENCE, "erlang_b") {
        agree(&row, "b", blocking(number(&row, "a"), number(&row, "c") as u32));
    }
}

#[test]
fn erlang_c_is_that_of_the_reference() {
    for row in table(REFERENCE, "erlang_c") {
        let team = team(&row);
        let steady = team.steady().expect("a steady state");
        agree(&row, "a", team.load());
        agree(&row, "pwait", waiting(team.load(), team.agents));
        agree(&row, "pwait", steady.waits);
        agree(&row, "EW", steady.mean_wait_secs);
        agree(&row, "EW_given", steady.mean_wait_secs / steady.waits);
        agree(&row, "Lq", steady.mean_waiting);
        for (name, secs) in [("SL10", 10.0), ("SL20", 20.0), ("SL60", 60.0)] {
            agree(&row, name, steady.answered_within(secs));
        }
    }
}

#[test]
fn erlang_a_is_that_of_the_reference() {
    for row in table(REFERENCE, "erlang_a") {
        let steady = team(&row).steady().expect("a steady state");
        let within = number(&row, "T");
        let levels = steady.levels(within);
        agree(&row, "pwait", steady.waits);
        agree(&row, "pab", steady.abandoned);
        agree(&row, "EW", steady.mean_wait_secs);
        agree(&row, "Lq", steady.mean_waiting);
        agree(&row, "occ", steady.occupancy);
        agree(&row, "ans_le", steady.answered_within(within));
        agree(&row, "ab_le", steady.abandoned_within(within));
        agree(&row, "SL_offered", levels.of_all);
        agree(&row, "SL_answered", levels.of_answered);
        agree(&row, "SL_excl_short", levels.without_short);
        agree(&row, "SL_incl_ab", levels.with_abandoned);
    }
}

#[test]
fn the_finite_door_is_that_of_the_reference() {
    for row in table(REFERENCE, "mmck") {
        let behind = team(&row).behind(number(&row, "K") as u32).expect("a door");
        agree(&row, "block", behind.blocked);
        agree(&row, "EW_acc", behind.mean_wait_secs);
        agree(&row, "Lq", behind.mean_waiting);
        for (name, got) in [("pwait_acc", behind.waits), ("pab_acc", behind.abandoned), ("occ", behind.occupancy)] {
            if row.get(name).is_some() {
                agree(&row, name, got);
            }
        }
    }
}

#[test]
fn the_table_of_rows_is_that_of_the_reference() {
    let rows = rows::all();
    let of = |id: &Value| rows.iter().find(|row| *id == row.id).unwrap_or_else(|| panic!("no row {id}"));
    let mut seen = BTreeSet::new();
    for row in table(REFERENCE, "erlang_c").iter().chain(&table(REFERENCE, "erlang_a")) {
        let House::Team(ours) = of(&row["id"]).house else { panic!("{} is a team", row["id"]) };
        assert_eq!(ours, team(row), "{}", row["id"]);
        seen.insert(of(&row["id"]).id);
    }
    for row in table(REFERENCE, "mmck") {
        let House::Behind(ours, places) = of(&row["id"]).house else { panic!("{} is a door", row["id"]) };
        assert_eq!((ours, f64::from(places)), (team(&row), number(&row, "K")), "{}", row["id"]);
        seen.insert(of(&row["id"]).id);
    }
    for row in table(SKILLS, "rows") {
        let House::Skills(ours) = of(&row["id"]).house else { panic!("{} is of skills", row["id"]) };
        for (name, figures_of_ours) in [
            ("loads", ours.loads),
            ("patience_secs", ours.patience_secs),
            ("wait_secs", ours.wait_secs),
            ("waits", ours.waits),
            ("occupancy", ours.occupancy),
            ("abandoned", ours.abandoned),
        ] {
            assert_eq!(figures_of_ours, figures(&row, name), "{} {name}", row["id"]);
        }
        assert_eq!(f64::from(ours.reserve), number(&row, "reserve"), "{}", row["id"]);
        let crews = row["crews"].as_array().expect("crews");
        assert_eq!(ours.crews.len(), crews.len(), "{}", row["id"]);
        for (ours, crew) in ours.crews.iter().zip(crews) {
            let bond = match ours.bond {
                Bond::Own => "own",
                Bond::Helps => "helps",
                Bond::Shared => "shared",
                Bond::ByAge => "by_age",
            };
            let takes: Vec<f64> = ours.takes.iter().map(|kind| *kind as f64).collect();
            assert_eq!((f64::from(ours.agents), takes), (number(crew, "agents"), figures(crew, "takes")), "{}", row["id"]);
            assert_eq!(crew["bond"], bond, "{}", row["id"]);
        }
        seen.insert(of(&row["id"]).id);
    }
    assert_eq!(seen.len(), rows.len(), "every row of ours has its reference");
    assert!(rows.iter().all(|row| row.calls >= CALLS_LEAST), "no row may count fewer");
}

/// Holds some rows to theory, with fewer calls and so much wider tolerances as fewer calls are less sure.
fn hold(ids: &[&str]) {
    let calls = 60_000;
    for row in rows::all().iter().filter(|row| ids.contains(&row.id)) {
        let report = row.plan(calls).run();
        let checks = row.checks(&report, (row.calls as f64 / calls as f64).sqrt());
        assert!(!checks.is_empty(), "{}", row.id);
        for check in checks {
            assert!(check.holds(), "{} ({}): {check:?}", row.id, row.describe());
        }
    }
}

#[test]
fn a_team_of_equals_is_erlang_c_where_everybody_waits() {
    hold(&["C1", "C3", "C7"]);
}

#[test]
fn a_team_of_equals_is_erlang_a_where_callers_give_up() {
    hold(&["A1", "A4", "A7", "A9", "A11"]);
}

#[test]
fn a_door_with_a_last_place_blocks_as_theory_says() {
    hold(&["K1", "K3", "K4"]);
}

#[test]
fn shared_agents_are_used_as_the_exact_chain_says() {
    hold(&["S1p", "S2", "S3x", "S3", "S4", "S6"]);
}

#[test]
fn a_nurse_is_kept_back_for_medical_callers_as_the_exact_chain_says() {
    hold(&["S3r1", "S3r2", "S5r1"]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let row = rows::all()[3];
    let digest = |row: &Row| format!("{:?}", row.plan(6_000).run());
    assert_eq!(digest(&row), digest(&row));
    assert_ne!(digest(&row), digest(&Row { seed: row.seed + 1, ..row }));
}

#[test]
fn a_ward_with_two_lines_is_dialled_again_by_those_it_refused() {
    // 2.0 E on two lines block 40 % of callers; when 70 % of them call again much later, attempts rise to the rate that they make themselves.
    let door = rows::all().into_iter().find(|row| row.id == "K1").expect("row K1");
    let house = House::Behind(Team { calls_per_hour: 24.0, handling_secs: 300.0, patience_secs: f64::INFINITY, agents: 2 }, 2);
    let mut plan = Plan { warm_up: 20_000, ..Row { house, ..door }.plan(60_000) };
    let once = plan.run();
    assert!((once.served[0].blocked.value - blocking(2.0, 2)).abs() < 0.01, "{:?}", once.served[0].blocked);

    let after = Spread::Exponential { mean_secs: 7200.0 };
    plan.streams[0].redial = Some(Redial { of_blocked: 0.7, of_abandoned: 0.0, after });
    let again = plan.run();
    // The fixed point: attempts = first attempts + 70 % of the blocked.
    let attempts = (0..200).fold(2.0, |load, _| 2.0 + 0.7 * load * blocking(load, 2));
    let blocked = again.served[0].blocked;
    assert!((blocked.value - blocking(attempts, 2)).abs() < 0.015, "{blocked:?} against {}", blocking(attempts, 2));
}

#[test]
fn long_calls_of_uneven_length_make_longer_waits_than_even_ones() {
    // One agent and nobody who gives up: Pollaczek and Khinchine know the mean wait for any length of calls.
    let row = rows::all().into_iter().find(|row| row.id == "C1").expect("row C1");
    let team = Team { calls_per_hour: 8.4, handling_secs: 300.0, patience_secs: f64::INFINITY, agents: 1 };
    let mut plan = Row { house: House::Team(team), ..row }.plan(90_000);
    for (handling, variation) in [(Spread::Fixed { secs: 300.0 }, 0.0), (Spread::Lognormal { mean_secs: 300.0, variation: 1.2 }, 1.2f64)] {
        plan.streams[0].handling = handling;
        let found = plan.run().served[0].mean_wait_secs;
        let exact = 0.7 * 300.0 / 0.3 * (1.0 + variation.powi(2)) / 2.0;
        assert!((found.value / exact - 1.0).abs() < 0.1, "{found:?} against {exact}");
    }
    assert_eq!(plan.within, Duration::from_secs(20));
}
