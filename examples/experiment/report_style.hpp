// SPDX-License-Identifier: MIT
#pragma once

namespace experiment::reporting {

/// The page's style sheet. Colours of the series: Okabe and Ito's, which people with any colour vision tell apart, lightened or darkened to
/// stand out from the background.
inline constexpr const char* style = R"(
:root { color-scheme: light dark; --text: #1c1e21; --soft: #5b6068; --page: #fff; --panel: #f4f5f7; --rule: #d5d8dd; --link: #0b57a8;
  --good: #0b6b3a; --bad: #a3261b; --open: #6b5200;
  --s0: #3d3d3d; --s1: #0067a5; --s2: #b34700; --s3: #007a5a; --s4: #a03d78; --s5: #7a6200; --s6: #2a8fc7; --s7: #7b4ea3; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #a3a9b2; --page: #15171a; --panel: #1f2226; --rule: #3a3f46;
  --link: #7db8f2; --good: #6fd39b; --bad: #ff9a8d; --open: #e8c860;
  --s0: #d0d0d0; --s1: #5fb0ea; --s2: #ff9d57; --s3: #45c9a0; --s4: #e590bf; --s5: #e0c84a; --s6: #9bd8ff; --s7: #c7a3ee; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text);
   background: var(--page); overflow-wrap: break-word; }
h1 { line-height: 1.2; margin: .5rem 0; }
h2 { margin: 2.5rem 0 .5rem; line-height: 1.25; border-top: 1px solid var(--rule); padding-top: 1rem; } h3 { margin: 1.5rem 0 .25rem; }
p, ul, dl.words { max-width: 50rem; } a { color: var(--link); } .soft { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
.notice { background: var(--panel); border-left: .3rem solid var(--open); padding: .6rem 1rem; max-width: 50rem; }
.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: .2rem 1.5rem; }
.settings div { display: flex; gap: .5rem; } dt { color: var(--soft); } dd { margin: 0; min-width: 0; }
dl.words dt { color: var(--text); font-weight: 600; margin-top: .6rem; }
ol.verdicts { list-style: none; padding: 0; display: grid; gap: .6rem; }
ol.verdicts li { background: var(--panel); border-left: .3rem solid var(--soft); padding: .5rem .9rem; }
ol.verdicts p { margin: .15rem 0; max-width: none; } ol.verdicts strong { display: inline-block; min-width: 9.5rem; }
.reproduced { border-color: var(--good) !important; } .reproduced strong { color: var(--good); }
.not-reproduced { border-color: var(--bad) !important; } .not-reproduced strong { color: var(--bad); }
.not-judged { border-color: var(--open) !important; } .not-judged strong { color: var(--open); }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .85rem; line-height: 1.35; }
caption { text-align: left; color: var(--soft); padding: .3rem 0; font-size: .9rem; }
th, td { text-align: left; vertical-align: bottom; padding: .3rem .45rem; border-bottom: 1px solid var(--rule); font-weight: normal; }
thead th { color: var(--soft); border-bottom: 2px solid var(--rule); } .group th { font-weight: 600; padding-top: .9rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; } .n data { white-space: nowrap; }
.missing { color: var(--soft); font-style: italic; } #missing :is(th, td) { overflow-wrap: anywhere; }
#best_arms, #comparisons, #costs { font-size: .8rem; }
#best_arms :is(th, td), #comparisons :is(th, td), #costs :is(th, td) { padding: .3rem; }
#paper_table_5, #paper_table_7, #ranking { max-width: 46rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .9rem; } figure svg { width: 100%; height: auto; display: block; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--soft); } .grid { stroke: var(--rule); stroke-width: 1; }
.interval { stroke-width: 1.3; opacity: .65; }
g path { fill: none; stroke-width: 1.8; } .hollow { fill: var(--page); stroke-width: 1.5; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); } .s4 { stroke: var(--s4); }
.s5 { stroke: var(--s5); } .s6 { stroke: var(--s6); } .s7 { stroke: var(--s7); }
.s0 .full { fill: var(--s0); } .s1 .full { fill: var(--s1); } .s2 .full { fill: var(--s2); } .s3 .full { fill: var(--s3); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .75rem 0; font-size: .9rem;
   max-width: none; }
.legend svg { vertical-align: -1px; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--link); }
.samples { display: grid; gap: 1.25rem; } .samples img { max-width: 100%; height: auto; image-rendering: auto; display: block; }
code { font-size: .9em; } footer { margin-top: 3rem; color: var(--soft); font-size: .9rem; }
@media (max-width: 75rem) {
  .cards table, .cards tbody, .cards caption { display: block; }
  .cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .cards tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0 1.25rem; padding: .4rem 0;
    border-bottom: 1px solid var(--rule); }
  .cards th { grid-column: 1 / -1; }
  .cards tr.group { border-bottom: 2px solid var(--rule); }
  .cards th, .cards td { display: block; border: 0; padding: .1rem 0; } .cards tr:not(.group) th { font-weight: 600; }
  .cards td { display: flex; justify-content: space-between; gap: .75rem; text-align: right; min-width: 0; }
  .cards td::before { content: attr(data-label); color: var(--soft); text-align: left; }
}
@media (max-width: 30rem) { body { padding: .75rem; } ol.verdicts strong { display: block; }
  #paper_table_5, #paper_table_7, #ranking { font-size: .78rem; }
  #paper_table_5 th, #paper_table_5 td, #paper_table_7 th, #paper_table_7 td, #ranking th, #ranking td { padding: .3rem .15rem; } }
@media print { body { max-width: none; } details > * { display: block; } }
)";

} // namespace experiment::reporting
