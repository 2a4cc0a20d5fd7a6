//! The law of the house: who may name whom, where each third-party crate lives, and what every room has in common.
//!
//! The table below is the one in ARCHITECTURE.md, as data. A test that fails here says in a sentence what is wrong and what to do:
//! "`routing` may not depend on `sip`: ...". Whoever needs an exception changes the table and writes its reason beside it.

use std::collections::{BTreeMap, BTreeSet};
use toritsugi_tests::{files, root};

/// One row: a crate and what it may know.
struct Room {
    /// 0 words, 1 wire and desk, 2 call, 3 edge, 4 roof, 5 the yard (tests, benches and xtask, which nobody names).
    storey: u8,
    /// The short name that code uses.
    name: &'static str,
    /// Law 1 binds it: no clock, socket, file, thread, lock or unseeded randomness. It carries the common `clippy.toml`.
    core: bool,
    /// The crates of the house that it may name.
    may: &'static [&'static str],
    /// Third-party crates that live here, each with its reason.
    home_of: &'static [(&'static str, &'static str)],
    /// Third-party crates that only its own tests use, each with its reason.
    tests_with: &'static [(&'static str, &'static str)],
}

const EVERYONE: &[&str] = &[
    "model",
    "sip",
    "sdp",
    "media",
    "flow",
    "routing",
    "calls",
    "phone",
    "reactor",
    "journal",
    "speech",
    "telemetry",
    "store",
    "web",
    "sim",
];

// A browser's leg (`softphone`, home of webrtc) is planned as a room of storey 3. It gets its row when it gets its crate.
const HOUSE: &[Room] = &[
    Room {
        storey: 0,
        name: "model",
        core: true,
        may: &[],
        home_of: &[("rand_chacha", "the one seeded generator, handed to whoever needs randomness")],
        tests_with: &[],
    },
    Room {
        storey: 1,
        name: "sip",
        core: true,
        may: &["model"],
        home_of: &[
            ("sha2", "digest authentication (RFC 8760) and nonces"),
            ("md-5", "digest for phones that know nothing better (RFC 2617)"),
            ("wide", "the ends of the lines of a message, 32 bytes at once"),
            ("siphasher", "the names of transactions, under a secret, for less than a hash that needs none"),
        ],
        tests_with: &[
            ("rsip", "a second opinion on every message that both can read"),
            ("stats_alloc", "counts that reading a message allocates nothing"),
        ],
    },
    Room { storey: 1, name: "sdp", core: true, may: &["model"], home_of: &[], tests_with: &[] },
    Room {
        storey: 1,
        name: "media",
        core: true,
        may: &["model"],
        home_of: &[("rtp-rs", "reads and builds RTP headers"), ("hound", "reads and writes WAV")],
        tests_with: &[],
    },
    Room {
        storey: 1,
        name: "flow",
        core: true,
        may: &["model"],
        home_of: &[
            ("serde_yaml", "the files that supervisors write"),
            ("saphyr-parser", "line and column of every word, for problems that point"),
            ("jiff", "calendars and time zones; its clocks are banned"),
            ("minijinja", "templated sentences, with fuel so that they end"),
            ("annotate-snippets", "problems shown under the offending text"),
            ("strsim", "did you mean"),
            ("serde_json", "the shape of values between the parser and the types, and problems as JSON"),
        ],
        tests_with: &[("boon", "judges every shipped file by the JSON Schema that editors are given")],
    },
    Room { storey: 1, name: "routing", core: true, may: &["model"], home_of: &[], tests_with: &[] },
    Room {
        storey: 2,
        name: "calls",
        core: true,
        may: &["model", "sip", "sdp", "media", "flow", "routing"],
        home_of: &[
            ("chacha20", "makes the key of one sealed text (HChaCha20), so that random nonces are long enough never to repeat"),
            ("ring", "seals the number that a callback goes to (RFC 8439), so that the journal holds it and nobody reads it"),
            ("serde_json", "a dialog as text, before it is sealed for the journal"),
            ("sha2", "the keyed hash by which persons are counted without being named (RFC 2104)"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 2,
        name: "phone",
        core: true,
        may: &["model", "sdp", "media"],
        home_of: &[
            ("rsip", "builds and reads the phone's messages, so that phone and engine can disagree"),
            ("sha2", "answers a digest challenge without asking `sip` how"),
            ("md-5", "the same, for a server that asks for MD5"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 3,
        name: "reactor",
        core: false,
        may: &["model", "calls", "media", "sip", "phone"],
        home_of: &[
            ("hound", "writes callers' messages as WAV, frame by frame, on the writer's thread"),
            ("rustix", "how much room a disk has left, and how long a silent connection is believed, without unsafe code of ours"),
            ("serde_json", "the note beside a message; what is sent to another house, and its answer"),
            ("hyper", "asks other houses over HTTP; it serves the web already"),
            ("hyper-util", "lets hyper use tokio's sockets"),
            ("http-body-util", "an answer of at most 16 KiB"),
            ("hickory-resolver", "NAPTR, SRV and address records of carriers' names (RFC 3263)"),
            ("rustls", "TLS without C code that reads what the network sends; ring beneath it"),
            ("rustls-pki-types", "reads certificates and keys as PEM"),
            ("rustls-native-certs", "the authorities that the machine trusts, for questions to other houses over https"),
            ("tokio-rustls", "lets rustls use tokio's sockets"),
            ("tokio-tungstenite", "WebSocket (RFC 6455), for phones in browsers"),
            ("futures-util", "the stream and sink that tokio-tungstenite's sockets are"),
            ("x509-cert", "when a certificate runs out, which rustls does not tell"),
        ],
        tests_with: &[("rcgen", "makes certificates for tests, so that no key lies in the tree")],
    },
    Room {
        storey: 3,
        name: "journal",
        core: false,
        may: &["model", "calls"],
        home_of: &[
            ("serde_json", "bodies of records, readable in twenty years"),
            ("crc32fast", "finds the torn tail of a crash"),
            ("sha2", "the hash chain"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 3,
        name: "speech",
        core: false,
        may: &["model"],
        home_of: &[
            ("jpreprocess", "reads Japanese"),
            ("jpreprocess-dictionary", "reads the built-in dictionary that jpreprocess looks words up in"),
            ("jpreprocess-jpcommon", "the phrases and accents between words and voice"),
            ("jbonsai", "speaks it"),
            ("hound", "the prompt cache and other voices speak WAV"),
            ("sha2", "the prompt cache is addressed by content"),
            ("tar", "unpacks the built-in dictionary"),
            ("zstd", "unpacks the built-in dictionary"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 3,
        name: "telemetry",
        core: false,
        may: &["model"],
        home_of: &[
            ("prometheus", "the text that Prometheus reads"),
            ("tracing-subscriber", "writes the log"),
            ("serde_json", "lines of the log for programs, and spans as collectors read them"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 3,
        name: "store",
        core: false,
        may: &["model"],
        home_of: &[("rusqlite", "call records and reports"), ("serde_json", "a record's paths and figures inside one column")],
        tests_with: &[],
    },
    Room {
        storey: 3,
        name: "web",
        core: false,
        may: &["model", "flow", "calls"],
        home_of: &[
            ("axum", "HTTP"),
            ("futures-util", "the stream that an answer of the board is"),
            ("serde_json", "agents and queues for programs"),
        ],
        tests_with: &[
            ("boon", "judges what the routes read and write by the shapes that their document tells"),
            ("sha2", "that the board's page is the one that its policy lets a browser run"),
        ],
    },
    Room {
        storey: 3,
        name: "sim",
        core: true,
        may: &["model", "sip", "sdp", "media", "flow", "routing", "calls", "phone"],
        home_of: &[("sha2", "one fingerprint of a whole run, to compare two runs of a seed")],
        tests_with: &[],
    },
    Room {
        storey: 4,
        name: "toritsugi",
        core: false,
        may: EVERYONE,
        home_of: &[
            ("clap", "the command line"),
            ("clap_complete", "what a shell completes, made from that command line"),
            ("clap_mangen", "the manual's pages, made from it too"),
            ("ratatui", "the board on a terminal: a picture in cells, of which only what has changed is sent"),
            ("crossterm", "the terminal beneath it: its size, its keys, and putting it back as it was"),
            ("serde_json", "what `--json` prints, and the list of the city's versions"),
            (
                "sha2",
                "the kept versions of the city's files are addressed by content; of a token only this is kept; the chain of the audit",
            ),
            ("similar", "what changed between two versions, line by line"),
            ("mimalloc", "memory that one thread makes and another one frees, as every message of a call is"),
            ("if-addrs", "the addresses of this machine, which no peer may aim us at"),
            ("sd-notify", "tells systemd that we are ready, that we live, and how it goes"),
            ("ureq", "commands ask the running engine over its own HTTP interface"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 5,
        name: "tests",
        core: false,
        may: EVERYONE,
        home_of: &[("toml", "reads the manifests for this file"), ("serde_json", "reads what the engine wrote")],
        tests_with: &[],
    },
    Room {
        storey: 5,
        name: "benches",
        core: false,
        may: EVERYONE,
        home_of: &[
            ("rsip", "the parser that ours is measured against"),
            ("stats_alloc", "counts allocations, without unsafe code of ours"),
        ],
        tests_with: &[],
    },
    Room {
        storey: 5,
        name: "xtask",
        core: false,
        may: &["sim", "telemetry"],
        home_of: &[("serde_json", "dashboards, which Grafana keeps as JSON, and what cargo tells of the parts")],
        tests_with: &[],
    },
];

/// Words without effects and without types of their own in our interfaces.
const ANYWHERE: &[&str] = &["serde", "bytes", "thiserror", "memchr"];
/// Effects that the whole edge shares.
const AT_THE_EDGE: &[&str] = &["tokio", "tracing"];
/// What any crate's own tests may use.
const IN_ANY_TEST: &[&str] = &["proptest", "serde_json"];

/// What stands at the top of the tree, dotfiles apart.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "flows",
    "config",
    "tests",
    "benches",
    "deploy",
    "fuzz",
    "xtask",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "LICENSE",
    "NOTICE",
    "deny.toml",
];

/// The bans without which a core crate's `clippy.toml` would not be worth its name.
const BANS: &[&str] = &[
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "std::thread::sleep",
    "std::thread::spawn",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::fs::File",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::env::var",
];

impl Room {
    fn folder(&self) -> String {
        if self.storey == 5 { self.name.to_owned() } else { format!("crates/{}", self.name) }
    }
    fn package(&self) -> String {
        if matches!(self.name, "toritsugi" | "xtask") { self.name.to_owned() } else { format!("toritsugi-{}", self.name) }
    }
    fn at_the_edge(&self) -> bool {
        self.storey >= 3 && !self.core
    }
}

/// What we need of a `Cargo.toml`.
#[derive(Default)]
struct Manifest {
    package: String,
    /// Names under `dependencies` and `build-dependencies`, of every target.
    uses: BTreeSet<String>,
    /// Names under `dev-dependencies`, of every target.
    tests_with: BTreeSet<String>,
    /// Dependencies that are not taken from the workspace.
    own: BTreeSet<String>,
    inherits_lints: bool,
}

impl Manifest {
    fn read(text: &str) -> Manifest {
        let all: toml::Table = text.parse().unwrap_or_else(|fault| panic!("a manifest is no TOML: {fault}"));
        let mut manifest = Manifest {
            package: all.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str).unwrap_or_default().to_owned(),
            inherits_lints: all.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool) == Some(true),
            ..Manifest::default()
        };
        manifest.take(&all);
        for target in all.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values) {
            if let Some(tables) = target.as_table() {
                manifest.take(tables);
            }
        }
        manifest
    }

    fn take(&mut self, tables: &toml::Table) {
        for (key, in_tests) in [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)] {
            for (name, how) in tables.get(key).and_then(toml::Value::as_table).into_iter().flatten() {
                if how.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    self.own.insert(name.clone());
                }
                if in_tests { &mut self.tests_with } else { &mut self.uses }.insert(name.clone());
            }
        }
    }
}

/// What is wrong between the table and the manifests, in sentences. `manifests` is keyed by folder.
fn faults_of_dependencies(house: &[Room], manifests: &BTreeMap<String, Manifest>) -> Vec<String> {
    let mut faults = Vec::new();
    for folder in manifests.keys() {
        if !house.iter().any(|room| room.folder() == *folder) {
            faults.push(format!("`{folder}` has no row in the table of tests/house.rs: say its storey, its duty and whom it may name."));
        }
    }
    for room in house {
        let Some(manifest) = manifests.get(&room.folder()) else {
            faults.push(format!(
                "the table names `{}`, but there is no {}/Cargo.toml: strike the row or make the crate.",
                room.name,
                room.folder()
            ));
            continue;
        };
        if manifest.package != room.package() {
            faults.push(format!("{} holds package `{}`; it is to be called `{}`.", room.folder(), manifest.package, room.package()));
        }
        if !manifest.inherits_lints {
            faults.push(format!("`{}` does not inherit the lints of the house: write `[lints] workspace = true`.", room.name));
        }
        for name in &manifest.own {
            faults.push(format!(
                "`{}` brings its own `{name}`: name it once in the workspace, then write `{name}.workspace = true`.",
                room.name
            ));
        }
        faults.extend(manifest.uses.iter().filter_map(|name| fault_of_use(house, room, name)));
        for name in manifest.tests_with.iter().filter(|name| !manifest.uses.contains(*name)) {
            let allowed = IN_ANY_TEST.contains(&name.as_str()) || room.tests_with.iter().any(|(third, _)| third == name);
            if !allowed && let Some(fault) = fault_of_use(house, room, name) {
                faults.push(format!("In its tests too, {fault}"));
            }
        }
        for (third, _) in room.home_of {
            if !manifest.uses.contains(*third) {
                faults.push(format!("`{}` no longer uses `{third}`: strike it from its row in tests/house.rs.", room.name));
            }
        }
        for (third, _) in room.tests_with {
            if !manifest.tests_with.contains(*third) {
                faults.push(format!("the tests of `{}` no longer use `{third}`: strike it from its row in tests/house.rs.", room.name));
            }
        }
    }
    faults
}

/// Why `room` may not use `name`, if it may not.
fn fault_of_use(house: &[Room], room: &Room, name: &str) -> Option<String> {
    if house.iter().any(|other| other.name == name) {
        if room.may.contains(&name) {
            return None;
        }
        let may = match room.may {
            [] => "it names nobody".to_owned(),
            some => format!("it may name only {}", some.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")),
        };
        return Some(format!(
            "`{}` may not depend on `{name}`: {may}. Hand what it needs down to it as a value, or change the table and tell ARCHITECTURE.md why.",
            room.name
        ));
    }
    if ANYWHERE.contains(&name) || room.home_of.iter().any(|(third, _)| *third == name) {
        return None;
    }
    if AT_THE_EDGE.contains(&name) {
        return (!room.at_the_edge()).then(|| {
            format!(
                "`{}` may not use `{name}`: it lives at the edge, and law 1 keeps it there. Return a value and let the edge act.",
                room.name
            )
        });
    }
    let homes: Vec<String> = house
        .iter()
        .flat_map(|other| other.home_of.iter().map(move |(third, why)| (other.name, *third, *why)))
        .filter(|(_, third, _)| *third == name)
        .map(|(home, _, why)| format!("`{home}` ({why})"))
        .collect();
    Some(match homes.as_slice() {
        [] => {
            format!("`{}` may not use `{name}`: it has no home. Do without it, or give it one in tests/house.rs with a reason.", room.name)
        }
        some => format!(
            "`{}` may not use `{name}`: its home is {}. Ask there, or give it another with a reason.",
            room.name,
            some.join(" and ")
        ),
    })
}

/// What is wrong with the table itself: arrows point downward, none stay inside a storey.
fn faults_of_arrows(house: &[Room]) -> Vec<String> {
    let storeys: BTreeMap<&str, u8> = house.iter().map(|room| (room.name, room.storey)).collect();
    let mut faults = Vec::new();
    for room in house {
        for below in room.may {
            match storeys.get(below) {
                None => faults.push(format!("the table lets `{}` name `{below}`, which is no crate of the house.", room.name)),
                Some(storey) if *storey >= room.storey => faults.push(format!(
                    "the table lets `{}` (storey {}) name `{below}` (storey {storey}): arrows point downward only.",
                    room.name, room.storey
                )),
                Some(_) => {}
            }
        }
        if room.home_of.iter().chain(room.tests_with).any(|(_, why)| why.is_empty()) {
            faults.push(format!("a third-party crate of `{}` has no reason beside it.", room.name));
        }
    }
    faults
}

/// What is wrong with the first lines of a crate's root file.
fn fault_of_duty(path: &str, text: &str, says_what_is_absent: bool) -> Option<String> {
    if !text.starts_with("//!") {
        return Some(format!("{path} does not begin with `//!`: open with one sentence a supervisor could follow."));
    }
    let duty: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    (says_what_is_absent && !duty.contains("Deliberately absent")).then(|| {
        format!("{path} does not say what is \"Deliberately absent\": say what a reader would look for here in vain, and where it is.")
    })
}

/// What is wrong with the bans of a core crate.
fn faults_of_bans(path: &str, text: &str) -> Vec<String> {
    let all: toml::Table = match text.parse() {
        Ok(all) => all,
        Err(fault) => return vec![format!("{path} is no TOML: {fault}")],
    };
    let mut faults = Vec::new();
    let mut banned = BTreeSet::new();
    for entry in ["disallowed-methods", "disallowed-types"].iter().filter_map(|key| all.get(*key)?.as_array()).flatten() {
        let name = entry.get("path").and_then(toml::Value::as_str).unwrap_or_default();
        if entry.get("reason").and_then(toml::Value::as_str).is_none_or(str::is_empty) {
            faults.push(format!("{path} bans `{name}` without a reason: tell the reader what to do instead."));
        }
        banned.insert(name.to_owned());
    }
    faults.extend(BANS.iter().filter(|ban| !banned.contains(**ban)).map(|ban| format!("{path} does not ban `{ban}` (law 1).")));
    faults
}

/// Where a core crate lifts its bans outside of tests, if it does.
fn fault_of_lifted_ban(path: &str, text: &str) -> Option<String> {
    let product = text.split("#[cfg(test)]").next().unwrap_or(text);
    let line = product.lines().position(|line| line.contains("clippy::disallowed_"))?;
    Some(format!("{path}:{} lifts a ban of law 1 outside of a test: hand the value in instead.", line + 1))
}

/// Names of a machine or a person's home that a file of the project has no business with.
fn fault_of_machine_path(path: &str, text: &str) -> Option<String> {
    // Put together here, so that this file does not name them.
    let homes = ["work", "root", "home", "Users"].map(|home| format!("/{home}/"));
    for (number, line) in text.lines().enumerate() {
        for home in &homes {
            let starts_a_path =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '*' | '~'));
            if line.match_indices(home.as_str()).any(|(at, _)| starts_a_path(at)) {
                return Some(format!("{path}:{} names a path of one machine ({home}..): make it relative, or an option.", number + 1));
            }
        }
    }
    None
}

/// Fails with every sentence, not only the first.
fn hold(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n\n{}\n", faults.join("\n"));
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|fault| panic!("{path}: {fault}"))
}

fn manifests() -> BTreeMap<String, Manifest> {
    let mut found = BTreeMap::new();
    for dir in std::fs::read_dir(root().join("crates")).expect("the house has crates").flatten() {
        let folder = format!("crates/{}", dir.file_name().to_string_lossy());
        if dir.path().join("Cargo.toml").exists() {
            found.insert(folder.clone(), Manifest::read(&read(&format!("{folder}/Cargo.toml"))));
        }
    }
    for folder in ["tests", "benches", "xtask"] {
        found.insert(folder.to_owned(), Manifest::read(&read(&format!("{folder}/Cargo.toml"))));
    }
    found
}

#[test]
fn every_crate_names_only_whom_the_table_lets_it() {
    hold(faults_of_dependencies(HOUSE, &manifests()));
}

#[test]
fn the_arrows_of_the_table_point_downward() {
    hold(faults_of_arrows(HOUSE));
}

#[test]
fn the_workspace_names_nothing_that_nobody_uses() {
    let all: toml::Table = read("Cargo.toml").parse().expect("the workspace's manifest is TOML");
    let named = all["workspace"]["dependencies"].as_table().expect("the workspace names dependencies");
    let manifests = manifests();
    let used: BTreeSet<&String> = manifests.values().flat_map(|m| m.uses.iter().chain(&m.tests_with)).collect();
    let third_party = |name: &str| !HOUSE.iter().any(|room| room.name == name) && !ANYWHERE.contains(&name);
    hold(
        named
            .keys()
            .filter(|name| third_party(name) && !used.contains(name))
            .map(|name| format!("the workspace names `{name}`, but no crate uses it: strike it from Cargo.toml."))
            .collect(),
    );
}

#[test]
fn the_lints_of_the_house_are_in_force() {
    let all: toml::Table = read("Cargo.toml").parse().expect("the workspace's manifest is TOML");
    let lints = &all["workspace"]["lints"];
    assert_eq!(lints["rust"]["unsafe_code"].as_str(), Some("forbid"), "unsafe code is forbidden in the whole house");
    assert_eq!(lints["clippy"]["iter_over_hash_type"].as_str(), Some("deny"), "the order of a hash map is unseeded randomness");
    for lint in ["todo", "unimplemented", "dbg_macro"] {
        assert_eq!(lints["clippy"][lint].as_str(), Some("deny"), "`{lint}` has no place in a product");
    }
}

#[test]
fn core_crates_carry_the_same_bans() {
    let mut faults = Vec::new();
    let core: Vec<(String, String)> = HOUSE
        .iter()
        .filter(|room| room.core)
        .filter_map(|room| {
            let path = format!("{}/clippy.toml", room.folder());
            let text = std::fs::read_to_string(root().join(&path)).ok();
            if text.is_none() {
                faults.push(format!("`{}` is core, but carries no clippy.toml: copy the one of `model`.", room.name));
            }
            Some((path, text?))
        })
        .collect();
    if let Some((first, text)) = core.first() {
        faults.extend(faults_of_bans(first, text));
        let differ = core.iter().filter(|(_, other)| other != text);
        faults.extend(differ.map(|(path, _)| format!("{path} differs from {first}: all core crates carry the same bans.")));
    }
    hold(faults);
}

#[test]
fn core_crates_lift_their_bans_in_tests_only() {
    let core: Vec<String> = HOUSE.iter().filter(|room| room.core).map(|room| format!("{}/src/", room.folder())).collect();
    hold(
        files()
            .iter()
            .filter(|path| path.ends_with(".rs") && core.iter().any(|src| path.starts_with(src)))
            .filter_map(|path| fault_of_lifted_ban(path, &read(path)))
            .collect(),
    );
}

#[test]
fn every_file_opens_with_its_duty() {
    let mut faults = Vec::new();
    for path in files().iter().filter(|path| path.ends_with(".rs")) {
        let crate_root = path.starts_with("crates/") && (path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs"));
        faults.extend(fault_of_duty(path, &read(path), crate_root || path == "tests/lib.rs"));
    }
    hold(faults);
}

#[test]
fn nothing_else_stands_at_the_top() {
    let top: BTreeSet<String> = files().iter().filter_map(|path| path.split('/').next().map(str::to_owned)).collect();
    hold(
        top.iter()
            .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
            .map(|name| format!("`{name}` stands at the top of the tree: find it a room, or add it to the list in tests/house.rs."))
            .collect(),
    );
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    hold(
        files()
            .iter()
            .filter_map(|path| Some((path, std::fs::read_to_string(root().join(path)).ok()?)))
            .filter_map(|(path, text)| fault_of_machine_path(path, &text))
            .collect(),
    );
}

/// The checks above, on made-up manifests and files: each law fails with its sentence.
mod made_up {
    use super::*;

    const LOW: Room = Room {
        storey: 0,
        name: "words",
        core: true,
        may: &[],
        home_of: &[("dice", "the one seeded generator")],
        tests_with: &[("oracle", "a second opinion")],
    };
    const DESK: Room = Room { storey: 1, name: "desk", core: true, may: &["words"], home_of: &[], tests_with: &[] };
    const EDGE: Room = Room { storey: 3, name: "edge", core: false, may: &["words", "desk"], home_of: &[], tests_with: &[] };

    fn manifest(name: &str, dependencies: &str) -> (String, Manifest) {
        let text = format!("[package]\nname = \"toritsugi-{name}\"\n[lints]\nworkspace = true\n{dependencies}");
        (format!("crates/{name}"), Manifest::read(&text))
    }

    /// The faults of a house of three rooms in which only `desk` is not as it should be.
    fn faults_when_desk_says(dependencies: &str) -> Vec<String> {
        let low = manifest("words", "[dependencies]\ndice.workspace = true\n[dev-dependencies]\noracle.workspace = true\n");
        let edge = manifest("edge", "[dependencies]\nwords.workspace = true\ndesk.workspace = true\ntokio.workspace = true\n");
        faults_of_dependencies(&[LOW, DESK, EDGE], &BTreeMap::from([low, manifest("desk", dependencies), edge]))
    }

    #[test]
    fn a_crate_that_keeps_to_the_table_passes() {
        let said = "[dependencies]\nwords.workspace = true\nserde.workspace = true\n[dev-dependencies]\nproptest.workspace = true\n";
        assert_eq!(faults_when_desk_says(said), [""; 0]);
    }

    #[test]
    fn an_arrow_upward_fails_with_its_sentence() {
        let faults = faults_when_desk_says("[dependencies]\nedge.workspace = true\n");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("`desk` may not depend on `edge`: it may name only `words`."), "{faults:?}");
    }

    #[test]
    fn an_arrow_upward_fails_for_one_target_for_the_build_and_in_tests() {
        for place in ["target.'cfg(unix)'.dependencies", "build-dependencies", "dev-dependencies"] {
            let faults = faults_when_desk_says(&format!("[{place}]\nedge.workspace = true\n"));
            assert!(faults.len() == 1 && faults[0].contains("`desk` may not depend on `edge`"), "{place}: {faults:?}");
        }
    }

    #[test]
    fn a_third_party_crate_away_from_home_fails_with_its_sentence() {
        let faults = faults_when_desk_says("[dependencies]\ndice.workspace = true\n");
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("`desk` may not use `dice`: its home is `words` (the one seeded generator)."), "{faults:?}");
    }

    #[test]
    fn a_third_party_crate_without_a_home_fails_with_its_sentence() {
        let faults = faults_when_desk_says("[dependencies]\nleftpad.workspace = true\n");
        assert!(faults.len() == 1 && faults[0].starts_with("`desk` may not use `leftpad`: it has no home."), "{faults:?}");
    }

    #[test]
    fn an_effect_in_the_core_fails_with_its_sentence() {
        let faults = faults_when_desk_says("[dependencies]\ntokio.workspace = true\n");
        assert!(faults.len() == 1 && faults[0].starts_with("`desk` may not use `tokio`: it lives at the edge"), "{faults:?}");
    }

    #[test]
    fn what_one_crates_tests_may_use_others_may_not() {
        let faults = faults_when_desk_says("[dev-dependencies]\noracle.workspace = true\n");
        assert!(faults.len() == 1 && faults[0].contains("`desk` may not use `oracle`"), "{faults:?}");
    }

    #[test]
    fn a_dependency_that_passes_by_the_workspace_fails() {
        let faults = faults_when_desk_says("[dependencies]\nserde = \"1\"\n");
        assert!(faults.len() == 1 && faults[0].starts_with("`desk` brings its own `serde`"), "{faults:?}");
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_fail() {
        let faults = faults_of_dependencies(&[DESK], &BTreeMap::from([manifest("attic", "")]));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("`crates/attic` has no row"), "{faults:?}");
        assert!(faults[1].starts_with("the table names `desk`, but there is no crates/desk/Cargo.toml"), "{faults:?}");
    }

    #[test]
    fn a_crate_without_the_lints_of_the_house_fails() {
        let bare = Manifest::read("[package]\nname = \"toritsugi-desk\"\n");
        let faults = faults_of_dependencies(&[DESK], &BTreeMap::from([("crates/desk".to_owned(), bare)]));
        assert!(faults.len() == 1 && faults[0].starts_with("`desk` does not inherit the lints"), "{faults:?}");
    }

    #[test]
    fn a_permission_that_nobody_uses_any_more_fails() {
        let faults = faults_of_dependencies(&[LOW], &BTreeMap::from([manifest("words", "")]));
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("`words` no longer uses `dice`"), "{faults:?}");
        assert!(faults[1].starts_with("the tests of `words` no longer use `oracle`"), "{faults:?}");
    }

    #[test]
    fn a_table_with_an_arrow_inside_a_storey_fails() {
        let twin = Room { storey: 1, name: "twin", core: true, may: &["desk"], home_of: &[], tests_with: &[] };
        let faults = faults_of_arrows(&[LOW, DESK, twin]);
        assert_eq!(faults, ["the table lets `twin` (storey 1) name `desk` (storey 1): arrows point downward only."]);
    }

    #[test]
    fn a_crate_that_does_not_say_its_duty_fails() {
        assert!(fault_of_duty("lib.rs", "mod a;\n", true).unwrap().starts_with("lib.rs does not begin with `//!`"));
        assert!(fault_of_duty("lib.rs", "//! Words.\n\nmod a; // Deliberately absent\n", true).unwrap().contains("Deliberately absent"));
        assert_eq!(fault_of_duty("lib.rs", "//! Words.\n//!\n//! Deliberately absent: acts.\n", true), None);
        assert_eq!(fault_of_duty("ids.rs", "//! Ids.\n", false), None);
    }

    #[test]
    fn a_ban_that_is_missing_or_has_no_reason_fails() {
        let faults = faults_of_bans("clippy.toml", "disallowed-methods = [{ path = \"std::thread::sleep\" }]\n");
        assert!(faults.contains(&"clippy.toml bans `std::thread::sleep` without a reason: tell the reader what to do instead.".to_owned()));
        assert!(faults.contains(&"clippy.toml does not ban `std::time::Instant::now` (law 1).".to_owned()));
        assert!(!faults.contains(&"clippy.toml does not ban `std::thread::sleep` (law 1).".to_owned()));
    }

    #[test]
    fn a_ban_may_be_lifted_in_a_test_and_nowhere_else() {
        let lifted = "#[expect(clippy::disallowed_methods, reason = \"..\")]\nfn f() {}\n";
        let fault = fault_of_lifted_ban("routing/src/acd.rs", &format!("//! Acd.\n{lifted}")).unwrap();
        assert!(fault.starts_with("routing/src/acd.rs:2 lifts a ban"), "{fault}");
        assert_eq!(fault_of_lifted_ban("routing/src/acd.rs", &format!("//! Acd.\n#[cfg(test)]\nmod tests {{\n{lifted}}}\n")), None);
    }

    #[test]
    fn a_path_of_one_machine_fails_and_a_url_does_not() {
        let home = "/home".to_owned() + "/yuki/city.yaml";
        let fault = fault_of_machine_path("README.md", &format!("Read\n{home}\n")).unwrap();
        assert!(fault.starts_with("README.md:2 names a path of one machine"), "{fault}");
        assert_eq!(fault_of_machine_path("README.md", &format!("https://example.org{home}\n")), None);
        assert_eq!(fault_of_machine_path("README.md", &format!("/var/lib/toritsugi and ~{home}\n")), None);
    }
}
