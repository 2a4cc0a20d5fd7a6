//! Places of lines: whatever happens, nobody is let in beyond what is declared at that moment.

use crate::city::{agents, queues};
use model::{LegId, LineId, Random};
use routing::{Acd, Rules};
use std::collections::{BTreeMap, BTreeSet};

fn rules(lines: &BTreeMap<LineId, u32>) -> Rules {
    Rules { queues: queues(&[]), agents: agents(&[]), lines: lines.clone() }
}

#[test]
fn a_ward_hotline_with_two_lines_never_gets_a_third_call() {
    let (ward, other) = (LineId::from("ward"), LineId::from("other"));
    let mut acd = Acd::new(rules(&BTreeMap::from([(ward.clone(), 2)])));
    assert!(acd.seize(&ward, LegId(1)) && acd.seize(&ward, LegId(2)));
    assert!(!acd.seize(&ward, LegId(3)));
    assert!(acd.seize(&ward, LegId(2)), "asking again takes no more");
    assert!(!acd.seize(&other, LegId(4)), "there is no such line");
    assert_eq!(acd.lines().collect::<Vec<_>>(), [(&ward, 2, 2)]);
    acd.give_back(LegId(1));
    assert!(acd.seize(&ward, LegId(3)));
    assert_eq!(acd.takers().collect::<Vec<_>>(), [(&ward, LegId(2)), (&ward, LegId(3))]);
}

#[test]
fn a_city_with_fewer_lines_lets_nobody_in_until_enough_are_back() {
    let ward = LineId::from("ward");
    let mut acd = Acd::new(rules(&BTreeMap::from([(ward.clone(), 3)])));
    for leg in 1..=3 {
        assert!(acd.seize(&ward, LegId(leg)));
    }
    acd.publish(model::Instant::ZERO, rules(&BTreeMap::from([(ward.clone(), 1)])));
    acd.give_back(LegId(1));
    acd.give_back(LegId(2));
    assert!(!acd.seize(&ward, LegId(4)), "the one place is taken");
    acd.give_back(LegId(3));
    assert!(acd.seize(&ward, LegId(4)));
}

#[test]
fn in_a_million_steps_no_line_is_ever_given_out_beyond_its_places() {
    let names: Vec<LineId> = ["a", "b", "c", "d"].into_iter().map(LineId::from).collect();
    let mut random = Random::from_number(23);
    let mut declared: BTreeMap<LineId, u32> = names.iter().map(|line| (line.clone(), 2)).collect();
    let mut acd = Acd::new(rules(&declared));
    let mut taken: BTreeMap<LineId, BTreeSet<LegId>> = BTreeMap::new();
    let (mut granted, mut refused) = (0u32, 0u32);
    for _ in 0..1_000_000 {
        let leg = LegId(random.below(12));
        match random.below(1000) {
            0 => {
                declared = names.iter().map(|line| (line.clone(), random.below(4) as u32)).collect();
                declared.remove(&names[random.below(4) as usize]);
                acd.publish(model::Instant::ZERO, rules(&declared));
            }
            1..600 => {
                let line = &names[random.below(4) as usize];
                let held = taken.entry(line.clone()).or_default();
                let had = held.contains(&leg);
                let room = held.len() < declared.get(line).copied().unwrap_or(0) as usize;
                assert_eq!(acd.seize(line, leg), had || room);
                if !had && room {
                    held.insert(leg);
                    granted += 1;
                } else if !had {
                    refused += 1;
                }
            }
            _ => {
                acd.give_back(leg);
                for legs in taken.values_mut() {
                    legs.remove(&leg);
                }
            }
        }
    }
    let left: BTreeSet<(LineId, LegId)> = acd.takers().map(|(line, leg)| (line.clone(), leg)).collect();
    assert_eq!(left, taken.iter().flat_map(|(line, legs)| legs.iter().map(|leg| (line.clone(), *leg))).collect());
    assert!(granted > 100_000 && refused > 10_000, "{granted} granted, {refused} refused");
}
