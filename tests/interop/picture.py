"""A dashboard as a picture, for whoever judges its layout without Grafana: panels where Grafana puts them, with what Prometheus holds.

It is a sketch: figures, lines, areas and bars; nothing of Grafana is used.
"""

import html
import json
import math

from prometheus import plain

WIDTH, CELL, GAP = 1600, 36, 8
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#b877d9", "#f2495c", "#37872d", "#e0b400", "#1f60c4", "#c4162a", "#8f3bb8", "#96d98d"]
NAMED = {"green": "#2f8f4e", "orange": "#e08a00", "red": "#c4162a", "blue": "#5794f2"}


def draw(stage, prometheus, file, folder):
    """Draws the dashboard in `file` as a PNG in `folder`."""
    board = json.loads(file.read_text())
    until = prometheus.now("time()")[0]["value"][0]
    span = (prometheus.began, until)
    marks = []
    for annotation in board["annotations"]["list"]:
        for answer in prometheus.since(plain(annotation["expr"]), *span):
            marks.append((float(answer["values"][0][0]), annotation["iconColor"]))
    parts, bottom = [], 0
    for panel in board["panels"]:
        panel["marks"] = marks
        grid = panel["gridPos"]
        at = {"x": grid["x"] * WIDTH / 24, "y": grid["y"] * CELL + 60, "w": grid["w"] * WIDTH / 24 - GAP, "h": grid["h"] * CELL - GAP}
        bottom = max(bottom, at["y"] + at["h"])
        parts.append(row(panel, at) if panel["type"] == "row" else one(prometheus, panel, at, span))
    page = f"""<!doctype html><meta charset="utf-8"><style>body{{margin:0;background:#111217;color:#ccccdc;font:13px "Noto Sans CJK JP",sans-serif}}
    .p{{position:absolute;background:#181b1f;border:1px solid #2c2f36;box-sizing:border-box;overflow:hidden}}.t{{padding:4px 8px;font-weight:600;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}}
    .r{{position:absolute;font-weight:700;padding:6px 8px;font-size:15px}}h1{{margin:12px 8px;font-size:22px}}.l{{padding:0 8px;font-size:11px;line-height:14px}}</style>
    <h1>{html.escape(board["title"])} <small style="font-weight:400;font-size:13px">{html.escape(board["description"])}</small></h1>{"".join(parts)}"""
    source = stage.folder / f"{file.stem}.html"
    source.write_text(page)
    folder.mkdir(parents=True, exist_ok=True)
    stage.run(
        f"chromium-{file.stem}",
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={stage.folder / 'chromium'}", f"--window-size={WIDTH},{int(bottom) + 20}",
         f"--screenshot={folder / (file.stem + '.png')}", f"file://{source}"],
        90,
    )


def row(panel, at):
    return f'<div class="r" style="left:{at["x"]}px;top:{at["y"]}px">{html.escape(panel["title"])}</div>'


def one(prometheus, panel, at, span):
    rows = []
    for target in panel["targets"]:
        for answer in prometheus.since(plain(target["expr"]), *span, step=1):
            name = target["legendFormat"]
            for label, value in answer["metric"].items():
                name = name.replace("{{" + label + "}}", value)
            values = [(float(when), float(value)) for when, value in answer["values"] if not math.isnan(float(value))]
            if values:
                rows.append((name.split("{{")[0].strip() if "{{" in name else name, values, answer["metric"]))
    unit = panel["fieldConfig"]["defaults"]["unit"]
    body = {"stat": stat, "timeseries": lines, "bargauge": bars, "table": table}[panel["type"]](panel, rows, at, span, unit)
    style = f'left:{at["x"]}px;top:{at["y"]}px;width:{at["w"]}px;height:{at["h"]}px'
    return f'<div class="p" style="{style}"><div class="t" title="">{html.escape(panel["title"])}</div>{body}</div>'


def told(value, unit, decimals=None):
    if decimals == 0 and unit == "none":
        return f"{value:.0f}"
    if unit == "percentunit":
        return f"{value * 100:.1f}%"
    if unit == "s":
        return f"{value * 1000:.1f} ms" if 0 < abs(value) < 1 else f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def colour(panel, value):
    shade = "blue"
    for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            shade = step["color"]
    return NAMED[shade]


def stat(panel, rows, at, _span, unit):
    # Only what is there at the end counts, as an instant query shows it.
    ends = max((values[-1][0] for _, values, _ in rows), default=0)
    rows = [(name, values[-1][1]) for name, values, _ in rows if values[-1][0] >= ends - 2]
    if not rows:
        return '<div style="text-align:center;font-size:30px;padding-top:20px">-</div>'
    shown, back = [], panel["options"]["colorMode"] == "background"
    wide = max(1, (at["w"] - 8) / len(rows))
    for name, value in rows:
        shade = colour(panel, value)
        style = f"background:{shade};color:#fff" if back else f"color:{shade}"
        shown.append(
            f'<div style="display:inline-block;width:{wide - 4}px;margin:2px;height:{at["h"] - 36}px;{style};text-align:center;overflow:hidden">'
            f'<div style="font-size:11px;padding-top:4px">{html.escape(name)}</div><div style="font-size:{min(40, int(wide / 4.2) + 8)}px">{told(value, unit, panel["fieldConfig"]["defaults"].get("decimals"))}</div></div>'
        )
    return f'<div style="white-space:nowrap">{"".join(shown)}</div>'


def lines(panel, rows, at, span, unit):
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    legend = 14 * min(3, math.ceil(sum(len(name) + 4 for name, _, _ in rows) * 7 / at["w"])) + 4
    w, h, left = at["w"], at["h"] - 30 - legend, 46
    sums, tops = {}, []
    for _, values, _ in rows:
        for when, value in values:
            sums[when] = sums.get(when, 0) + value
        tops.append(max(value for _, value in values))
    top = max(sums.values(), default=1) if stacked else max(tops, default=1)
    top = top * 1.1 or 1
    x = lambda when: left + (when - span[0]) / (span[1] - span[0]) * (w - left - 8)
    y = lambda value: h - 4 - value / top * (h - 12)
    drawn, below = [], {}
    for at_row, (_, values, _) in enumerate(rows):
        shade = COLOURS[at_row % len(COLOURS)]
        points = [(x(when), y(value + (below.get(when, 0) if stacked else 0))) for when, value in values]
        if stacked:
            base = [(x(when), y(below.get(when, 0))) for when, _ in values]
            area = " ".join(f"{a:.1f},{b:.1f}" for a, b in points + base[::-1])
            drawn.append(f'<polygon points="{area}" fill="{shade}" fill-opacity=".6"/>')
            for when, value in values:
                below[when] = below.get(when, 0) + value
        drawn.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" fill="none" stroke="{shade}" stroke-width="2"/>')
    ticks = "".join(
        f'<line x1="{left}" x2="{w - 8}" y1="{y(top * part):.0f}" y2="{y(top * part):.0f}" stroke="#2c2f36"/><text x="2" y="{y(top * part) + 4:.0f}" fill="#9a9aa5" font-size="10">{told(top * part, unit)}</text>'
        for part in (0, 0.5, 0.9)
    )
    named = " ".join(f'<span style="color:{COLOURS[i % len(COLOURS)]}">■</span> {html.escape(name)}&nbsp;' for i, (name, _, _) in enumerate(rows)) or "-"
    marks = "".join(f'<line x1="{x(when):.0f}" x2="{x(when):.0f}" y1="0" y2="{h}" stroke="{shade}" stroke-dasharray="4 3"/>' for when, shade in panel.get("marks", []))
    return f'<svg width="{w}" height="{h}">{ticks}{"".join(drawn)}{marks}</svg><div class="l">{named}</div>'


def bars(panel, rows, at, _span, unit):
    shown = sorted(((name, values[-1][1]) for name, values, _ in rows), key=lambda bar: -bar[1])
    top = max((value for _, value in shown), default=1) or 1
    high = max(12, min(26, (at["h"] - 36) / max(1, len(shown))))
    return "".join(
        f'<div style="height:{high}px;line-height:{high}px;padding:0 8px;font-size:{min(12, int(high) - 1)}px;white-space:nowrap"><span style="display:inline-block;width:40%;overflow:hidden;text-align:right;padding-right:6px">{html.escape(name)}</span>'
        f'<span style="display:inline-block;height:{high - 4}px;width:{value / top * 40:.1f}%;background:#5794f2;vertical-align:middle"></span> {told(value, unit, 0)}</div>'
        for name, value in shown
    ) or '<div class="l">-</div>'


def table(_panel, rows, at, _span, _unit):
    hidden = {"__name__", "job", "instance", "alertstate"}
    return "".join(f'<div class="l">{html.escape(" · ".join(v for k, v in metric.items() if k not in hidden))} <b>{values[-1][1]:g}</b></div>' for _, values, metric in rows) or '<div class="l">-</div>'
