// SPDX-License-Identifier: MIT
#pragma once

/// What the page says whatever was measured.
namespace experiment::reporting::text {

inline constexpr const char* head = R"(<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>UMS-Rep: the experiment</title>
)";

inline constexpr const char* title = R"(<h1>UMS-Rep: is one encoder for several tasks better than separate models?</h1>
<p>One representation per imaging modality, fine-tuned for several tasks, against one network per task: what Zamzmi, Rajaraman and Antani
(Informatics in Medicine Unlocked 24, 2021, 100571) found, beside what was measured here.</p>
<p class="notice"><strong>No clinical claim.</strong> This is a comparison of training methods on public or simulated images. Nothing on
this page says how well any model would do in patients, and no model here is for diagnosis.</p>
)";

inline constexpr const char* navigation = R"(<nav aria-label="Sections"><ul>
<li><a href="#verdict">Verdicts</a></li>
<li><a href="#paper">The paper's tables</a></li>
<li><a href="#curves">Learning curves</a></li>
<li><a href="#ranks">Ranking</a></li>
<li><a href="#gains">Where gains come from</a></li>
<li><a href="#tests">Tests</a></li>
<li><a href="#cost">Cost</a></li>
<li><a href="#tasks">All figures</a></li>
<li><a href="#samples">Samples</a></li>
<li><a href="#gaps">Missing</a></li>
<li><a href="#words">How to read it</a></li>
</ul></nav>
)";

inline constexpr const char* paper = R"(<p>The data are not the same: the paper's echo images were never published (ours are simulated), and
image size, network and training differ. Compare the order of the columns, not the numbers. The paper does not say how it averages; an IoU
above the F1 of the same masks cannot come from one mask.</p>
)";

inline constexpr const char* curves = R"(<p>Each arm's figure on test images over the number of labelled training images per task. Bars:
95 % intervals over test patients and seeds. <a href="report/learning_curves.csv">CSV</a></p>
)";

inline constexpr const char* gains = R"(<p>Joint training from scratch tells what several tasks give without stage 1; an encoder of the
other modality tells what any pre-training gives.</p>
)";

inline constexpr const char* cost = R"(<p>Break-even: the number of tasks from which stage 1 and fine-tuning together take less time than
separate models, T* = C<sub>stage 1</sub> / (C<sub>separate</sub> − C<sub>fine-tune</sub>), seconds per task; ∞ where fine-tuning saves
nothing. Seconds are those of the machine named at the top.</p>
)";

inline constexpr const char* figures = R"(<p>Classes: F1, sensitivity and specificity of the positive class, or averaged over classes where
there are more than two. Masks: pooled over all pixels, and averaged over images. Means over seeds;
<a href="report/figures.csv">CSV</a>, seed by seed.</p>
)";

inline constexpr const char* samples = R"(<p>Test images, a row each: the image, and what each task's network says of it. True masks
are green, predicted ones yellow; a wrong class has a red edge.</p>
)";

inline constexpr const char* words = R"(<dl class="words">
<dt>Difference and interval</dt>
<dd>An arm minus separate models, on the same test images, from the same training labels and seeds; one point is .01 of accuracy or IoU. The
interval says which differences other test patients and other seeds would plausibly have shown (95 %): patients, with all their images, and
seeds were drawn again RESAMPLES times. When it holds 0, the arms cannot be told apart here. With one seed it covers other patients only,
and with few seeds it is too narrow.</dd>
<dt>p, bootstrap, and Holm</dt>
<dd>How often so large a difference would come about by chance if there were none. With many comparisons some p are small by chance; Holm's
correction keeps the chance of even one false finding at 5 %. Read the corrected one.</dd>
<dt>McNemar</dt>
<dd>Seed by seed: of the images that only one of two models got right, did one model get clearly more? It takes images as independent, which
several images of one patient are not, and so finds differences too easily.</dd>
<dt>DeLong</dt>
<dd>Seed by seed, for two classes: do the models differ in AUROC, the chance that a positive image scores above a negative one? It looks at
the order of the scores, not at the threshold. Images are taken as independent here too.</dd>
<dt>Wilcoxon</dt>
<dd>Over seeds: is the arm better from one seed after another? Of 3 seeds p is never below .25, of 5 never below .0625, so it cannot find
anything from so few. Over images (masks, restored images): is it better image after image, and not by a few large differences? Images are
taken as independent here too.</dd>
<dt>Best arm</dt>
<dd>The pre-trained arm with the best mean figure on validation images, of those that were trained from most seeds. Test images have no part
in the choice, so that testing it once is fair.</dd>
<dt>Cannot be judged</dt>
<dd>Runs are missing, or there are fewer than SEEDS seeds, so that a lucky start cannot be told from a better arm. What the numbers say so
far stands beside it.</dd>
<dt>Arms</dt>
<dd>Separate: one network per task from scratch. Independent: each task by itself from the stage-1 encoder. Alternating: one shared encoder,
tasks take turns. Joint: one shared encoder, all losses at once. Then what of the encoder trains: all, last1 (its last stage), frozen, lpft
(heads first, then all), gradual (stage after stage). A further word names how joint losses are balanced. joint-scratch: joint without
stage 1. separate-other: from an encoder of the other modality.</dd>
</dl>
)";

inline constexpr const char* foot = R"(<footer><p>Made by <code>experiment report</code>. Beside this file:
<a href="report.json">report.json</a> and the tables as CSV in <code>report/</code>.</p></footer>
</body>
</html>
)";

} // namespace experiment::reporting::text
