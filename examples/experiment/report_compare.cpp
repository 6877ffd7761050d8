// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <set>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/statistics/bootstrap_interval.hpp>
#include <umsrep/statistics/clusters.hpp>
#include <umsrep/statistics/delong.hpp>
#include <umsrep/statistics/holm.hpp>
#include <umsrep/statistics/mcnemar.hpp>
#include <umsrep/statistics/moments.hpp>
#include <umsrep/statistics/wilcoxon.hpp>

#include "report_study.hpp"

namespace experiment::reporting {

namespace statistics = umsrep::statistics;

namespace {

/// The images of one seed that two arms were tested on.
struct paired_seed {
    std::uint64_t seed = 0;
    std::vector<std::pair<const prediction*, const prediction*>> images;
};

double right_or_score(const task_of& task, const prediction& p) {
    if (task.type != task_type::classification) return p.score;
    return p.truth < 0 ? unknown : static_cast<double>(p.predicted == p.truth);
}

const std::vector<prediction>* predictions_of(const measured_folder& folder, const run_id& id, const std::string& task) {
    const auto run = folder.predictions.find(id);
    if (run == folder.predictions.end()) return nullptr;
    const auto found = run->second.find(task);
    return found == run->second.end() ? nullptr : &found->second;
}

/// Nothing when the two were tested on different images.
std::optional<paired_seed> paired(std::uint64_t seed, const std::string& whose, const std::vector<prediction>& first,
                                  const std::vector<prediction>& second) {
    if (!std::ranges::equal(first, second, {}, &prediction::id, &prediction::id)) return std::nullopt;
    paired_seed result{seed, {}};
    for (std::size_t i = 0; i < first.size(); ++i) {
        if (first[i].truth != second[i].truth || first[i].patient != second[i].patient)
            throw umsrep::file_error("predictions/: " + whose + ", image '" + first[i].id + "'", "one patient and one true class", "two");
        result.images.emplace_back(&first[i], &second[i]);
    }
    return result;
}

template <class Value>
std::vector<of_seed> values_of(const std::vector<paired_seed>& seeds, Value&& value) {
    std::vector<of_seed> result;
    for (const paired_seed& s : seeds) {
        of_seed& one = result.emplace_back(of_seed{s.seed, {}, {}});
        for (const auto& [first, second] : s.images) {
            one.patients.push_back(first->patient);
            one.values.push_back(value(*first, *second));
        }
    }
    return result;
}

double mean_of_seeds(std::span<const of_seed> seeds) {
    std::vector<double> means;
    for (const of_seed& s : seeds) means.push_back(statistics::mean(s.values));
    return statistics::mean(means);
}

/// McNemar and DeLong take one model each, and so are made seed by seed.
void test_classes(comparison& c, const std::vector<paired_seed>& seeds) {
    int classes = 0;
    for (const paired_seed& s : seeds)
        for (const auto& [first, second] : s.images)
            classes = std::max({classes, first->truth + 1, first->predicted + 1, second->predicted + 1});
    std::vector<double> differences;
    for (const paired_seed& s : seeds) {
        std::vector<int> truth, a, b;
        std::vector<float> score_a, score_b;
        for (const auto& [first, second] : s.images) {
            truth.push_back(first->truth);
            a.push_back(first->predicted);
            b.push_back(second->predicted);
            score_a.push_back(static_cast<float>(first->score));
            score_b.push_back(static_cast<float>(second->score));
        }
        c.mcnemar.push_back(statistics::mcnemar(truth, a, b).exact_p);
        const auto no_number = [](float score) { return std::isnan(score); };
        if (classes != 2 || std::ranges::any_of(score_a, no_number) || std::ranges::any_of(score_b, no_number)) continue;
        const auto areas = statistics::delong(score_a, score_b, truth);
        c.delong.push_back(areas.p_value);
        differences.push_back(areas.difference);
    }
    c.auroc_difference = statistics::mean(differences);
}

/// Each image once: the mean of what its seeds say of it.
double wilcoxon_of_images(const std::vector<of_seed>& differences) {
    std::vector<double> means;
    for (std::size_t i = 0; i < differences.front().values.size(); ++i) {
        double sum = 0;
        for (const of_seed& s : differences) {
            if (s.values.size() != differences.front().values.size()) return unknown; // other test images from other seeds
            sum += s.values[i];
        }
        if (std::isnan(sum)) return unknown;
        means.push_back(sum / static_cast<double>(differences.size()));
    }
    return statistics::wilcoxon(means).p_value;
}

/// The share of the distribution on the smaller side of 0, doubled; the estimate counts too. Davison and Hinkley 1997, eq. 4.11.
double p_of_zero(std::span<const double> distribution) {
    double at_most = 1, at_least = 1;
    for (const double value : distribution) {
        at_most += value <= 0;
        at_least += value >= 0;
    }
    return std::min(1.0, 2 * std::min(at_most, at_least) / (1 + static_cast<double>(distribution.size())));
}

} // namespace

bootstrapped bootstrap(std::span<const of_seed> seeds, int resamples, std::uint64_t seed) {
    bootstrapped result{mean_of_seeds(seeds), {}, unknown};
    std::vector<std::string> patients;
    for (const of_seed& s : seeds) patients.insert(patients.end(), s.patients.begin(), s.patients.end());
    const statistics::clusters groups{patients};
    if (!std::isfinite(result.value) || groups.count() < 2) return result;

    // Sums and counts of each patient's images, seed by seed: a resample is then a sum over patients.
    struct share {
        double sum = 0, count = 0;
    };
    std::vector<std::vector<share>> shares;
    std::size_t image = 0;
    for (const of_seed& s : seeds) {
        shares.emplace_back(groups.count());
        for (const double value : s.values) {
            share& of_patient = shares.back()[groups.of_sample()[image++]];
            of_patient.sum += value;
            of_patient.count += 1;
        }
    }

    std::vector<double> distribution;
    std::vector<std::uint32_t> times;
    const auto drawn_patients = static_cast<std::uint32_t>(groups.count()), drawn_seeds = static_cast<std::uint32_t>(shares.size());
    for (int resample = 0; resample < resamples; ++resample) {
        umsrep::random_stream stream{umsrep::seed{seed}, "bootstrap", static_cast<std::uint64_t>(resample)};
        times.assign(groups.count(), 0);
        for (std::uint32_t draw = 0; draw < drawn_patients; ++draw) ++times[stream.below(drawn_patients)];
        double mean = 0;
        for (std::uint32_t draw = 0; draw < drawn_seeds; ++draw) {
            const auto& of_patients = shares[drawn_seeds == 1 ? 0 : stream.below(drawn_seeds)];
            share all;
            for (std::size_t patient = 0; patient < times.size(); ++patient) {
                all.sum += times[patient] * of_patients[patient].sum;
                all.count += times[patient] * of_patients[patient].count;
            }
            mean += all.sum / all.count;
        }
        if (!std::isnan(mean)) distribution.push_back(mean / drawn_seeds); // NaN: none of a seed's patients was drawn
    }
    result.p = p_of_zero(distribution);
    std::ranges::sort(distribution);
    result.interval = statistics::percentile_interval(distribution);
    return result;
}

comparison compare(const study& of, const task_of& task, int labels, const std::string& arm, const std::string& baseline, int resamples,
                   std::uint64_t seed) {
    comparison c;
    c.task = task;
    c.labels = labels;
    c.arm = arm;
    c.baseline = baseline;
    std::set<std::uint64_t> seeds;
    for (const auto& [id, tasks] : of.folder().predictions)
        if (id.family == task.family && id.labels == labels && id.arm == baseline) seeds.insert(id.seed);
    std::vector<paired_seed> pairs;
    std::size_t other_images = 0;
    const std::string whose =
        task.family + ", " + task.name + " of " + arm + " and " + baseline + ", " + std::to_string(labels) + " labels, seed ";
    for (const std::uint64_t s : seeds) {
        const auto* first = predictions_of(of.folder(), {task.family, arm, labels, s}, task.name);
        const auto* second = predictions_of(of.folder(), {task.family, baseline, labels, s}, task.name);
        if (first == nullptr || second == nullptr) continue;
        if (auto both = paired(s, whose + std::to_string(s), *first, *second)) pairs.push_back(std::move(*both));
        else ++other_images;
    }
    if (other_images > 0) c.missing = "tested on other images than " + baseline + " from " + std::to_string(other_images) + " seeds";
    else if (pairs.empty()) c.missing = "no predictions of both from the same seed";
    if (!c.missing.empty()) return c;

    const auto value = [&](const prediction& p) { return right_or_score(task, p); };
    const auto first = values_of(pairs, [&](const prediction& a, const prediction&) { return value(a); });
    const auto second = values_of(pairs, [&](const prediction&, const prediction& b) { return value(b); });
    const auto differences = values_of(pairs, [&](const prediction& a, const prediction& b) { return value(a) - value(b); });
    c.seeds = pairs.size();
    c.images = pairs.front().images.size();
    c.patients = statistics::clusters{differences.front().patients}.count();
    c.first = mean_of_seeds(first);
    c.second = mean_of_seeds(second);
    c.difference = bootstrap(differences, resamples, seed);
    if (std::isnan(c.difference.p))
        c.missing = c.patients < 2 ? "test images of one patient only" : "scores that are no finite numbers, or classes that are missing";
    if (!c.missing.empty()) return c;
    if (std::vector<double> means; c.seeds > 1) {
        for (const of_seed& s : differences) means.push_back(statistics::mean(s.values));
        if (std::ranges::none_of(means, [](double m) { return std::isnan(m); })) c.wilcoxon_seeds = statistics::wilcoxon(means).p_value;
    }
    if (task.type == task_type::classification) test_classes(c, pairs);
    else c.wilcoxon_images = wilcoxon_of_images(differences);
    return c;
}

void adjust(std::span<comparison> family) {
    std::vector<double> p;
    for (const comparison& c : family)
        if (!std::isnan(c.difference.p)) p.push_back(c.difference.p);
    const std::vector<double> adjusted = statistics::holm(p);
    std::size_t next = 0;
    for (comparison& c : family)
        if (!std::isnan(c.difference.p)) c.holm = adjusted[next++];
}

bootstrapped value_of(const study& of, const task_of& task, int labels, const std::string& arm, int resamples, std::uint64_t seed) {
    std::vector<of_seed> seeds;
    for (const auto& [id, tasks] : of.folder().predictions) {
        if (id.family != task.family || id.arm != arm || id.labels != labels) continue;
        const auto* rows = predictions_of(of.folder(), id, task.name);
        if (rows == nullptr) continue;
        of_seed& one = seeds.emplace_back(of_seed{id.seed, {}, {}});
        for (const prediction& p : *rows) {
            one.patients.push_back(p.patient);
            one.values.push_back(right_or_score(task, p));
        }
    }
    return bootstrap(seeds, resamples, seed);
}

} // namespace experiment::reporting
