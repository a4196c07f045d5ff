"""The style sheet of the score page."""

STYLE = """
:root {
  --ink: #1c2330; --soft: #667085; --faint: #e6e9ef; --back: #f6f7f9; --card: #ffffff; --hover: #eef4ff;
  --accent: #2f6fde; --bar: #dbe7fd; --good: #1c7c46; --bad: #b3313f; --warn: #9a6200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8ebf1; --soft: #9aa4b5; --faint: #2c3340; --back: #14181f; --card: #1b2029; --hover: #232d3f;
    --accent: #7aa7f7; --bar: #2a3a58; --good: #67c98f; --bad: #f0828d; --warn: #e2b15a;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header, main { max-width: 1560px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 18px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -.01em; }
header p, .lead { color: var(--soft); margin: 0; }
nav { width: 100%; display: flex; flex-wrap: wrap; gap: 8px; margin-top: 10px; }
nav a {
  color: var(--accent); text-decoration: none; background: var(--card); border: 1px solid var(--faint);
  border-radius: 999px; padding: 3px 14px;
}
nav a:hover { border-color: var(--accent); }
section { margin: 26px 0 54px; scroll-margin-top: 12px; }
h2 { font-size: 20px; margin: 0; }
h3 { font-size: 13px; color: var(--soft); font-weight: 500; margin: 16px 0 6px; overflow-wrap: anywhere; }
.tools { display: flex; align-items: center; gap: 14px; margin: 14px 0 10px; }
.filter {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--faint); border-radius: 8px;
  padding: 7px 12px; width: min(420px, 100%);
}
.filter:focus { outline: 2px solid var(--accent); outline-offset: 0; }
.count { color: var(--soft); font-size: 13px; white-space: nowrap; }
.scroll { overflow-x: auto; }
.scores { border-collapse: separate; border-spacing: 0; width: 100%; }
.scores { font-size: 13.5px; font-variant-numeric: tabular-nums; }
div.scroll:has(> .scores), .card {
  background: var(--card); border: 1px solid var(--faint); border-radius: 12px;
  box-shadow: 0 1px 2px rgb(0 0 0 / 4%);
}
.scores th, .scores td {
  padding: 8px 8px; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--faint);
}
.scores tbody tr:last-child td { border-bottom: 0; }
.scores th { font-size: 12.5px; font-weight: 600; color: var(--soft); padding: 0; }
.scores th:first-child { padding: 8px 12px; }
.scores th button {
  all: unset; display: block; width: 100%; box-sizing: border-box; padding: 9px 8px; cursor: pointer;
  position: relative;
}
.scores th button:hover { color: var(--ink); }
.scores th button:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 8px; }
.scores th button::before { content: "\\2195"; opacity: 0; position: absolute; left: 0; }
.scores th.txt button::before { left: auto; right: 2px; }
.scores th button:hover::before { opacity: .5; }
.scores th[aria-sort="descending"] button::before { content: "\\2193"; opacity: 1; }
.scores th[aria-sort="ascending"] button::before { content: "\\2191"; opacity: 1; }
.scores th[aria-sort="ascending"], .scores th[aria-sort="descending"] { color: var(--ink); }
.scores .num { text-align: right; }
.scores th.num button { text-align: right; }
.scores tbody tr:hover td, .scores tbody tr.focus td { background-color: var(--hover); }
.scores .rank { color: var(--soft); }
.scores .k-config { font-weight: 600; white-space: normal; overflow-wrap: anywhere; min-width: 220px; }
.scores .k-run { white-space: normal; overflow-wrap: anywhere; }
.scores .k-best {
  font-weight: 600;
  background-image: linear-gradient(var(--bar), var(--bar));
  background-repeat: no-repeat; background-position: 0 50%; background-size: var(--share, 0) 60%;
}
.state { font-size: 12px; padding: 2px 9px; border-radius: 999px; border: 1px solid currentcolor; color: var(--soft); }
.state.finished, .state.tested { color: var(--good); }
.state.running { color: var(--accent); }
.state.crashed { color: var(--bad); }
.state.stopped, .state.unfinished, .state.mixed { color: var(--warn); }
.scores .k-unfair { white-space: normal; min-width: 90px; }
.unfair { color: var(--warn); }
.unfair::before { content: "\\26A0\\FE0E\\A0"; }
.k-config .unfair { margin-left: 6px; cursor: help; }
.up { color: var(--good); }
.down { color: var(--bad); }
.notes { margin: 10px 2px; color: var(--soft); font-size: 13px; }
.notes summary { cursor: pointer; }
.notes li { overflow-wrap: anywhere; }
.card { margin: 18px 0 0; padding: 16px 18px; }
figcaption { font-weight: 600; margin-bottom: 8px; display: flex; align-items: center; gap: 14px; }
.curves { width: 100%; height: auto; display: block; touch-action: pan-y; }
.curves .grid { stroke: var(--faint); }
.curves .axis { stroke: var(--soft); }
.curves text { fill: var(--soft); font-size: 11px; }
.curves .label { font-weight: 600; }
.curve polyline { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.curve .dot { fill: var(--c); }
.curves.has-focus .curve { opacity: .16; }
.curves.has-focus .curve.focus { opacity: 1; }
.curves.has-focus .curve.focus polyline { stroke-width: 3.2; }
.curves .marker { fill: var(--card); stroke: var(--ink); stroke-width: 2; pointer-events: none; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; margin: 10px 0 0; }
.legend { font-size: 13px; }
.legend li { display: flex; align-items: center; gap: 7px; overflow-wrap: anywhere; cursor: default; }
.legend i { width: 16px; height: 4px; border-radius: 2px; background: var(--c); flex: none; }
.heat { border-collapse: separate; border-spacing: 2px; font-size: 12px; font-variant-numeric: tabular-nums; }
.heat th { font-weight: 500; text-align: left; color: var(--soft); }
.heat tbody th { padding-right: 10px; max-width: 380px; }
.heat tbody th { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.heat thead th { height: 96px; vertical-align: bottom; }
.heat thead span {
  display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 140px; white-space: nowrap;
}
.heat.named thead th { height: auto; text-align: center; }
.heat.named thead span { writing-mode: horizontal-tb; transform: none; white-space: normal; overflow-wrap: anywhere; }
.heat.named tbody th { white-space: normal; min-width: 240px; line-height: 1.25; }
.heat.named td { width: 8%; }
.heat td { border-radius: 3px; text-align: center; }
.heat.numbered { width: 100%; }
.heat.numbered td { height: 28px; min-width: 40px; }
.heat.dense { border-spacing: 0 2px; width: 100%; table-layout: fixed; }
.heat.dense tbody th { width: 240px; }
.heat.dense td { height: 24px; padding: 0; border-radius: 0; }
.heat td.none { background: repeating-linear-gradient(45deg, var(--faint) 0 4px, transparent 4px 8px); }
.heat td:hover { outline: 2px solid var(--ink); outline-offset: -1px; }
.bar { display: flex; align-items: center; gap: 8px; margin: 10px 0 0; font-size: 12px; color: var(--soft); }
.bar i { width: 160px; height: 8px; border-radius: 4px; }
.order {
  font: inherit; font-size: 12px; font-weight: 500; color: var(--accent); background: none; cursor: pointer;
  border: 1px solid var(--faint); border-radius: 999px; padding: 2px 12px;
}
.order[aria-pressed="true"] { border-color: var(--accent); }
.pictures { display: flex; gap: 12px; overflow-x: auto; padding-bottom: 6px; }
.pictures > div { flex: 1 0 240px; max-width: 680px; }
.pictures p { margin: 0 0 4px; font-size: 12px; color: var(--soft); overflow-wrap: anywhere; }
.zoom { all: unset; cursor: zoom-in; display: block; }
.zoom:focus-visible { outline: 2px solid var(--accent); }
.pictures img { width: 100%; height: auto; display: block; border-radius: 6px; background: var(--faint); }
dialog { border: 0; border-radius: 12px; padding: 12px; background: var(--card); color: var(--ink); max-width: 96vw; }
dialog::backdrop { background: rgb(0 0 0 / 65%); }
dialog img { max-width: 92vw; max-height: 84vh; display: block; cursor: zoom-out; image-rendering: auto; }
dialog p { margin: 8px 0 0; font-size: 13px; color: var(--soft); }
#tip {
  position: fixed; z-index: 5; pointer-events: none; white-space: pre-line; max-width: 420px; overflow-wrap: anywhere;
  background: var(--ink); color: var(--card); font-size: 13px; line-height: 1.4; border-radius: 8px; padding: 6px 10px;
}
[hidden] { display: none !important; }
@media print { .tools, .order, nav { display: none; } }
"""
