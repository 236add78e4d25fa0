"""The report's style sheet: for a screen and for paper, in black and white, on A4 and on Letter.

It is a constant: nothing of a bundle ever gets into it.  On paper the running head and foot are fixed boxes, which
browsers repeat on every page; an empty head and foot of the sheet's table keep their places free.  Page numbers are
page margin boxes (CSS Paged Media), which browsers that lack them leave out.
"""

from __future__ import annotations

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
html { font: 100%/1.45 Georgia, "Times New Roman", serif; color: #000; background: #fff; }
body { margin: 0 auto; max-width: 60rem; padding: 0 1rem 2rem; }
h1, h2, h3, h4, th, dt, caption, figcaption, nav, .mark, .stamp, .running, .banner {
  font-family: "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
h1 { font-size: 1.7rem; margin: 1.2rem 0 .2rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .5rem; border-bottom: 2px solid #000; padding-bottom: .15rem; }
h3 { font-size: 1.08rem; margin: 1.5rem 0 .4rem; }
h4 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .45rem 0; }
ul { margin: .3rem 0 .6rem; padding-left: 1.3rem; }
li { margin: .2rem 0; }
code, pre, .name { font-family: "DejaVu Sans Mono", Consolas, Menlo, monospace; font-size: .86em; }
td, th, dd, p, li, h1, h2, h3, h4, figcaption, blockquote { overflow-wrap: break-word; }
.long, q { overflow-wrap: anywhere; }
q { quotes: none; font-style: italic; }
bdi { unicode-bidi: isolate; }
pre { border: 1px solid #000; padding: .5rem .7rem; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; }
.mark { display: inline-block; font-size: .68rem; font-weight: bold; letter-spacing: .06em; border: 1.5px solid #000;
  padding: .05rem .4rem; margin-left: .5rem; vertical-align: .15em; white-space: nowrap; }
.mark.measured { border-style: solid; }
.mark.judged { border-style: dashed; }
.mark.rule { border-style: double; border-width: 4px; }
.mark.recorded, .mark.general { border-style: dotted; }
.mark.checked { background: #000; color: #fff; }
.subject { font-size: 1.1rem; margin: 0 0 .8rem; }
.stamp { border: 3px solid #000; padding: .5rem .8rem; font-size: 1.02rem; }
.stamp.bad { border-style: dashed; border-width: 5px; }
.stamp strong { font-size: 1.5rem; margin-right: .6rem; letter-spacing: .04em; }
.strong { font-weight: bold; }
.warning { border: 5px dashed #000; padding: .5rem .8rem; font-weight: bold; }
.banner { text-align: center; font-weight: bold; border: 2px solid #000; padding: .25rem .5rem; margin: .6rem 0; }
nav { font-size: .9rem; border: 1px solid #000; padding: .4rem .9rem; margin: 1rem 0; }
nav h2 { font-size: 1rem; border: 0; margin: .2rem 0; }
nav ol { list-style: none; margin: 0; padding: 0; columns: 2; column-gap: 2rem; }
nav ol ol { columns: 1; padding-left: 1.2rem; }
nav li { margin: .1rem 0; break-inside: avoid-column; }
a { color: inherit; }
dl { margin: .5rem 0 .9rem; border-top: 1px solid #999; }
dl > div { display: grid; grid-template-columns: 13.5rem 1fr; gap: .8rem; border-bottom: 1px solid #999;
  padding: .18rem 0; break-inside: avoid; }
dt { font-size: .86rem; font-weight: bold; }
dd { margin: 0; min-width: 0; }
dd p, td p, th p { margin: 0 0 .15rem; }
table.data { border-collapse: collapse; width: 100%; margin: .7rem 0 .9rem; font-size: .86rem; }
table.data caption { text-align: left; font-weight: bold; padding: .25rem 0; font-size: .92rem; }
table.data th, table.data td { border: 1px solid #777; padding: .2rem .4rem; text-align: left; vertical-align: top; }
table.data thead th { border-bottom: 2px solid #000; background: #eee; }
table.data th[scope=row] { font-weight: normal; }
table.data .number { text-align: right; font-variant-numeric: tabular-nums; }
.more { font-size: .86rem; }
figure { margin: 1rem 0 1.4rem; }
figure.drawing { border-top: 1px solid #000; padding-top: .4rem; }
figcaption b { display: block; }
figcaption { font-size: .9rem; }
svg.figure { width: 100%; max-width: 42rem; height: auto; display: block; margin: .4rem 0; }
figure.quote { border-left: 4px double #000; padding-left: .9rem; margin: .7rem 0; }
blockquote { margin: .2rem 0; font-style: italic; }
blockquote p { margin: .25rem 0; }
.running { display: none; }
table.sheet, table.sheet > tbody, table.sheet > tbody > tr, table.sheet > tbody > tr > td { display: block; }
table.sheet > thead, table.sheet > tfoot { display: none; }
@media screen and (max-width: 44rem) {
  dl > div { grid-template-columns: 1fr; gap: 0; }
  nav ol { columns: 1; }
  .scroll { overflow-x: auto; }
}
@page { margin: 9mm 13mm 12mm;
  @top-left { content: ""; }
  @top-center { content: ""; }
  @top-right { content: ""; }
  @bottom-left { content: ""; }
  @bottom-center { content: ""; }
  @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 8pt Arial, sans-serif; } }
@media print {
  html { font-size: 9.4pt; }
  h1 { margin-top: .4rem; }
  h2 { margin-top: 1.3rem; }
  .page { margin-top: 0; }
  body { max-width: none; padding: 0; }
  .banner { display: none; }
  nav { break-inside: avoid; }
  table.sheet { display: table; width: 100%; border-collapse: collapse; table-layout: fixed; }
  table.sheet > thead { display: table-header-group; }
  table.sheet > tfoot { display: table-footer-group; }
  table.sheet > tbody { display: table-row-group; }
  table.sheet > tbody > tr { display: table-row; }
  table.sheet > tbody > tr > td, table.sheet > thead td, table.sheet > tfoot td { display: table-cell; padding: 0; }
  table.sheet > thead td { height: 13mm; }
  table.sheet > tfoot td { height: 11mm; }
  .running { display: block; position: fixed; left: 0; right: 0; font-size: 7.8pt; line-height: 1.25;
    background: #fff; }
  .running.head { top: 0; height: 10mm; border-bottom: 1px solid #000; }
  .running.foot { bottom: 0; height: 9mm; border-top: 1px solid #000; padding-top: .6mm; }
  .running p { margin: 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .running .class { text-align: center; font-weight: bold; font-size: 9pt; min-height: 1.25em; }
  .page { break-before: page; }
  h1, h2, h3, h4, caption, figcaption, .strong { break-after: avoid; }
  p, li, blockquote p { orphans: 3; widows: 3; }
  tr, svg, figcaption, .stamp, .warning, .short, pre { break-inside: avoid; }
  table.data thead { display: table-header-group; break-after: avoid; }
  table.data tbody tr:first-child { break-before: avoid; }
  a { text-decoration: none; }
}
"""
