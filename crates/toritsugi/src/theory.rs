//! `toritsugi theory`: queueing theory and this program's own routing side by side, so that anybody can see that the one does what the other says.

use crate::words::{Stop, say};
use clap::Args;
use sim::queue::rows::{self, Check, House, Row};

/// Shown without `--all`: one of each kind, and the nurses.
const A_HANDFUL: [&str; 5] = ["C3", "A4", "K3", "S3", "S6"];

#[derive(Args)]
pub(crate) struct TheoryArgs {
    /// Calls that count in each row; more calls, narrower intervals
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(3_000..=100_000_000))]
    calls: u64,
    /// Every row, not a handful
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: &TheoryArgs) -> Result<(), Stop> {
    let rows: Vec<Row> = rows::all().into_iter().filter(|row| args.all || A_HANDFUL.contains(&row.id)).collect();
    say(format_args!(
        "The ACD of this program, asked by {} simulated calls in each row; ± is where the truth is 95 times of 100. T is {} s.",
        args.calls,
        rows::WITHIN.as_secs()
    ))?;
    let (mut figures, mut inside) = (0, 0);
    for row in &rows {
        say(format_args!("\n{:<4}  {:<38} {:>12}   {:>19}", row.id, "", "theory", "simulation"))?;
        say(format_args!("      {}", row.describe()))?;
        for check in row.checks(&row.plan(args.calls).run(), 1.0) {
            let within = (check.found.value - check.exact).abs() <= check.found.within_95();
            (figures, inside) = (figures + 1, inside + u32::from(within));
            say(format_args!("      {}{}", line(row, &check), if within { "" } else { "  outside" }))?;
        }
    }
    say(format_args!("\n{inside} of {figures} figures of theory lie within the interval of the simulation; about 95 of 100 should."))?;
    if !args.all {
        say(format_args!("`toritsugi theory --all` shows all {} rows.", rows::all().len()))?;
    }
    Ok(())
}

fn line(row: &Row, check: &Check) -> String {
    let (factor, unit) = if check.is_share { (100.0, "%") } else { (1.0, "s") };
    let name = match row.house {
        House::Team(_) | House::Behind(..) => check.what.to_owned(),
        House::Skills(_) if check.what == "busy" => format!("{}, crew {}", check.what, check.of + 1),
        House::Skills(_) => format!("{}, callers of kind {}", check.what, check.of + 1),
    };
    let (exact, found, error) = (check.exact * factor, check.found.value * factor, check.found.within_95() * factor);
    format!("{name:<38} {exact:>10.2} {unit}   {found:>9.2} ± {error:>5.2} {unit}")
}
