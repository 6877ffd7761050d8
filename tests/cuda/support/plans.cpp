// SPDX-License-Identifier: MIT
// Plans can be made, written and read again without a device, for engines that need no driver to compile them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/backend/cuda/available.hpp>
#include <umsrep/backend/cuda/prepared_graph.hpp>
#include <umsrep/backend/cuda/normalization.hpp>
#include <umsrep/backend/cuda/work.hpp>

#include "stub.hpp"

using namespace umsrep;

namespace plans {

cuda::device_description h200() {
    support::load_driver_or_stub();
    std::ifstream file(std::string(UMSREP_TEST_DEVICES) + "/sm_90.json");
    return cuda::device_description(std::string_view(std::string{std::istreambuf_iterator<char>(file), {}}));
}

cuda::operation_graph weight_gradient(cuda::precision p = cuda::precision::bf16) {
    node n;
    n.kind = op::conv;
    n.in = n.out = {64, 32, 32};
    n.a.kernel = 3;
    n.a.padding = 1;
    return cuda::backward_convolution_weight(n, 8, p);
}

constexpr cuda::machine_options first{.plan = cuda::plans::first}, measured{.plan = cuda::plans::measured};

/// In a device's place: says that plans run, or do not, and how long they take.
struct fake_trial {
    bool room = true;
    int failures = 0; ///< so many of the next plans do not run
    std::function<double(std::size_t)> seconds_of = [](std::size_t) { return 1.0; };
    int reserved = 0, checked = 0, failed = 0;
    std::vector<std::string> timed; ///< as JSON

    void reserve() {
        if (!room) throw device_error("no room");
        ++reserved;
    }
    void check(const cuda::graph_plan&) {
        ++checked;
        if (failures == 0) return;
        --failures;
        throw device_error("it does not run (" + std::to_string(++failed) + ")");
    }
    double seconds(const cuda::graph_plan& p, double) {
        check(p);
        --checked;
        timed.push_back(p.json());
        return seconds_of(timed.size() - 1);
    }
};

} // namespace plans

TEST_CASE("a device's description survives its JSON") {
    const cuda::device_description d = plans::h200();
    CHECK(d.json().find("\"deviceVer\":900") != std::string::npos);
    CHECK(cuda::device_description(std::string_view(d.json())).json() == d.json());
    CHECK_THROWS_AS(cuda::device_description(std::string_view("no JSON")), cuda::cuda_error);
}

TEST_CASE("a plan survives its JSON") {
    const cuda::device_description device = plans::h200();
    const cuda::built_graph g(plans::weight_gradient());
    const cuda::engine e = std::move(cuda::find_engines(g, device, cuda::demands_of(cuda::precision::bf16, true), 1).front());
    const cuda::graph_plan plan(g, e, device);
    CHECK(plan.workspace() == e.workspace);
    const cuda::graph_plan again(g, std::string_view(plan.json()), device);
    CHECK(again.workspace() == plan.workspace());
    CHECK(again.json() == plan.json());
}

TEST_CASE("deterministic engines are some of all, and none of them adds in any order") {
    const cuda::device_description device = plans::h200();
    const cuda::built_graph g(plans::weight_gradient(cuda::precision::tf32));
    const auto all = cuda::find_engines(g, device, {}, 1000), deterministic = cuda::find_engines(g, device, {true, false}, 1000);
    CHECK(deterministic.size() < all.size());
    for (const cuda::engine& e : deterministic) CHECK_FALSE(e.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC));
    CHECK(cuda::find_engines(g, device, {}, 2).size() == 2);
}

TEST_CASE("fp32 gets no tensor cores, tf32 does") {
    node n;
    n.kind = op::conv;
    n.in = n.out = {64, 32, 32};
    const cuda::device_description device = plans::h200();
    const cuda::built_graph g(cuda::forward_convolution(n, 8, cuda::precision::fp32, {}));
    for (const cuda::engine& e : cuda::find_engines(g, device, cuda::demands_of(cuda::precision::fp32, false), 1000))
        CHECK_FALSE(e.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
    const auto tf32 = cuda::find_engines(g, device, cuda::demands_of(cuda::precision::tf32, false), 1000);
    CHECK(std::any_of(tf32.begin(), tf32.end(), [](const cuda::engine& e) { return e.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE); }));
}

TEST_CASE("a graph that cuDNN has no engine for is named with its sizes and cuDNN's words") {
    const cuda::built_graph g(cuda::forward_batch_norm(2, {3, 4, 4}, cuda::precision::bf16, {}));
    const std::string message = test::message_of<cuda::cuda_error>([&] { cuda::find_engines(g, plans::h200(), {}, 1); });
    CHECK(message.starts_with("batch_norm: x 2x3x4x4 bf16, y 2x3x4x4 bf16: expected an engine of cuDNN, got CUDNN_STATU"));
    CHECK(message.find('\n') == std::string::npos);
}

TEST_CASE("an operation that cuDNN refuses is named with its sizes") {
    node n;
    n.kind = op::conv;
    n.in = {8, 4, 4};
    n.out = {8, 9, 9}; // no convolution of 4 x 4 gives that
    const std::string message =
        test::message_of<cuda::cuda_error>([&] { const cuda::built_graph g(cuda::forward_convolution(n, 1, cuda::precision::bf16, {})); });
    CHECK(message.starts_with("conv: image 1x8x4x4 bf16, weight 8x8x1x1 bf16, result 1x8x9x9 bf16: cuDNN: cannot describe a convolution"));
}

TEST_CASE("a graph is prepared once and its plan then found; a damaged one, and other demands, are prepared anew") {
    const cuda::device_description device = plans::h200();
    const test::temporary_folder folder;
    const cuda::file_cache cache(folder.path(), "plan-");
    const cuda::engine_demands demands = cuda::demands_of(cuda::precision::bf16, true);
    const auto prepare = [&](const cuda::engine_demands& d, const cuda::machine_options& o = plans::first, std::filesystem::path at = {}) {
        plans::fake_trial trial;
        return cuda::prepared_graph(plans::weight_gradient(), device, d, o, at.empty() ? cache : cuda::file_cache(at, "plan-"), trial);
    };
    const cuda::prepared_graph first = prepare(demands);
    CHECK_FALSE(first.was_kept());
    CHECK(folder.files() == 1);
    const cuda::prepared_graph again = prepare(demands);
    CHECK(again.was_kept());
    CHECK(again.plan().json() == first.plan().json());
    CHECK(again.workspace() == first.workspace());
    CHECK_FALSE(prepare({}).was_kept());
    CHECK(folder.files() == 2);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) std::ofstream(entry.path()) << "no plan";
    CHECK_FALSE(prepare(demands).was_kept());
    CHECK(prepare(demands).was_kept());
    CHECK_FALSE(prepare(demands, {.plan = cuda::plans::first, .workspace = 0}).was_kept()); // it may be another
    CHECK_FALSE(prepare(demands, plans::measured).was_kept());
    CHECK(prepare(demands).was_kept());
    plans::fake_trial trial;
    CHECK_FALSE(cuda::prepared_graph(plans::weight_gradient(), device, demands, plans::first, {{}, "plan-"}, trial).was_kept());
}

TEST_CASE("the plan that is measured to be the fastest is kept; what was kept is run once, and not measured again") {
    const cuda::device_description device = plans::h200();
    const test::temporary_folder folder;
    const cuda::file_cache cache(folder.path(), "plan-");
    const cuda::engine_demands demands = cuda::demands_of(cuda::precision::bf16, true);
    plans::fake_trial trial;
    const auto prepare = [&] { return cuda::prepared_graph(plans::weight_gradient(), device, demands, plans::measured, cache, trial); };
    trial.seconds_of = [](std::size_t nth) { return 1.0 / static_cast<double>(nth + 1); }; // the last one is the fastest
    const cuda::prepared_graph chosen = prepare();
    REQUIRE(trial.timed.size() > 2);
    CHECK(trial.timed.size() <= plans::measured.candidates);
    CHECK(chosen.plan().json() == trial.timed.back());
    CHECK(trial.timed.front() != trial.timed.back());
    CHECK(trial.reserved == 1);
    const std::size_t timed = trial.timed.size();
    const cuda::prepared_graph again = prepare();
    CHECK(again.was_kept());
    CHECK(again.plan().json() == chosen.plan().json());
    CHECK(trial.timed.size() == timed);
    CHECK(trial.checked == 1);
}

TEST_CASE("a plan that was kept and does not run is thrown away and another is chosen; where that one does not run either, both are named") {
    const cuda::device_description device = plans::h200();
    const test::temporary_folder folder;
    const cuda::file_cache cache(folder.path(), "plan-");
    for (const cuda::machine_options& o : {plans::first, plans::measured}) {
        plans::fake_trial trial;
        const auto prepare = [&] { return cuda::prepared_graph(plans::weight_gradient(), device, {}, o, cache, trial); };
        prepare();
        trial.failures = 1;
        CHECK_FALSE(prepare().was_kept());
        CHECK(trial.failures == 0);
        CHECK(prepare().was_kept());
        trial.failures = 1000, trial.failed = 0;
        const std::string message = test::message_of<device_error>([&] { prepare(); });
        CHECK_MESSAGE(test::one_line_naming(message, "conv weight gradient: image 8x64x32x32 bf16"), message);
        CHECK(message.find("expected a plan that runs, got it does not run (2)") != std::string::npos);
        CHECK(message.ends_with("; and of the plan that was kept: it does not run (1)"));
        trial.failures = 0;
        CHECK_FALSE(prepare().was_kept()); // it was thrown away all the same
    }
}

TEST_CASE("plans that need more scratch memory than is allowed are passed over where others run") {
    const cuda::device_description device = plans::h200();
    const cuda::built_graph g(plans::weight_gradient());
    std::int64_t least = std::numeric_limits<std::int64_t>::max(), most = 0;
    for (const cuda::engine& e : cuda::find_engines(g, device, {}, 32)) {
        least = std::min(least, e.workspace);
        most = std::max(most, e.workspace);
    }
    REQUIRE(least < most);
    for (const cuda::plans how : {cuda::plans::first, cuda::plans::measured}) {
        plans::fake_trial trial;
        const cuda::prepared_graph small(plans::weight_gradient(), device, {}, {.plan = how, .workspace = least}, {{}, "plan-"}, trial);
        CHECK(small.workspace() <= static_cast<std::size_t>(least));
    }
}

TEST_CASE("few of the engines that are compiled first are measured, and the others where none of those runs") {
    const cuda::device_description device = plans::h200();
    const cuda::operation_graph norm = cuda::forward_batch_norm(4, {64, 32, 32}, cuda::precision::bf16, {false, false, true});
    const cuda::built_graph g(norm);
    const auto engines = cuda::find_engines(g, device, {}, 8);
    CHECK(std::all_of(engines.begin(), engines.end(), [](const cuda::engine& e) { return e.compiles(); }));
    CHECK(cuda::candidates_of(g, device, {}, plans::measured, 8, true).size() == plans::measured.compiled);
    CHECK(cuda::candidates_of(g, device, {}, plans::measured, 32, false).size() > 8);
    cuda::machine_options many = plans::measured;
    many.candidates = 40;
    CHECK(cuda::candidates_of(g, device, {}, many, 40, true).size() < cuda::candidates_of(g, device, {}, many, 40, false).size());
    CHECK(cuda::candidates_of(g, device, {}, plans::first, 1, true).size() == 1);
}

TEST_CASE("where there is no memory to measure in, that is said, and what needs none") {
    const cuda::device_description device = plans::h200();
    plans::fake_trial trial;
    trial.room = false;
    const std::string message = test::message_of<device_error>(
        [&] { cuda::prepared_graph(plans::weight_gradient(), device, {}, plans::measured, {{}, "plan-"}, trial); });
    CHECK(message.find("expected memory to measure plans in (a smaller batch needs less, plans::first none), got no room") != std::string::npos);
}

TEST_CASE("a graph of which there is no plan is refused with the library's words") {
    const cuda::device_description device = plans::h200();
    node n; // its epilogue is compiled for the device, which takes one
    n.kind = op::conv;
    n.in = n.out = {64, 32, 32};
    n.a.kernel = 3;
    n.a.padding = 1;
    if (cuda::available()) return;
    const std::string message = test::message_of<device_error>([&] {
        plans::fake_trial trial;
        const cuda::prepared_graph none(cuda::forward_convolution(n, 4, cuda::precision::bf16, {true, false, true}), device, {true, false},
                                        plans::first, {{}, "plan-"}, trial);
    });
    CHECK(message.starts_with("conv + bias + relu: image 4x64x32x32 bf16"));
    CHECK(message.find("expected a plan that runs, got cuDNN: cannot describe a plan for conv + bias + relu") != std::string::npos);
}
