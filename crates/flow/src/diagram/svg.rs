//! The picture as SVG 1.1: shapes, words and strokes say everything, colours only say it again.
//!
//! Colours are those of Okabe and Ito, which people with any colour vision can tell apart. A step of each kind has its own outline and
//! names its kind; the way of silence is dashed, the way of those who are not taken is dotted: so a print in black and white loses
//! nothing.

use super::layout::{Link, Place, Plan, Size, plan};
use super::text::{width, wrap};
use super::{Diagram, Kind, Mark, Node, Pace, word};
use crate::problem::{Severity, Tongue};
use std::fmt::Write;

const NAME: f64 = 15.0;
const WORDS: f64 = 12.0;
const SMALL: f64 = 11.0;
/// The widest line of a box.
const COLUMN: f64 = 250.0;
/// Between the outline of a box and its words.
const PADDING: f64 = 10.0;
/// Around the whole.
const MARGIN: f64 = 24.0;
/// Room above the first box for the sign that a call comes in there.
const HEADROOM: f64 = 40.0;
/// The narrowest page: the legend must have room.
const PAGE_MIN: f64 = 780.0;
const RED: &str = "#b00020";
const INK: &str = "#1a1a1a";

/// A line of text, from the upper edge of its box.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) size: f64,
    bold: bool,
    ink: &'static str,
    pub(super) base: f64,
}

/// A diagram with its places.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) lines: Vec<Vec<Line>>,
    pub(super) sizes: Vec<Size>,
    pub(super) plan: Plan,
}

impl Sheet {
    pub(super) fn of(diagram: &Diagram) -> Sheet {
        let (sizes, lines): (Vec<Size>, Vec<Vec<Line>>) = diagram.nodes.iter().map(measure).unzip();
        let words = |words: &str| (!words.is_empty()).then(|| (width(words, SMALL) + 10.0, 18.0));
        let links = diagram.edges.iter().map(|e| Link { from: e.from, to: e.to, words: words(&e.words) }).collect::<Vec<_>>();
        let plan = plan(&sizes, &links);
        Sheet { lines, sizes, plan }
    }
}

/// How much of the left and right side the outline takes.
fn corner(kind: Kind, height: f64) -> f64 {
    match kind {
        Kind::Say | Kind::Quiet | Kind::Missing => 2.0,
        Kind::Menu | Kind::Claim | Kind::Transfer => 16.0,
        Kind::Hours => 10.0,
        Kind::Queue => (height / 2.0).min(26.0),
        Kind::HangUp => 12.0,
    }
}

/// A box around its words.
fn measure(node: &Node) -> (Size, Vec<Line>) {
    let mut lines: Vec<Line> = Vec::new();
    let mut base = 4.0;
    let mut add = |texts: Vec<String>, size: f64, bold: bool, ink: &'static str| {
        for text in texts {
            base += size + 4.0;
            lines.push(Line { text, size, bold, ink, base });
        }
    };
    // Bold letters are wider.
    add(wrap(&node.name, NAME * 1.1, COLUMN, 3), NAME, true, INK);
    add(wrap(&node.about, SMALL, COLUMN, 2), SMALL, false, "#444444");
    let depth = if node.kind == Kind::Menu { 4 } else { 2 };
    for says in &node.says {
        add(wrap(says, WORDS, COLUMN, depth), WORDS, false, INK);
    }
    for fact in &node.facts {
        add(wrap(fact, SMALL, COLUMN, 2), SMALL, false, "#444444");
    }
    let height = base + 10.0;
    let wide = lines.iter().map(|line| width(&line.text, line.size) * if line.bold { 1.1 } else { 1.0 }).fold(60.0, f64::max);
    let corner = corner(node.kind, height);
    (Size { width: (wide + 2.0 * (corner + PADDING)).ceil(), height: height.ceil(), corner }, lines)
}

pub(super) fn page(diagram: &Diagram) -> String {
    let sheet = Sheet::of(diagram);
    let mut svg = Svg { out: String::new() };
    let wide = (sheet.plan.width + 2.0 * MARGIN).max(PAGE_MIN);
    let top = MARGIN + 26.0 + 18.0 * diagram.subtitle.len() as f64 + HEADROOM;
    let left = ((wide - sheet.plan.width) / 2.0).round();
    svg.group(left, top);
    for (edge, link) in diagram.edges.iter().zip(&sheet.plan.lines) {
        svg.line(link, edge.pace);
    }
    for (edge, place) in diagram.edges.iter().zip(&sheet.plan.words) {
        if let Some(place) = place {
            svg.words(place, edge.pace, &edge.words);
        }
    }
    for (index, node) in diagram.nodes.iter().enumerate() {
        svg.node(node, &sheet.plan.boxes[index], sheet.sizes[index].corner, &sheet.lines[index], &diagram.marks);
    }
    svg.end_group();
    let mut y = svg.legend(diagram, top + sheet.plan.height + 46.0, wide);
    y = svg.problems(diagram, y + 10.0, wide);
    head(diagram, wide, y + MARGIN) + &svg.out + "</svg>\n"
}

fn head(diagram: &Diagram, wide: f64, tall: f64) -> String {
    let lang = word(diagram.tongue, "en", "ja");
    let name = escape(diagram.name.as_str());
    let title = format!("{} {name}", word(diagram.tongue, "Flow", "フロー"));
    let mut svg = Svg { out: String::new() };
    let out = &mut svg.out;
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" xml:lang=\"{lang}\" width=\"{wide}\" height=\"{tall}\" \
         viewBox=\"0 0 {wide} {tall}\" font-family=\"sans-serif\" role=\"img\">\n<title>{title}</title>"
    );
    out.push_str("<defs>\n");
    for (id, ink) in [("go", INK), ("silent", pace_ink(Pace::Silence)), ("else", pace_ink(Pace::Otherwise))] {
        let _ = writeln!(
            out,
            "<marker id=\"{id}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" \
             markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0,0 L10,5 L0,10 z\" fill=\"{ink}\"/></marker>"
        );
    }
    let _ = writeln!(out, "</defs>\n<rect width=\"{wide}\" height=\"{tall}\" fill=\"#ffffff\"/>");
    svg.text(MARGIN, MARGIN + 16.0, 20.0, true, INK, &format!("{} {}", word(diagram.tongue, "Flow", "フロー"), diagram.name));
    for (number, line) in diagram.subtitle.iter().enumerate() {
        svg.text(MARGIN, MARGIN + 38.0 + 18.0 * number as f64, 13.0, false, "#444444", line);
    }
    svg.out
}

struct Svg {
    out: String,
}

impl Svg {
    fn group(&mut self, x: f64, y: f64) {
        let _ = writeln!(self.out, "<g transform=\"translate({x},{y})\">");
    }
    fn end_group(&mut self) {
        self.out.push_str("</g>\n");
    }

    fn text(&mut self, x: f64, y: f64, size: f64, bold: bool, ink: &str, text: &str) {
        self.anchored(x, y, size, bold, ink, text, "start");
    }
    fn centred(&mut self, x: f64, y: f64, size: f64, bold: bool, ink: &str, text: &str) {
        self.anchored(x, y, size, bold, ink, text, "middle");
    }
    #[expect(clippy::too_many_arguments, reason = "what a line of text is: place, font, ink, words")]
    fn anchored(&mut self, x: f64, y: f64, size: f64, bold: bool, ink: &str, text: &str, anchor: &str) {
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let text = escape(text);
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight} fill=\"{ink}\" text-anchor=\"{anchor}\">{text}</text>"
        );
    }

    fn line(&mut self, points: &[(f64, f64)], pace: Pace) {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| points.get(before));
            let _ = match before {
                None => write!(path, "M{x},{y}"),
                Some((px, _)) if px == x => write!(path, " L{x},{y}"),
                Some((px, py)) => {
                    let middle = f64::midpoint(*py, *y);
                    write!(path, " C{px},{middle} {x},{middle} {x},{y}")
                }
            };
        }
        let (dashes, marker, ink) = (dashes(pace), marker(pace), pace_ink(pace));
        let _ = writeln!(
            self.out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.6\"{dashes} marker-end=\"url(#{marker})\"/>"
        );
    }

    fn words(&mut self, place: &Place, pace: Pace, words: &str) {
        let Place { x, y, width, height } = place;
        let _ = writeln!(self.out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"3\" fill=\"#ffffff\"/>");
        let middle = x + width / 2.0;
        self.centred(middle, y + 13.0, SMALL, pace == Pace::Key, pace_ink(pace), words);
    }

    fn node(&mut self, node: &Node, place: &Place, corner: f64, lines: &[Line], marks: &[Mark]) {
        let worst = node.marks.iter().filter_map(|number| marks.get(number - 1)).map(|mark| mark.severity).min();
        self.out.push_str("<g>\n");
        if !node.marks.is_empty() {
            let told: Vec<String> = node.marks.iter().filter_map(|n| Some(format!("{n}. {}", marks.get(n - 1)?.sentence))).collect();
            let _ = writeln!(self.out, "<title>{}</title>", escape(&told.join("\n")));
        }
        let middle = place.x + place.width / 2.0;
        if node.start {
            let top = place.y - 30.0;
            let _ = writeln!(self.out, "<circle cx=\"{middle}\" cy=\"{top}\" r=\"7\" fill=\"{INK}\"/>");
            self.line(&[(middle, top), (middle, place.y)], Pace::Itself);
        }
        self.outline(node.kind, place, corner, worst);
        for line in lines {
            self.centred(middle, place.y + line.base, line.size, line.bold, line.ink, &line.text);
        }
        for (number, mark) in node.marks.iter().enumerate() {
            if let Some(found) = marks.get(mark - 1) {
                self.mark(place.x + place.width - corner - 4.0 - 28.0 * number as f64, place.y, *mark, found.severity);
            }
        }
        self.out.push_str("</g>\n");
    }

    fn outline(&mut self, kind: Kind, place: &Place, c: f64, worst: Option<Severity>) {
        let (fill, own) = colours(kind);
        let (ink, thick) = match worst {
            Some(Severity::Error) => (RED, 3.5),
            Some(Severity::Warning) => ("#c77700", 3.0),
            None => (own, if kind == Kind::HangUp { 3.0 } else { 1.8 }),
        };
        let style = format!("fill=\"{fill}\" stroke=\"{ink}\" stroke-width=\"{thick}\"");
        let (l, t, r, b) = (place.x, place.y, place.x + place.width, place.y + place.height);
        let middle = f64::midpoint(t, b);
        let polygon = |points: &[(f64, f64)]| {
            let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
            format!("<polygon points=\"{}\" {style}/>", points.join(" "))
        };
        let Place { x, y, width, height } = place;
        let rect = |more: &str| format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {more} {style}/>");
        let shape = match kind {
            Kind::Say => rect("rx=\"2\""),
            Kind::Quiet => rect("rx=\"2\" stroke-dasharray=\"1 2\""),
            Kind::Missing => rect("stroke-dasharray=\"6 4\""),
            Kind::Queue => rect(&format!("rx=\"{c}\"")),
            Kind::Menu => polygon(&[(l + c, t), (r - c, t), (r, middle), (r - c, b), (l + c, b), (l, middle)]),
            Kind::Transfer => polygon(&[(l + c, t), (r, t), (r - c, b), (l, b)]),
            Kind::HangUp => polygon(&[(l + c, t), (r - c, t), (r, t + c), (r, b - c), (r - c, b), (l + c, b), (l, b - c), (l, t + c)]),
            Kind::Claim => {
                let fold = format!("<path d=\"M{},{t} L{},{} L{r},{}\" {style}/>", r - c, r - c, t + c, t + c);
                polygon(&[(l, t), (r - c, t), (r, t + c), (r, b), (l, b)]) + &fold
            }
            Kind::Hours => {
                let bar = |x: f64| format!("<path d=\"M{x},{t} V{b}\" {style}/>");
                rect("") + &bar(l + 7.0) + &bar(r - 7.0)
            }
        };
        let _ = writeln!(self.out, "{shape}");
    }

    /// A problem's number: an error in a red disc, a warning in a triangle.
    fn mark(&mut self, x: f64, y: f64, number: usize, severity: Severity) {
        let _ = match severity {
            Severity::Error => writeln!(self.out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"11\" fill=\"{RED}\" stroke=\"#ffffff\"/>"),
            Severity::Warning => writeln!(
                self.out,
                "<polygon points=\"{x},{} {},{} {},{}\" fill=\"#ffc53d\" stroke=\"{INK}\"/>",
                y - 13.0,
                x + 13.0,
                y + 9.0,
                x - 13.0,
                y + 9.0
            ),
        };
        let ink = if severity == Severity::Error { "#ffffff" } else { INK };
        self.centred(x, y + if severity == Severity::Error { 4.0 } else { 6.0 }, SMALL, true, ink, &number.to_string());
    }

    /// What the shapes and the lines mean; the lower edge of it.
    fn legend(&mut self, diagram: &Diagram, top: f64, wide: f64) -> f64 {
        let tongue = diagram.tongue;
        let mut at = (MARGIN, top);
        let step = |needed: f64, at: &mut (f64, f64)| {
            if at.0 + needed > wide - MARGIN {
                *at = (MARGIN, at.1 + 30.0);
            }
            let here = *at;
            at.0 += needed;
            here
        };
        let mut kinds: Vec<Kind> = diagram.nodes.iter().map(|node| node.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let words = meaning(tongue, kind);
            let (x, y) = step(54.0 + width(words, WORDS) + 20.0, &mut at);
            let place = Place { x, y: y - 11.0, width: 44.0, height: 22.0 };
            self.outline(kind, &place, corner(kind, 22.0).min(11.0), None);
            self.text(x + 52.0, y + 4.0, WORDS, false, INK, words);
        }
        at = (MARGIN, at.1 + 30.0);
        let paces = [
            (Pace::Key, word(tongue, "a key is pressed", "キーを押したとき")),
            (Pace::Silence, word(tongue, "nothing is pressed", "何も押さないとき")),
            (Pace::Otherwise, word(tongue, "not taken, or by the wait", "受けられないとき・待ち時間により")),
        ];
        for (pace, words) in paces {
            let (x, y) = step(64.0 + width(words, WORDS) + 20.0, &mut at);
            self.line(&[(x, y), (x + 54.0, y)], pace);
            self.text(x + 62.0, y + 4.0, WORDS, false, INK, words);
        }
        at.1 + 20.0
    }

    /// Every problem with its number, its place and its sentence; the lower edge of it.
    fn problems(&mut self, diagram: &Diagram, top: f64, wide: f64) -> f64 {
        let mut y = top;
        for (number, mark) in (1..).zip(&diagram.marks) {
            y += 10.0;
            self.mark(MARGIN + 12.0, y, number, mark.severity);
            let severity = match (mark.severity, diagram.tongue) {
                (Severity::Error, Tongue::En) => "error",
                (Severity::Error, Tongue::Ja) => "誤り",
                (Severity::Warning, Tongue::En) => "warning",
                (Severity::Warning, Tongue::Ja) => "注意",
            };
            let sentence = format!("{severity} {}: {}", mark.place, mark.sentence);
            for line in wrap(&sentence, WORDS, wide - 2.0 * MARGIN - 40.0, 6) {
                self.text(MARGIN + 34.0, y + 4.0, WORDS, false, INK, &line);
                y += 17.0;
            }
        }
        y
    }
}

fn meaning(tongue: Tongue, kind: Kind) -> &'static str {
    match kind {
        Kind::Say => word(tongue, "says something", "案内する"),
        Kind::Menu => word(tongue, "asks for a key", "キーを待つ"),
        Kind::Hours => word(tongue, "the calendar decides", "時間帯で分かれる"),
        Kind::Queue => word(tongue, "waits for a person", "担当者を待つ"),
        Kind::Transfer => word(tongue, "put through to a line", "外の電話へ転送"),
        Kind::Claim => word(tongue, "written down: we call back", "折り返し・お預かり"),
        Kind::HangUp => word(tongue, "the call ends", "電話を切る"),
        Kind::Quiet => word(tongue, "unnoticed by the caller", "音のない処理"),
        Kind::Missing => word(tongue, "missing or unreadable", "ない・読めない"),
    }
}

/// Fill and outline.
pub(super) fn colours(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Say => ("#ffffff", "#555555"),
        Kind::Menu => ("#fff6c8", "#8a6d00"),
        Kind::Hours => ("#f6e4ee", "#9c4f7c"),
        Kind::Queue => ("#d3f0e6", "#007a5a"),
        Kind::Transfer => ("#d9ecfa", "#005f99"),
        Kind::Claim => ("#e6f5d8", "#4d7a1f"),
        Kind::HangUp => ("#e4e4e4", "#333333"),
        Kind::Quiet => ("#fafafa", "#777777"),
        Kind::Missing => ("#ffffff", RED),
    }
}

fn pace_ink(pace: Pace) -> &'static str {
    match pace {
        Pace::Itself | Pace::Key => INK,
        Pace::Silence => "#0060a8",
        Pace::Otherwise => "#9a4a00",
    }
}

fn marker(pace: Pace) -> &'static str {
    match pace {
        Pace::Itself | Pace::Key => "go",
        Pace::Silence => "silent",
        Pace::Otherwise => "else",
    }
}

fn dashes(pace: Pace) -> &'static str {
    match pace {
        Pace::Itself | Pace::Key => "",
        Pace::Silence => " stroke-dasharray=\"9 5\"",
        Pace::Otherwise => " stroke-dasharray=\"2 4\"",
    }
}

/// As text of an XML document: no markup, and none of the signs that XML 1.0 has no place for (section 2.2).
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}
