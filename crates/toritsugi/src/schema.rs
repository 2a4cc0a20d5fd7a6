//! `toritsugi schema`: what may stand in each file, for the editor that completes and explains it.
//!
//! JSON Schema. An editor with a YAML server reads it by a first line such as `# yaml-language-server: $schema=../schema/flow.json`.

use crate::SchemaArgs;
use crate::check::tongue;
use crate::words::{Stop, say};
use std::fs;

pub(crate) fn run(args: &SchemaArgs) -> Result<(), Stop> {
    if args.api {
        return say(web::openapi().trim_end());
    }
    let tongue = tongue(&args.lang)?;
    let kinds: Vec<&str> = flow::schemas().collect();
    let text = |kind: &str| {
        flow::schema(kind, tongue).ok_or_else(|| Stop::new(format!("there is no schema of {kind}: the files are {}", kinds.join(", "))))
    };
    if let Some(folder) = &args.to {
        let unwritable = |fault: std::io::Error| Stop::new(format!("the schemas cannot be written to {}: {fault}", folder.display()));
        fs::create_dir_all(folder).map_err(unwritable)?;
        for kind in args.kind.as_deref().map_or_else(|| kinds.clone(), |kind| vec![kind]) {
            let path = folder.join(format!("{kind}.json"));
            fs::write(&path, text(kind)? + "\n").map_err(unwritable)?;
            say(path.display())?;
        }
        return Ok(());
    }
    say(text(args.kind.as_deref().unwrap_or("flow"))?)
}
