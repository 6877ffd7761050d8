// SPDX-License-Identifier: MIT
#include "arm.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <umsrep/core/error.hpp>

namespace experiment {

namespace {

using umsrep::scheme;

constexpr std::array policies{"uncertainty", "dwa", "gradnorm", "pcgrad", "cagrad", "imtl", "famo", "random", "geometric"};

std::vector<arm> make_arms() {
    std::vector<arm> arms{{"separate", scheme::separate, tuning::all, origin::scratch},
                          {"separate-other", scheme::independent, tuning::all, origin::other_modality},
                          {"joint-scratch", scheme::joint, tuning::all, origin::scratch}};
    constexpr std::array tunings{std::pair{"all", tuning::all}, std::pair{"frozen", tuning::frozen}, std::pair{"last1", tuning::last1},
                                 std::pair{"lpft", tuning::lpft}, std::pair{"gradual", tuning::gradual}};
    for (const auto& [suffix, encoder] : tunings)
        for (const scheme tasks : {scheme::independent, scheme::alternating, scheme::joint})
            arms.push_back({std::string{to_string(tasks)} + "-" + suffix, tasks, encoder});
    arms.push_back({"joint-frozen-cached", scheme::joint, tuning::frozen, origin::own_modality, {}, true});
    for (const char* policy : policies)
        arms.push_back({std::string{"joint-all-"} + policy, scheme::joint, tuning::all, origin::own_modality, policy});
    return arms;
}

bool belongs(const arm& a, std::string_view group) {
    if (group == "all") return true;
    if (group == "balancing") return !a.balance.empty();
    if (group == "controls") return a.name == "separate-other" || a.name == "joint-scratch";
    if (group == "frozen") return a.encoder == tuning::frozen;
    if (group == "tuning") return a.encoder != tuning::all && a.encoder != tuning::frozen;
    const bool of_the_paper = a.name == "separate" || (a.encoder == tuning::all && a.start == origin::own_modality && a.balance.empty());
    return group == "paper" && of_the_paper;
}

} // namespace

const std::vector<arm>& all_arms() {
    static const std::vector<arm> arms = make_arms();
    return arms;
}

std::vector<arm> arms_of(const std::vector<std::string>& names) {
    const auto asked = [](const arm& a, const std::string& name) { return a.name == name || belongs(a, name); };
    for (const std::string& name : names)
        if (std::ranges::none_of(all_arms(), [&](const arm& a) { return asked(a, name); })) {
            std::string known = "paper, controls, frozen, tuning, balancing, all, or one of";
            for (const arm& a : all_arms()) known += " " + a.name;
            throw umsrep::option_error("--arms", known, "'" + name + "'");
        }
    std::vector<arm> result;
    for (const arm& a : all_arms())
        if (std::ranges::any_of(names, [&](const std::string& name) { return asked(a, name); })) result.push_back(a);
    return result;
}

} // namespace experiment
