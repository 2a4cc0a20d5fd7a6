//! `toritsugi`: the front door of a city's telephone. One number is answered, a menu is spoken, the right person's phone rings.
//!
//! The roof of the house: it reads files, wires the rooms together and talks to whoever types the command.
//!
//! Deliberately absent: anything that a room below could decide. What stands here is wiring, words for people, and exit codes.

mod accounts;
mod audit;
mod board;
mod by_hand;
mod call;
mod calls_list;
mod check;
mod client;
mod collector;
mod demo;
mod desk;
mod diagram;
mod examples;
mod explain;
mod files;
mod health;
mod history;
mod hub;
mod manager;
mod manual;
mod office;
mod publish;
mod publisher;
mod rehearse;
mod report;
mod schema;
mod serve;
mod staff;
mod status;
mod tape;
mod theory;
mod tokens;
mod top;
mod trace;
mod versions;
mod voicemail;
mod walk;
mod watcher;
mod words;
mod zone;

#[cfg(test)]
mod privacy;
#[cfg(test)]
mod runbooks;

use clap::{Args, CommandFactory, Parser, Subcommand};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a call is made of is written by one thread and read by four others: an allocator in which a thread frees what another one has made, and waits for
/// nobody.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One number in front of a city's hotlines: answers the line, speaks menus, finds the right person.
#[derive(Parser)]
#[command(name = "toritsugi", version, about, disable_help_subcommand = true, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Answer calls (what happens without a command, too)
    Serve(ServeArgs),
    /// Check flow and configuration files; nothing goes live. Ends with 1 if there is an error, with 0 if there are warnings at most
    Check(CheckArgs),
    /// What may stand in each file, as JSON Schema for editors; with --api what programs may ask the engine
    Schema(SchemaArgs),
    /// Play the example calls that stand beside the flows (flows/NAME.tests.yaml) through the real engine, in no time
    Test(examples::TestArgs),
    /// Draw a flow as SVG or Mermaid, its problems marked on it
    Diagram(diagram::DiagramArgs),
    /// Show the whole thing working: residents and agents call each other on this machine, no phone needed
    Demo(DemoArgs),
    /// Be a phone: dial, press keys, listen, record
    Call(call::CallArgs),
    /// List the calls that were answered
    Calls(CallsArgs),
    /// Tell in plain words why a caller waited, from the journal alone
    Explain(explain::ExplainArgs),
    /// The SIP messages of a call as a ladder: who sent what, and when
    Trace(trace::TraceArgs),
    /// What a day was like for the people who called: attempts, persons, answer rate, four service levels
    Report(report::ReportArgs),
    /// Messages that callers left: list them, show one, mark one as done
    #[command(subcommand)]
    Voicemail(voicemail::VoicemailCommand),
    /// Which version of the city is in force, what was refused, and what is set by hand until when
    Status(status::StatusArgs),
    /// The engine as it stands, on this terminal: queues, longest waits, agents, lines, alarms. q leaves
    Top(top::TopArgs),
    /// The versions of the city that were in force: who changed what, when and why
    History(history::HistoryArgs),
    /// Put a version of before in force again; the city's files are left alone
    Rollback(history::RollbackArgs),
    /// What callers hear until an hour: set a notice, or clear it
    #[command(subcommand)]
    Notice(by_hand::NoticeCommand),
    /// Have a schedule answer open, closed or holiday until an hour, whatever the calendar says
    Override(by_hand::OverrideArgs),
    /// The agents' phone accounts, and their skills until an hour
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Who may ask the engine over HTTP: tokens with a name and a role
    #[command(subcommand)]
    Token(tokens::TokenCommand),
    /// Who did what: changes over HTTP, tokens, and who was shown what is sealed, and why
    Audit(audit::AuditArgs),
    /// The database of call records
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check that the journal is whole and unchanged; put aside what is damaged
    Verify(calls_list::VerifyArgs),
    /// How many agents each half hour needs, and what one more or one fewer would change
    Staff(staff::StaffArgs),
    /// Play days of callers through the edited city, before it goes live, and tell what the edit changes
    Rehearse(rehearse::RehearseArgs),
    /// Walk a draft as a caller: type keys, read what is spoken, decide what queues and lines do
    Try(walk::WalkArgs),
    /// Queueing theory and this program's routing side by side
    Theory(theory::TheoryArgs),
    /// The manual's pages and the shells' completions, for whoever packs the program
    #[command(hide = true)]
    Manual(manual::ManualArgs),
}

/// Where the city's files are.
#[derive(Args, Clone, Default)]
struct CityArgs {
    /// Folder with engine.yaml, agents.yaml, queues.yaml and the rest [default: ./config, or the built-in example city]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Folder with the flow files and prompts/ [default: ./flows, or the built-in example city]
    #[arg(long, value_name = "DIR")]
    flows: Option<PathBuf>,
}

#[derive(Args, Clone)]
struct StateArgs {
    /// Folder for what the engine remembers: journal, call records, rendered prompts, passwords
    #[arg(long, value_name = "DIR", default_value = "./.toritsugi")]
    state: PathBuf,
}

#[derive(Args, Clone)]
struct ServeArgs {
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
    /// Where to hear SIP, as ADDRESS or ADDRESS:PORT [default: engine.yaml, which says this machine only]
    #[arg(long, value_name = "ADDR[:PORT]")]
    listen: Option<String>,
    /// Where to serve /board, /metrics, /healthz and the agents' desk under /api, as ADDRESS:PORT [default: engine.yaml]
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,
    /// Start although city.key is lost and callbacks are booked: they are given up, for nobody can read their numbers any more
    #[arg(long)]
    forget_callbacks: bool,
    /// Do not look after the city's files: they are read at kill -HUP only
    #[arg(long)]
    no_watch: bool,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log: String,
    /// How the log is written: human for people, json for programs (one object a line)
    #[arg(long, value_name = "FORM", default_value = "human", value_parser = ["human", "json"])]
    log_format: String,
    /// Tell a collector of traces of each call that is over (OTLP over HTTP, JSON), as http://127.0.0.1:4318. Nobody is named
    #[arg(long, value_name = "URL", value_parser = collector::endpoint)]
    otlp: Option<String>,
    /// Send SIP messages to a capture server (HEP version 3 over UDP), as 127.0.0.1:9060. People's numbers are hidden in them
    #[arg(long, value_name = "ADDR:PORT")]
    hep: Option<SocketAddr>,
}

#[derive(Args)]
struct CheckArgs {
    /// Folder with the flow files and prompts/, or one file of its examples/
    #[arg(value_name = "FLOWS")]
    path: Option<PathBuf>,
    /// Folder with engine.yaml and the rest
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Language of the messages: en or ja
    #[arg(long, default_value = "en")]
    lang: String,
    /// For editors and programs: a JSON list with one object a problem (file, line, column, end_line, end_column, severity, code, message,
    /// help, suggestion), and nothing else
    #[arg(long)]
    json: bool,
    /// Show also how many seconds it takes until callers are in people's hands, in each language and on every way
    #[arg(long, conflicts_with = "json")]
    seconds: bool,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Args)]
struct SchemaArgs {
    /// Which file [default: flow; with --to all of them]
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(flow::schemas()))]
    kind: Option<String>,
    /// Language of the descriptions: en or ja
    #[arg(long, default_value = "en")]
    lang: String,
    /// The OpenAPI document of the engine's interface for programs instead, which it serves at /api/openapi.json
    #[arg(long, conflicts_with_all = ["kind", "to"])]
    api: bool,
    /// Write all of them (or the one that is named) into this folder: flow.json, queues.json and so on
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

#[derive(Args)]
struct DemoArgs {
    #[command(flatten)]
    city: CityArgs,
    /// Keep what the engine remembers in this folder, which has no journal yet: calls, explain and report can be tried on it afterwards
    /// [default: nothing is kept but the voice and the WAV, in ./.toritsugi]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Args)]
struct CallsArgs {
    #[command(flatten)]
    city: CityArgs,
    #[command(flatten)]
    state: StateArgs,
    /// How many, the newest first
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Set the password of an agent's phone: from standard input if something is piped in, else a random one is made and shown
    Password {
        /// The agent's name in agents.yaml
        name: String,
        #[command(flatten)]
        city: CityArgs,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Give an agent a level of a skill until an hour, whatever agents.yaml says: nurse=4, nurse=0 for not at all, nurse=clear to end it
    Skill(by_hand::SkillArgs),
}

#[derive(Subcommand)]
enum StoreCommand {
    /// Build the database of call records anew from the journal
    Rebuild(StateArgs),
}

fn main() -> ExitCode {
    telemetry::log::mind_panics();
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Schema(args)) => schema::run(&args),
        Some(Command::Test(args)) => examples::run(&args),
        Some(Command::Diagram(args)) => diagram::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Call(args)) => call::run(&args),
        Some(Command::Calls(args)) => calls_list::list(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Trace(args)) => trace::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Voicemail(command)) => voicemail::run(&command),
        Some(Command::Agent(AgentCommand::Password { name, city, state })) => accounts::password(&name, &city, &state),
        Some(Command::Agent(AgentCommand::Skill(args))) => by_hand::skill(&args),
        Some(Command::Status(args)) => status::run(&args),
        Some(Command::Top(args)) => top::run(&args),
        Some(Command::History(args)) => history::run(&args),
        Some(Command::Rollback(args)) => history::roll_back(&args),
        Some(Command::Notice(command)) => by_hand::notice(&command),
        Some(Command::Override(args)) => by_hand::schedule(&args),
        Some(Command::Token(command)) => tokens::run(&command),
        Some(Command::Audit(args)) => audit::run(&args),
        Some(Command::Store(StoreCommand::Rebuild(args))) => calls_list::rebuild(&args),
        Some(Command::Verify(args)) => calls_list::verify(&args),
        Some(Command::Staff(args)) => staff::run(&args),
        Some(Command::Rehearse(args)) => rehearse::run(&args),
        Some(Command::Try(args)) => walk::run(&args),
        Some(Command::Theory(args)) => theory::run(&args),
        Some(Command::Manual(args)) => manual::run(&args, &Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(words::Stop(sentence)) => {
            if !sentence.is_empty() {
                // Where nobody can read it any more, that is no reason to panic.
                let _ = writeln!(std::io::stderr(), "toritsugi: {sentence}");
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options before the command are those of nobody: an engine must not answer with another city than the one that was named.
    #[test]
    fn an_option_stands_behind_its_command() {
        assert!(Cli::try_parse_from(["toritsugi", "serve", "--config", "there"]).is_ok());
        assert!(Cli::try_parse_from(["toritsugi", "--config", "there"]).is_ok());
        assert!(Cli::try_parse_from(["toritsugi", "--config", "there", "serve"]).is_err());
    }

    #[test]
    fn who_names_no_call_is_told_where_calls_are_listed() {
        for (command, call) in [("trace", "abc"), ("explain", "-1"), ("trace", "1.5"), ("explain", "")] {
            let Err(fault) = Cli::try_parse_from(["toritsugi", command, "--", call]) else { panic!("{command} {call}") };
            assert!(fault.to_string().contains("`toritsugi calls` lists them"), "{fault}");
        }
        assert!(Cli::try_parse_from(["toritsugi", "trace", "17"]).is_ok());
    }
}
