// SPDX-License-Identifier: MIT
// cpu<> as a compiler without vector extensions has it. Its namespace keeps it apart from the one with kernels in this program's other files.
#define UMSREP_CPU_FALLBACK 1
#include <algorithm>
#include <type_traits>

#include <doctest/doctest.h>

#include "../../support/tiny.hpp"

template struct umsrep::cpu<>;
template struct umsrep::cpu<umsrep::winograd, umsrep::core_families>;

using namespace umsrep;

namespace {

/// The weights after two epochs.
template <class Backend>
std::vector<float> trained() {
    model<test::tiny, Backend> m{seed{1}, batch{4}, threads{2}};
    data::loader samples = test::tiny_loader(m), valid = test::tiny_loader(m, {}, 4, false);
    fit(m, joint<all>{}, samples, valid, optim::adamw{.lr = 3e-3}, {.epochs = 2});
    return {m.parameters().begin(), m.parameters().end()};
}

} // namespace

TEST_CASE("without vector extensions cpu<> is the default still, and says what it computes through") {
    static_assert(std::is_same_v<model<test::tiny>::backend, cpu<winograd, core_families>>);
    CHECK(describe_backend<cpu<>>() == "cpu, through Eigen: this compiler lacks vector extensions");
    CHECK(describe_backend<cpu<exact>>() == "cpu<exact>, through Eigen: this compiler lacks vector extensions");
    CHECK(describe(model<test::tiny>{seed{1}}).find("through Eigen") != std::string::npos);
}

TEST_CASE("without vector extensions cpu<> trains to the bits of the reference backend") {
    const std::vector<float> start = [] {
        const model<test::tiny> m{seed{1}};
        return std::vector<float>(m.parameters().begin(), m.parameters().end());
    }();
    const std::vector<float> ours = trained<cpu<>>();
    CHECK(ours == trained<reference<float>>());
    CHECK(ours != start);
}

TEST_CASE("without vector extensions cpu<> takes what the constants say") {
    CHECK(training_bytes<test::tiny, joint<all>, cpu<>>(batch{4}) == training_bytes<test::tiny, joint<all>, reference<float>>(batch{4}));
}
