//! Dashboards as Grafana reads them, from few words: rows of panels, each a title in two languages, a shape, and what it asks.
//!
//! A row is laid from left to right; a panel's width is in Grafana's 24 columns. Worst things stand at the top left, where a tired eye
//! begins; a stat is green, amber or red by bounds that are those of the alarms.

mod city;
mod flow;
mod media;
mod queues;
mod sip;

use serde_json::{Value, json};

/// A dashboard.
pub(crate) struct Dashboard {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    /// What it is for, in a sentence for each language.
    pub(crate) says: &'static str,
    /// Which of the variables it has.
    pub(crate) variables: &'static [&'static str],
    pub(crate) rows: Vec<Row>,
}

/// Panels side by side under a heading.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) height: u64,
    pub(crate) panels: Vec<Panel>,
}

/// How a panel looks.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One large figure for each series: amber from the first bound on, red from the second; falling bounds turn it round.
    Stat(f64, f64),
    /// A large figure that is neither good nor bad.
    Plain,
    /// Lines over time.
    Lines,
    /// Areas over time that add up.
    Stack,
    /// Bars, the longest first: which one stands out.
    Bars,
    /// A table of the labels of what is there.
    Table,
}

/// One panel.
pub(crate) struct Panel {
    /// Japanese, then English.
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    pub(crate) width: u64,
    /// Grafana's word for the unit.
    pub(crate) unit: &'static str,
    /// What is asked, and how each answer is called; `{{queue}}` is a label.
    pub(crate) asks: Vec<(&'static str, &'static str)>,
}

pub(crate) fn panel(title: &'static str, shape: Shape, width: u64, unit: &'static str, asks: &[(&'static str, &'static str)]) -> Panel {
    Panel { title, shape, width, unit, asks: asks.to_vec() }
}

/// All of them.
pub(crate) fn all() -> Vec<Dashboard> {
    vec![city::dashboard(), queues::dashboard(), sip::dashboard(), media::dashboard(), flow::dashboard()]
}

/// Every expression of panels, as JSON, for whoever asks a running Prometheus: `[{"dashboard": .., "panel": .., "expr": ..}]`.
pub(crate) fn expressions() -> Value {
    let of = |dashboard: &Dashboard| {
        let panels: Vec<(String, &'static str)> = dashboard
            .rows
            .iter()
            .flat_map(|row| &row.panels)
            .flat_map(|panel| panel.asks.iter().map(|(expr, _)| (panel.title.to_owned(), *expr)))
            .collect();
        panels.into_iter().map(|(panel, expr)| json!({"dashboard": dashboard.uid, "panel": panel, "expr": expr})).collect::<Vec<_>>()
    };
    Value::Array(all().iter().flat_map(of).collect())
}

/// Variables: their name, label, and the series whose label they list.
pub(crate) const VARIABLES: [(&str, &str, &str, &str); 3] = [
    ("number", "番号 Number", "toritsugi_calls_arrived_total", "number"),
    ("queue", "待ち行列 Queue", "toritsugi_queue_staff", "queue"),
    ("trunk", "回線 Trunk", "toritsugi_sip_session_attempts_total", "line"),
];

/// What is drawn across every panel: somebody changed something.
pub(crate) const ANNOTATIONS: [(&str, &str, &str); 2] = [
    ("反映 Change in force", r#"increase(toritsugi_publications_total{result="accepted"}[$__rate_interval]) > 0"#, "blue"),
    ("臨時の指定 Set by hand", "delta(toritsugi_overrides[$__rate_interval]) != 0", "purple"),
];

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${source}"})
}

impl Dashboard {
    /// The file that Grafana is given.
    pub(crate) fn json(&self) -> String {
        let mut panels = Vec::new();
        let (mut y, mut id) = (0, 1);
        for row in &self.rows {
            panels.push(json!({"id": id, "type": "row", "title": row.title, "collapsed": false, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []}));
            (id, y) = (id + 1, y + 1);
            let mut x = 0;
            for panel in &row.panels {
                panels.push(panel.json(id, json!({"h": row.height, "w": panel.width, "x": x, "y": y})));
                (id, x) = (id + 1, x + panel.width);
            }
            y += row.height;
        }
        let mut variables = vec![json!({
            "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1, "multi": false,
            "includeAll": false, "current": {}, "options": [],
        })];
        let wanted = VARIABLES.iter().filter(|(name, ..)| self.variables.contains(name));
        variables.extend(wanted.map(|(name, label, metric, of)| {
            let query = format!("label_values({metric}, {of})");
            json!({
                "name": name, "label": label, "type": "query", "datasource": source(), "definition": query, "query": {"query": query, "refId": name},
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*", "hide": 0, "regex": "",
                "current": {"selected": true, "text": "All", "value": "$__all"}, "options": [],
            })
        }));
        let annotations: Vec<Value> = ANNOTATIONS
            .iter()
            .map(|(name, expr, colour)| {
                json!({"name": name, "datasource": source(), "enable": true, "hide": false, "iconColor": colour, "expr": expr, "step": "30s", "titleFormat": name})
            })
            .collect();
        let links: Vec<Value> = std::iter::once(json!({
            "type": "dashboards", "title": "取次 Toritsugi", "tags": ["toritsugi"], "asDropdown": true, "includeVars": true, "keepTime": true, "icon": "external link",
            "targetBlank": false, "tooltip": "", "url": "",
        }))
        .collect();
        let file = json!({
            "uid": self.uid, "title": self.title, "description": self.says, "tags": ["toritsugi"], "editable": false, "graphTooltip": 1,
            "schemaVersion": 39, "version": 1, "id": null, "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
            "timepicker": {}, "fiscalYearStartMonth": 0, "liveNow": false, "weekStart": "", "links": links, "annotations": {"list": annotations},
            "templating": {"list": variables}, "panels": panels,
        });
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }
}

impl Panel {
    fn json(&self, id: u64, grid: Value) -> Value {
        let now = matches!(self.shape, Shape::Table | Shape::Bars | Shape::Stat(..) | Shape::Plain);
        let target = |(at, (expr, legend)): (usize, &(&str, &str))| {
            let letter = char::from(b'A' + u8::try_from(at).unwrap_or(25)).to_string();
            let format = if matches!(self.shape, Shape::Table) { "table" } else { "time_series" };
            json!({"refId": letter, "datasource": source(), "expr": expr, "legendFormat": legend, "instant": now, "range": !now, "format": format, "editorMode": "code"})
        };
        let targets: Vec<Value> = self.asks.iter().enumerate().map(target).collect();
        let calm = json!({"mode": "absolute", "steps": [{"color": "blue", "value": null}]});
        let thresholds = match self.shape {
            Shape::Stat(amber, red) if amber <= red => {
                json!({"mode": "absolute", "steps": [{"color": "green", "value": null}, {"color": "orange", "value": amber}, {"color": "red", "value": red}]})
            }
            // Falling: what is low is bad.
            Shape::Stat(amber, red) => {
                json!({"mode": "absolute", "steps": [{"color": "red", "value": null}, {"color": "orange", "value": red}, {"color": "green", "value": amber}]})
            }
            Shape::Plain | Shape::Lines | Shape::Stack | Shape::Bars | Shape::Table => calm,
        };
        let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        let lines = |stacked: bool| {
            let stacking = if stacked { json!({"mode": "normal", "group": "A"}) } else { json!({"mode": "none", "group": "A"}) };
            json!({"lineWidth": 2, "fillOpacity": if stacked { 60 } else { 5 }, "showPoints": "never", "spanNulls": false, "stacking": stacking})
        };
        let legend = json!({"legend": {"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []}, "tooltip": {"mode": "multi", "sort": "desc"}});
        let (kind, options, custom) = match self.shape {
            Shape::Stat(..) => (
                "stat",
                json!({"reduceOptions": last, "colorMode": "background", "graphMode": "none", "textMode": "auto", "justifyMode": "center", "orientation": "auto"}),
                json!({}),
            ),
            Shape::Plain => (
                "stat",
                json!({"reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "auto", "justifyMode": "center", "orientation": "auto"}),
                json!({}),
            ),
            Shape::Lines => ("timeseries", legend, lines(false)),
            Shape::Stack => ("timeseries", legend, lines(true)),
            Shape::Bars => (
                "bargauge",
                json!({"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": false, "valueMode": "color", "namePlacement": "left", "sizing": "auto"}),
                json!({}),
            ),
            Shape::Table => ("table", json!({"showHeader": true, "cellHeight": "sm", "footer": {"show": false}}), json!({})),
        };
        // Counts that Prometheus extrapolates are still counts of people.
        let decimals = if self.unit == "none" && now { json!(0) } else { Value::Null };
        json!({
            "id": id, "type": kind, "title": self.title, "datasource": source(), "gridPos": grid, "targets": targets, "options": options,
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0, "thresholds": thresholds, "custom": custom, "noValue": "-", "decimals": decimals}, "overrides": []},
        })
    }
}
