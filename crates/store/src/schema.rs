//! The layout of the file. Its number is SQLite's `user_version`; the mark that it is ours is `application_id`.

/// The layout that this program reads and writes. Raise it with each change of [`CREATE`].
pub(crate) const LAYOUT: i64 = 3;

/// `Tori` in ASCII.
pub(crate) const OURS: i64 = 0x546f_7269;

/// One table, one row per call. The `_utc` columns follow from the numbers beside them, so that the two cannot disagree.
pub(crate) const CREATE: &str = "
CREATE TABLE calls (
    arrived_ms   INTEGER NOT NULL,           -- milliseconds since 1970-01-01 UTC
    call         INTEGER NOT NULL,           -- unique within one run of the engine
    arrived_utc  TEXT NOT NULL GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', arrived_ms / 1000.0, 'unixepoch')) STORED,
    number       TEXT NOT NULL,              -- the city's number that was dialled
    caller       TEXT NOT NULL,              -- masked
    lang         TEXT NOT NULL,
    path         TEXT NOT NULL,              -- JSON list: the way through the flow
    queue        TEXT,
    waited_ms    INTEGER,                    -- in queues
    to_human_ms  INTEGER,                    -- from the INVITE to a person
    agent        TEXT,
    talked_ms    INTEGER,
    ended_ms     INTEGER NOT NULL,
    ended_utc    TEXT NOT NULL GENERATED ALWAYS AS (strftime('%Y-%m-%dT%H:%M:%fZ', ended_ms / 1000.0, 'unixepoch')) STORED,
    outcome      TEXT NOT NULL,              -- served, abandoned_in_queue, ..
    hung_up_by   TEXT NOT NULL,              -- caller, agent, engine
    version      TEXT NOT NULL,              -- of the city's files
    person       TEXT,                       -- as statistics know them, another word each day; NULL when the number was withheld
    ticket       INTEGER,                    -- the claim of whoever waited: a callback has that of the call in which it was asked
    class        INTEGER NOT NULL,           -- 0 normal, 1 high, 2 urgent
    gave_up      TEXT,                       -- short, greeting, menu, queue, ringing; NULL for whoever did not
    transferred_to TEXT,                     -- the last line or queue
    called_back  INTEGER NOT NULL,           -- 1: we called them
    called_first TEXT,                       -- the city's line that sent the call on to us
    cause        TEXT,                       -- why the caller's network ended it: SIP 487, Q.850 16
    PRIMARY KEY (arrived_ms, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX calls_by_queue ON calls (queue, arrived_ms);
CREATE INDEX calls_by_agent ON calls (agent, arrived_ms);
CREATE INDEX calls_by_person ON calls (person, arrived_ms);
";

/// A call that is filed again replaces its row: what was said last is what is known.
pub(crate) const INSERT: &str = "
INSERT OR REPLACE INTO calls
    (arrived_ms, call, number, caller, lang, path, queue, waited_ms, to_human_ms, agent, talked_ms, ended_ms, outcome, hung_up_by, version,
     person, ticket, class, gave_up, transferred_to, called_back, called_first, cause)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)";

/// Newest first.
pub(crate) const SELECT: &str = "
SELECT arrived_ms, call, number, caller, lang, path, queue, waited_ms, to_human_ms, agent, talked_ms, ended_ms, outcome, hung_up_by, version,
    person, ticket, class, gave_up, transferred_to, called_back, called_first, cause
FROM calls ORDER BY arrived_ms DESC, call DESC LIMIT ?1";
