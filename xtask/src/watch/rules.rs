//! What Prometheus works out beforehand (recording rules), and the words in which every rule writes its times.
//!
//! In an expression `{5m}` is a window and `{s:300}` a number of seconds. Both can be divided, so that a day fits into a minute where rules
//! are tried against a running engine; all else, shares and counts, stays.

#[cfg(test)]
use telemetry::Described;

/// One recording rule.
pub(crate) struct Recording {
    /// `toritsugi:WHAT:KIND_WINDOW`.
    pub(crate) name: String,
    /// What it says, for the catalogue.
    pub(crate) help: &'static str,
    /// Its labels.
    pub(crate) labels: &'static [&'static str],
    /// With windows to be filled in.
    pub(crate) expr: String,
}

/// How times in rules are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Windows and seconds are divided by this.
    pub(crate) divided: u64,
    /// No window is shorter, in seconds: it must hold some scrapes.
    pub(crate) window_least: u64,
}

impl Pace {
    /// As they are.
    pub(crate) const REAL: Pace = Pace { divided: 1, window_least: 0 };

    /// An expression with its times filled in.
    pub(crate) fn fill(self, expr: &str) -> String {
        let mut filled = String::new();
        let mut rest = expr;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((word, behind)) = after.split_once('}') else { break };
            match (word.strip_prefix("s:").and_then(|seconds| seconds.parse::<u64>().ok()), seconds(word)) {
                (Some(seconds), _) => filled.push_str(&(seconds as f64 / self.divided as f64).to_string()),
                (None, Some(_)) => filled.push_str(&self.window(word)),
                // A selector of labels.
                (None, None) => {
                    filled.push('{');
                    filled.push_str(word);
                    filled.push('}');
                }
            }
            rest = behind;
        }
        filled + rest
    }

    /// `5m`, divided.
    pub(crate) fn window(self, word: &str) -> String {
        if self.divided == 1 {
            return word.to_owned();
        }
        format!("{}s", (seconds(word).unwrap_or(0) / self.divided).max(self.window_least))
    }

    /// How long an alert must hold, divided.
    pub(crate) fn hold(self, word: &str) -> String {
        if self.divided == 1 { word.to_owned() } else { format!("{}s", seconds(word).unwrap_or(0) / self.divided) }
    }
}

/// `90s`, `5m`, `2h`, `1d` in seconds; `None` for anything else.
pub(crate) fn seconds(word: &str) -> Option<u64> {
    let unit = match word.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    Some(word.get(..word.len() - 1)?.parse::<u64>().ok()? * unit)
}

/// One rule for each window.
fn each(windows: &[&str], what: &str, kind: &str, help: &'static str, labels: &'static [&'static str], expr: &str) -> Vec<Recording> {
    let rule = |window: &&str| Recording {
        name: format!("toritsugi:{what}:{kind}_{window}"),
        help,
        labels,
        expr: expr.replace("{w}", &format!("{{{window}}}")).replace("_w ", &format!("_{window} ")),
    };
    windows.iter().map(rule).collect()
}

const SHORT_LONG: &[&str] = &["5m", "1h"];
/// What burn rates compare: fast fires (5 m and 1 h), slow ones (30 m and 6 h).
const BURN: &[&str] = &["5m", "30m", "1h", "6h"];

const OFFERED: &str = r#"sum by (queue) (increase(toritsugi_queue_left_total{outcome=~"answered|abandoned"}[{w}]))"#;
const ANSWERED: &str = r#"sum by (queue) (increase(toritsugi_queue_left_total{outcome="answered"}[{w}]))"#;
const IN_TIME: &str = r#"sum by (queue) (increase(toritsugi_queue_left_in_time_total{outcome="answered"}[{w}]))"#;
const QUICK: &str = r#"sum by (queue) (increase(toritsugi_queue_left_in_time_total{outcome="abandoned"}[{w}]))"#;
const ATTEMPTS: &str = "sum by (line, direction) (increase(toritsugi_sip_session_attempts_total[{w}]))";
const NOT_REDIRECTED: &str = r#"sum by (line, direction) (increase(toritsugi_sip_session_attempts_total{result!="redirected"}[{w}]))"#;

fn results(these: &str) -> String {
    format!(r#"sum by (line, direction) (increase(toritsugi_sip_session_attempts_total{{result=~"{these}"}}[{{w}}]))"#)
}

/// All of them, in the order in which they are worked out: later ones may use earlier ones.
pub(crate) fn recordings() -> Vec<Recording> {
    let queue: &[&str] = &["queue"];
    let line: &[&str] = &["line", "direction"];
    let mut all = Vec::new();
    let mut add = |rules: Vec<Recording>| all.extend(rules);
    add(each(
        BURN,
        "offered",
        "calls",
        "Callers who were answered in a queue or gave up in it. The denominator of the next ones.",
        queue,
        OFFERED,
    ));
    let rate = format!("{ANSWERED} / {OFFERED}");
    add(each(SHORT_LONG, "answered", "ratio", "Answer rate (応答率): answered of those who were answered or gave up.", queue, &rate));
    let of_offered = format!("{IN_TIME} / {OFFERED}");
    let help = "Service level, first definition: answered in time, of those who were answered or gave up.";
    add(each(BURN, "service_level_of_offered", "ratio", help, queue, &of_offered));
    let help = "Service level, second definition: answered in time, of those who were answered.";
    add(each(SHORT_LONG, "service_level_of_answered", "ratio", help, queue, &format!("{IN_TIME} / {ANSWERED}")));
    let help = "Service level, third definition: as the first, without those who gave up in time.";
    add(each(SHORT_LONG, "service_level_without_early_abandons", "ratio", help, queue, &format!("{IN_TIME} / ({OFFERED} - {QUICK})")));
    let help = "Service level, fourth definition: as the first, where giving up in time counts as good.";
    add(each(SHORT_LONG, "service_level_early_abandons_as_answered", "ratio", help, queue, &format!("({IN_TIME} + {QUICK}) / {OFFERED}")));
    let help = "How fast the promise of a queue is used up: 1 is just kept; with a promise of 80 percent 5 is nobody in time.";
    let burn = "(1 - toritsugi:service_level_of_offered:ratio_w ) / (1 - max by (queue) (toritsugi_queue_promise_ratio))";
    add(each(BURN, "service_level_burn", "rate", help, queue, burn));
    let abandoned = "sum by (stage) (increase(toritsugi_calls_given_up_total[{w}])) / on () group_left () sum (increase(toritsugi_calls_ended_total[{w}]))";
    add(each(SHORT_LONG, "given_up", "ratio", "Abandonment (放棄呼率) by stage, of all calls that ended.", &["stage"], abandoned));
    add(each(SHORT_LONG, "attempts", "calls", "Calls by line and direction.", line, ATTEMPTS));
    let ser = format!("{} / {NOT_REDIRECTED}", results("established"));
    add(each(SHORT_LONG, "ser", "ratio", "Session establishment ratio (RFC 6076 section 4.6).", line, &ser));
    let seer = format!("{} / {NOT_REDIRECTED}", results("established|user"));
    add(each(SHORT_LONG, "seer", "ratio", "Session establishment effectiveness ratio (RFC 6076 section 4.7).", line, &seer));
    let isa = format!("{} / {ATTEMPTS}", results("ineffective"));
    add(each(SHORT_LONG, "isa", "ratio", "Ineffective session attempts (RFC 6076 section 4.8).", line, &isa));
    let ner = format!("{} / {ATTEMPTS}", results("established|user|cancelled"));
    add(each(SHORT_LONG, "ner", "ratio", "Network effectiveness ratio (ITU-T E.425).", line, &ner));
    let asr = format!("{} / {ATTEMPTS}", results("established"));
    add(each(SHORT_LONG, "asr", "ratio", "Answer seizure ratio (ITU-T E.411).", line, &asr));
    let scr = r#"sum (increase(toritsugi_calls_ended_total{outcome!~"caller_vanished|internal_error|lost_in_restart|cancelled_early|not_reached"}[{w}])) / (sum (increase(toritsugi_calls_ended_total[{w}])) + sum (increase(toritsugi_calls_refused_total[{w}])))"#;
    add(each(
        SHORT_LONG,
        "scr",
        "ratio",
        "Session completion ratio (RFC 6076 section 4.9): calls that came to a proper end, of all that were tried.",
        &[],
        scr,
    ));
    let channels = "toritsugi_channels_in_use / toritsugi_channels";
    let now =
        |name: &str, help, labels, expr: &str| vec![Recording { name: format!("toritsugi:{name}"), help, labels, expr: expr.to_owned() }];
    add(now("channels:ratio", "The share of channels that is in use.", &[], channels));
    let busy = r#"sum by (skill) (toritsugi_agents_by_skill{state=~"offered|talking|wrap_up"}) / sum by (skill) (toritsugi_agents_by_skill{state=~"idle|offered|talking|wrap_up"})"#;
    add(now("occupancy:ratio", "Occupancy by skill: who rings, talks or writes down, of those who are there.", &["skill"], busy));
    // Prometheus 3 writes `le` as a decimal fraction (its migration guide, "le and quantile label values").
    let short = r#"sum by (number) (increase(toritsugi_call_duration_seconds_bucket{le=~"5|5\\.0"}[{10m}])) / sum by (number) (increase(toritsugi_call_duration_seconds_count[{10m}]))"#;
    add(now("short_calls:ratio_10m", "The share of calls that lasted less than 5 s, by the number dialled.", &["number"], short));
    let human = "histogram_quantile(0.9, sum by (queue, le) (increase(toritsugi_time_to_human_seconds_bucket[{1h}])))";
    add(now("time_to_human:p90_1h", "Nine of ten callers had a person within this time, in seconds.", queue, human));
    let silent = "sum (increase(toritsugi_menu_timeouts_total[{15m}])) / (sum (increase(toritsugi_menu_timeouts_total[{15m}])) + sum (increase(toritsugi_menu_choices_total[{15m}])))";
    add(now("menu_silent:ratio_15m", "The share of menus that ended without a key.", &[], silent));
    let bad = r#"sum (increase(toritsugi_legs_total{loss="5_percent_and_more"}[{15m}])) / sum (increase(toritsugi_legs_total[{15m}]))"#;
    add(now("sound_bad:ratio_15m", "The share of legs that lost 5 percent of their sound and more.", &[], bad));
    let late = "histogram_quantile(0.99, sum by (le) (rate(toritsugi_rtp_send_lateness_seconds_bucket[{5m}])))";
    add(now("send_lateness:p99_5m", "99 of 100 packets left no later than this, in seconds.", &[], late));
    let inside = r#"sum by (queue) (increase(toritsugi_wait_estimates_total{verdict="inside"}[{1h}])) / sum by (queue) (increase(toritsugi_wait_estimates_total[{1h}]))"#;
    add(now("wait_estimates_inside:ratio_1h", "The share of waits that were as they had been told.", queue, inside));
    all
}

/// The names in an expression that must exist: of metrics and of recording rules.
#[cfg(test)]
pub(crate) fn names(expr: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut word = String::new();
    // Words in quotes are values of labels.
    let mut quoted = false;
    for c in expr.chars().chain([' ']) {
        quoted ^= c == '"';
        if !quoted && (c.is_ascii_alphanumeric() || c == '_' || c == ':') {
            word.push(c);
            continue;
        }
        let name = std::mem::take(&mut word);
        if name.starts_with("toritsugi") || name.starts_with("process_") {
            names.push(name);
        }
    }
    names
}

/// Whether a name is a metric of ours, a row of one of its histograms, or a rule.
#[cfg(test)]
pub(crate) fn exists(name: &str, catalogue: &[Described], recordings: &[Recording]) -> bool {
    let histogram = |described: &Described| {
        described.kind == telemetry::Kind::Histogram && ["_bucket", "_sum", "_count"].iter().any(|end| name == described.name.clone() + end)
    };
    let plain = |described: &Described| described.kind != telemetry::Kind::Histogram && described.name == name;
    catalogue.iter().any(|described| plain(described) || histogram(described))
        || recordings.iter().any(|rule| rule.name == name)
        || PROCESS.contains(&name)
}

/// What the client library tells of the process.
#[cfg(test)]
pub(crate) const PROCESS: &[&str] = &[
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];
