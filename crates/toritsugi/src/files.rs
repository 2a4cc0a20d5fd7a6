//! The files of a city: from two folders, or from the example city inside the binary.

use crate::CityArgs;
use crate::words::Stop;
use flow::{Problem, Severity, Source, Tongue};
use model::Pcm;
use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Files in one folder, with its subfolders.
const FILES_MAX: usize = 2_000;

/// The folder of the small flows to learn from, among the flows.
const EXAMPLES: &str = "examples";
/// Where a small flow lies in what [`Files::read`] gives, and where its sentences do: no file of a city is called so.
const EXAMPLE_FLOW: &str = "flows/example/";
const EXAMPLE_PROMPTS: &str = "flows/prompts/example/prompts.yaml";

/// Where the files of a city come from.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    config: Place,
    flows: Place,
    /// A file of `flows/examples/`, read in the place of the flow of the same name.
    example: Option<PathBuf>,
}

#[derive(Clone, Debug)]
enum Place {
    Folder(PathBuf),
    /// The example city in the binary, below this name.
    Shipped(&'static str),
}

impl Files {
    /// The folders named, else `./config` and `./flows`, else the built-in example city. A folder that is named must be there. Instead of the
    /// folder of the flows, a file of its `examples/` may be named.
    pub(crate) fn find(args: &CityArgs) -> Result<Files, Stop> {
        let config = place(args.config.as_deref(), "config")?;
        if let Some((folder, file)) = args.flows.as_deref().and_then(|path| Some((around_example(path)?, path.to_owned()))) {
            return Ok(Files { config, flows: Place::Folder(folder), example: Some(file) });
        }
        let flows = place(args.flows.as_deref(), "flows")?;
        Ok(Files { config, flows, example: None })
    }

    /// In words, for the banner and for what is said of a city as a whole.
    pub(crate) fn describe(&self, tongue: Tongue) -> String {
        match (&self.config, &self.flows, tongue) {
            (Place::Shipped(_), Place::Shipped(_), Tongue::En) => "the built-in example city".to_owned(),
            (Place::Shipped(_), Place::Shipped(_), Tongue::Ja) => "内蔵の見本の市".to_owned(),
            (config, flows, Tongue::En) => format!("{} and {}", name(flows, tongue), name(config, tongue)),
            (config, flows, Tongue::Ja) => format!("{} と {}", name(flows, tongue), name(config, tongue)),
        }
    }

    /// Where a file lies that [`Files::read`] calls `config/agents.yaml`: what people can open.
    pub(crate) fn real(&self, path: &str) -> String {
        if let Some(file) = &self.example {
            if path.starts_with(EXAMPLE_FLOW) {
                return file.display().to_string();
            }
            if path == EXAMPLE_PROMPTS {
                return file.with_file_name("prompts.yaml").display().to_string();
            }
        }
        for (place, title) in [(&self.config, "config"), (&self.flows, "flows")] {
            if let (Place::Folder(folder), Ok(rest)) = (place, Path::new(path).strip_prefix(title)) {
                return folder.join(rest).display().to_string();
            }
        }
        path.to_owned()
    }

    /// Problems as people read them, each with the path that they can open.
    pub(crate) fn render(&self, problems: &[Problem], sources: &[Source], tongue: Tongue, colour: bool) -> String {
        let (problems, sources) = self.as_opened(problems, sources);
        flow::render(&problems, &sources, tongue, colour)
    }

    /// Problems as programs read them, each with the path that they can open.
    pub(crate) fn json(&self, problems: &[Problem], sources: &[Source], tongue: Tongue) -> String {
        let (problems, sources) = self.as_opened(problems, sources);
        flow::json(&problems, &sources, tongue)
    }

    fn as_opened(&self, problems: &[Problem], sources: &[Source]) -> (Vec<Problem>, Vec<Source>) {
        let problems = problems.iter().map(|p| Problem { path: self.real(&p.path), ..p.clone() }).collect();
        let sources = sources.iter().map(|s| Source { path: self.real(&s.path), text: s.text.clone() }).collect();
        (problems, sources)
    }

    /// The city's texts, each below `config/` or `flows/` wherever its folder lies: so they are known, and so a city keeps its version when it
    /// moves.
    pub(crate) fn read(&self) -> Result<Vec<Source>, Stop> {
        let mut sources = Vec::new();
        for (place, title) in [(&self.config, "config"), (&self.flows, "flows")] {
            match place {
                Place::Folder(folder) => {
                    let mut paths = Vec::new();
                    walk(folder, &mut paths)?;
                    paths.sort();
                    for path in paths {
                        let shown = Path::new(title).join(path.strip_prefix(folder).unwrap_or(&path)).display().to_string();
                        sources.push(Source { path: shown, text: read_text(&path)? });
                    }
                }
                Place::Shipped(title) => {
                    for (path, bytes) in FILES.iter().filter(|(path, _)| path.starts_with(title) && is_text(Path::new(path))) {
                        sources.push(Source { path: (*path).to_owned(), text: String::from_utf8_lossy(bytes).into_owned() });
                    }
                }
            }
        }
        if let Some(file) = &self.example {
            put_example(file, &mut sources)?;
        }
        Ok(sources)
    }

    /// Leaves out what is no fault of a small flow: warnings about the city around it. An error stops it wherever it stands.
    pub(crate) fn leave_to_the_city(&self, problems: &mut Vec<Problem>) {
        let own = |path: &str| path.starts_with(EXAMPLE_FLOW) || path == EXAMPLE_PROMPTS;
        if self.example.is_some() {
            problems.retain(|problem| problem.severity == Severity::Error || own(&problem.path));
        }
    }

    /// Every text whose change would change the city; none of a built-in city.
    pub(crate) fn texts(&self) -> Result<Vec<PathBuf>, Stop> {
        let mut paths = Vec::new();
        for place in [&self.config, &self.flows] {
            if let Place::Folder(folder) = place {
                walk(folder, &mut paths)?;
            }
        }
        Ok(paths)
    }

    /// Every recording; none of a built-in city.
    pub(crate) fn recordings(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        if let Place::Folder(folder) = &self.flows {
            recordings(&folder.join("prompts/recorded"), &mut paths, 0);
        }
        paths
    }

    /// The file or, where it is gone, the folder that [`Files::read`] calls so; `None` in a built-in city.
    pub(crate) fn on_disk(&self, path: &str) -> Option<PathBuf> {
        for (place, title) in [(&self.config, "config"), (&self.flows, "flows")] {
            if let (Place::Folder(folder), Ok(rest)) = (place, Path::new(path).strip_prefix(title)) {
                let file = folder.join(rest);
                return Some(if file.exists() { file } else { folder.clone() });
            }
        }
        None
    }

    /// Whether there is anything on the disk that could change.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.config, Place::Folder(_)) || matches!(self.flows, Place::Folder(_))
    }

    /// A recorded file, by its path below `prompts/recorded/`.
    pub(crate) fn recorded(&self, file: &str) -> Result<Pcm, String> {
        if Path::new(file).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(format!("{file} leaves the folder of recordings"));
        }
        match &self.flows {
            Place::Folder(folder) => {
                let path = folder.join("prompts/recorded").join(file);
                speech::read_recorded(&path).map_err(|fault| fault.to_string())
            }
            Place::Shipped(title) => {
                let path = format!("{title}/prompts/recorded/{file}");
                let found = FILES.iter().find(|(name, _)| *name == path);
                let (_, bytes) = found.ok_or_else(|| format!("{path} is not among the built-in recordings"))?;
                speech::decode_recorded(Path::new(&path), bytes).map_err(|fault| fault.to_string())
            }
        }
    }
}

/// Makes the state folder, if it is not there, for its owner alone. One that was there keeps the rights that somebody gave it.
pub(crate) fn make_private(state: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(state)
}

/// The folder of flows around a small flow: `flows` for `flows/examples/ask.yaml`; `None` for any other path.
pub(crate) fn around_example(path: &Path) -> Option<PathBuf> {
    let name = path.file_name().filter(|name| path.is_file() && is_text(path) && name.to_string_lossy() != "prompts.yaml")?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        // `ask.yaml`, typed in the folder itself.
        _ => std::path::absolute(name).ok()?.parent()?.to_owned(),
    };
    let flows = folder.parent().filter(|_| folder.ends_with(EXAMPLES))?;
    Some(if flows.as_os_str().is_empty() { PathBuf::from(".") } else { flows.to_owned() })
}

/// Reads a small flow, with the sentences beside it, in the place of the flow of the same name and of its example calls.
fn put_example(file: &Path, sources: &mut Vec<Source>) -> Result<(), Stop> {
    let name = file.file_name().unwrap_or_default();
    let example = Source { path: Path::new(EXAMPLE_FLOW).join(name).display().to_string(), text: read_text(file)? };
    let flow_of = |source: &Source| flow::read(vec![source.clone()]).flow_in(&source.path).cloned();
    let replaced = flow_of(&example);
    let stems: Vec<String> =
        sources.iter().filter(|source| replaced.is_some() && flow_of(source) == replaced).map(|s| stem(&s.path)).collect();
    sources.retain(|source| !stems.contains(&stem(&source.path)) && !Path::new(&source.path).starts_with("flows/examples"));
    let prompts = file.with_file_name("prompts.yaml");
    if prompts.is_file() {
        sources.push(Source { path: EXAMPLE_PROMPTS.to_owned(), text: read_text(&prompts)? });
    }
    sources.push(example);
    Ok(())
}

/// `flows/city` of `flows/city.yaml` and of `flows/city.tests.yaml`.
fn stem(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/{}", file.split('.').next().unwrap_or(file))
}

fn place(named: Option<&Path>, title: &'static str) -> Result<Place, Stop> {
    match named {
        Some(folder) if folder.is_dir() => Ok(Place::Folder(folder.to_owned())),
        Some(file) if file.is_file() => {
            let folder = file.parent().map_or_else(|| ".".to_owned(), |p| p.display().to_string());
            Err(Stop::new(format!("{} is a file, and a city is more than one: name its folder, {folder}", file.display())))
        }
        Some(folder) => Err(Stop::new(format!("there is no folder {}: name the one with the city's {title} files", folder.display()))),
        None if Path::new(title).is_dir() => Ok(Place::Folder(PathBuf::from(title))),
        None => Ok(Place::Shipped(title)),
    }
}

fn name(place: &Place, tongue: Tongue) -> String {
    match (place, tongue) {
        (Place::Folder(folder), _) => folder.display().to_string(),
        (Place::Shipped(title), Tongue::En) => format!("the built-in {title}"),
        (Place::Shipped(title), Tongue::Ja) => format!("内蔵の {title}"),
    }
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "csv")
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), Stop> {
    let unreadable = |fault: std::io::Error| Stop::new(format!("the folder {} cannot be read: {fault}", folder.display()));
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        let (is_folder, is_file) = kind(&entry, &path);
        if is_folder {
            if path.file_name().is_some_and(|n| n == "recorded") {
                continue;
            }
            walk(&path, into)?;
        } else if is_text(&path) && is_file {
            into.push(path);
        }
        if into.len() > FILES_MAX {
            return Err(Stop::new(format!("{} holds more than {FILES_MAX} files: is it the right folder?", folder.display())));
        }
    }
    Ok(())
}

/// Whether that is a folder, and whether it is a file: asked of the folder that it lies in, which knows. A link is followed.
fn kind(entry: &fs::DirEntry, path: &Path) -> (bool, bool) {
    match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => (kind.is_dir(), kind.is_file()),
        _ => (path.is_dir(), path.is_file()),
    }
}

/// The recordings in a folder and the folders of languages in it.
fn recordings(folder: &Path, into: &mut Vec<PathBuf>, depth: usize) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let (is_folder, _) = kind(&entry, &path);
        if is_folder && depth < 3 {
            recordings(&path, into, depth + 1);
        } else if into.len() < 2 * FILES_MAX {
            into.push(path);
        }
    }
}

/// A text, good or bad: what is no UTF-8, or is cut because there is too much of it, is a problem like others and told with them.
fn read_text(path: &Path) -> Result<String, Stop> {
    let unreadable = |fault: std::io::Error| Stop::new(format!("{} cannot be read: {fault}", path.display()));
    let mut bytes = Vec::new();
    // Some bytes more than are read, so that a letter that was cut lies behind the bound.
    fs::File::open(path).map_err(unreadable)?.take(flow::FILE_MAX as u64 + 4).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|fault| String::from_utf8_lossy(fault.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_in_the_file_that_was_named() {
        let folder = std::env::temp_dir().join(format!("toritsugi-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("agents.yaml"), "yuki: [\n").unwrap();
        let files = Files::find(&CityArgs { config: Some(folder.clone()), flows: None }).unwrap();
        let sources = files.read().unwrap();
        let checked = flow::check(&flow::read(sources.clone()), &flow::Known::default());
        let page = files.render(&checked.problems, &sources, Tongue::En, false);
        fs::remove_dir_all(&folder).unwrap();
        let real = folder.join("agents.yaml").display().to_string();
        assert!(page.contains(&format!("{real}:")), "{real} is not in\n{page}");
        assert!(!page.contains(" config/agents.yaml:"), "{page}");
    }

    #[test]
    fn an_example_stands_in_the_place_of_the_flow_of_its_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let config = Some(root.join("config"));
        for entry in fs::read_dir(root.join("flows/examples")).unwrap() {
            let file = entry.unwrap().path();
            if file.file_name().is_some_and(|name| name == "README.md" || name == "prompts.yaml") {
                continue;
            }
            let files = Files::find(&CityArgs { config: config.clone(), flows: Some(file.clone()) }).unwrap();
            let sources = files.read().unwrap();
            let draft = flow::read(sources.clone());
            let known = flow::Known { voices: ["ja", "ja-easy"].map(model::Lang::from).into(), ..flow::Known::default() };
            let mut checked = flow::check(&draft, &known);
            checked.problems.extend(flow::examples(&draft, &sources).1);
            files.leave_to_the_city(&mut checked.problems);
            assert_eq!(files.render(&checked.problems, &sources, Tongue::En, false), "", "{}", file.display());
            assert_eq!(checked.book.unwrap().flows.len(), 3, "the other flows of the city stand beside it");
            let own = sources.iter().map(|source| files.real(&source.path)).filter(|path| *path == file.display().to_string());
            assert_eq!(own.count(), 1, "{} is read, and named as it was", file.display());
        }
    }

    /// The codes and places of what is found in a city with these files in `config/`, and the pages in both languages.
    fn found(name: &str, config: &[(&str, &[u8])]) -> (Vec<(&'static str, u32, u32)>, [String; 2]) {
        let folder = std::env::temp_dir().join(format!("toritsugi-files-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in config {
            fs::write(folder.join(file), bytes).unwrap();
        }
        let files = Files::find(&CityArgs { config: Some(folder.clone()), flows: None }).unwrap();
        let sources = files.read().unwrap();
        let problems = flow::check(&flow::read(sources.clone()), &flow::Known::default()).problems;
        let pages = [Tongue::En, Tongue::Ja].map(|tongue| files.render(&problems, &sources, tongue, false));
        fs::remove_dir_all(&folder).unwrap();
        (problems.iter().map(|problem| (problem.code, problem.line, problem.column)).collect(), pages)
    }

    #[test]
    fn a_file_that_is_not_utf8_is_a_problem_beside_all_others() {
        // 看護 in Shift-JIS.
        let shift_jis: &[u8] = b"# agents\nyuki: { name: \x8a\xc5\x8c\xec }\n";
        let utf16: Vec<u8> = "\u{feff}lines: {}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let (found, [en, ja]) = found("letters", &[("agents.yaml", shift_jis), ("lines.yaml", &utf16), ("breaks.yaml", b"a: [\n")]);
        assert!(found.contains(&("not_utf8", 2, 15)), "{found:?}");
        assert!(found.contains(&("not_utf8", 1, 1)), "{found:?}");
        assert!(found.iter().any(|(code, ..)| *code != "not_utf8"), "{found:?}");
        assert!(en.contains("agents.yaml:2:15") && en.contains("Notepad") && !en.contains('\u{fffd}'), "{en}");
        assert!(ja.contains("メモ帳"), "{ja}");
    }

    #[test]
    fn a_file_that_is_too_large_is_a_problem_beside_all_others() {
        // The bound lies within a letter.
        let large = format!("# a{}", "看".repeat(1 << 20));
        let (found, [en, _]) = found("large", &[("agents.yaml", large.as_bytes()), ("breaks.yaml", b"a: [\n")]);
        assert!(found.contains(&("file_too_large", 1, 1)) && !found.iter().any(|(code, ..)| *code == "not_utf8"), "{found:?}");
        assert!(found.len() > 1 && !en.contains("看看看"), "{found:?}");
    }

    #[test]
    fn a_city_is_named_without_a_word_of_another_language() {
        let folder = std::env::temp_dir();
        let files =
            |config: Option<&Path>| Files { config: place(config, "config").unwrap(), flows: Place::Shipped("flows"), example: None };
        let named = files(Some(&folder)).describe(Tongue::Ja);
        assert_eq!(named, format!("内蔵の flows と {}", folder.display()));
        assert_eq!(files(Some(&folder)).describe(Tongue::En), format!("the built-in flows and {}", folder.display()));
    }
}
