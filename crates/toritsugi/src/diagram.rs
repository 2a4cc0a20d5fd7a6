//! `toritsugi diagram`: a flow as a picture, right or wrong, with what `check` has found marked on it.

use crate::files::{self, Files};
use crate::publish::{self, Wait};
use crate::words::{Stop, say};
use crate::{CityArgs, StateArgs};
use clap::{Args, ValueEnum};
use flow::{Diagram, Draft, Known, Source, Tongue};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct DiagramArgs {
    /// Folder with the flow files and prompts/, or one flow file in it [default: ./flows, or the built-in example city]
    #[arg(value_name = "DIR|FILE")]
    path: Option<PathBuf>,
    /// Folder with engine.yaml and the rest
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Which flow, where there are several
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// What to write: svg or mermaid
    #[arg(long, value_enum, default_value = "svg")]
    format: Format,
    /// Language of the words on the picture: en or ja
    #[arg(long, value_enum, default_value = "en")]
    lang: Language,
    /// Where to write it [default: standard output]
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Svg,
    Mermaid,
}

/// The language in which a command speaks to whoever typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    En,
    Ja,
}

impl Language {
    pub(crate) fn tongue(self) -> Tongue {
        match self {
            Language::En => Tongue::En,
            Language::Ja => Tongue::Ja,
        }
    }
}

pub(crate) fn run(args: &DiagramArgs) -> Result<(), Stop> {
    let place = FlowPlace::of(args.path.as_deref(), args.config.as_deref());
    let files = Files::find(&place.city)?;
    let sources = files.read()?;
    let draft = flow::read(sources.clone());
    let known = measured(&draft, &files, &args.state.state)?;
    let picture = picture(&draft, &known, &sources, &place, args)?;
    match &args.output {
        None => say(picture.trim_end()),
        Some(file) => fs::write(file, picture).map_err(|fault| Stop::new(format!("{} cannot be written: {fault}", file.display()))),
    }
}

fn picture(draft: &Draft, known: &Known, sources: &[Source], place: &FlowPlace, args: &DiagramArgs) -> Result<String, Stop> {
    let checked = flow::check(draft, known);
    let all = flow::diagrams(draft, known, &checked.problems, sources, args.lang.tongue());
    let diagram = place.choose(&all, args.flow.as_deref(), Diagram::name, Diagram::path)?;
    Ok(match args.format {
        Format::Svg => diagram.svg(),
        Format::Mermaid => diagram.mermaid(),
    })
}

/// What is known of the sentences, as `check` knows it.
pub(crate) fn measured(draft: &Draft, files: &Files, state: &Path) -> Result<Known, Stop> {
    let mut speech = publish::voices(state, draft.settings())?;
    Ok(publish::sound(draft, files, &mut speech, Wait::Plain, &mut |_, _| {}).1)
}

/// Where a flow was looked for: the folders, and the file if one was named.
#[derive(Clone, Default)]
pub(crate) struct FlowPlace {
    pub(crate) city: CityArgs,
    file: Option<String>,
}

impl FlowPlace {
    /// A folder with flow files, a city's folder with `flows/` and `config/` in it, or a flow file.
    pub(crate) fn of(path: Option<&Path>, config: Option<&Path>) -> FlowPlace {
        let city =
            |config: Option<&Path>, flows: Option<&Path>| CityArgs { config: config.map(Path::to_owned), flows: flows.map(Path::to_owned) };
        let Some(path) = path else { return FlowPlace { city: city(config, None), file: None } };
        if path.is_file() {
            // `city.yaml` without a folder lies in this one.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            // One of `flows/examples/` brings its folder of flows along.
            let folder = if files::around_example(path).is_some() { path } else { folder };
            let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
            return FlowPlace { city: city(config, Some(folder)), file };
        }
        let (flows, beside) = (path.join("flows"), path.join("config"));
        if flows.is_dir() {
            return FlowPlace {
                city: city(config.or(Some(&beside).filter(|d| d.is_dir()).map(PathBuf::as_path)), Some(&flows)),
                file: None,
            };
        }
        FlowPlace { city: city(config, Some(path)), file: None }
    }

    /// The one flow that is meant.
    ///
    /// # Errors
    /// When there is none, or several and none was named.
    pub(crate) fn choose<'a, T>(
        &self,
        all: &'a [T],
        wanted: Option<&str>,
        name: fn(&T) -> &model::FlowName,
        path: fn(&T) -> &str,
    ) -> Result<&'a T, Stop> {
        let names = || all.iter().map(|one| name(one).as_str()).collect::<Vec<_>>().join(", ");
        let of_file = |one: &&T| self.file.as_ref().is_none_or(|file| path(one).rsplit('/').next() == Some(file));
        let mut fitting = all.iter().filter(of_file).filter(|one| wanted.is_none_or(|wanted| name(one).as_str() == wanted));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err(Stop::new(format!("there are several flows: name one with --flow ({})", names()))),
            (None, _) if all.is_empty() => Err(Stop::new("no flow could be read: `toritsugi check` says why")),
            (None, _) => Err(Stop::new(format!("there is no such flow here; those that could be read: {}", names()))),
        }
    }
}
