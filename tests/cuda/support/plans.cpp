// SPDX-License-Identifier: MIT
// Plans can be made, written and read again without a device, for engines that need no driver to compile them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>
#include <tests/support/temporary_folder.hpp>
#include <umsrep/backend/cuda/machine.hpp>
#include <umsrep/backend/cuda/resampling.hpp>
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

TEST_CASE("what nothing emits yet has engines too") {
    const cuda::device_description device = plans::h200();
    node up;
    up.kind = op::upsample_bilinear;
    up.in = {8, 16, 16};
    up.out = {8, 32, 32};
    CHECK(cuda::find_engines(cuda::built_graph(cuda::forward_bilinear_twice(up, 4, cuda::precision::bf16)), device, {true, false}, 1)
              .size() == 1);
}

TEST_CASE("a graph is prepared once and its plan then found; a damaged one, and other demands, are prepared anew") {
    const cuda::device_description device = plans::h200();
    const test::temporary_folder folder;
    const cuda::file_cache cache(folder.path(), "plan-");
    const cuda::engine_demands demands = cuda::demands_of(cuda::precision::bf16, true);
    const cuda::prepared_graph first(plans::weight_gradient(), device, demands, cache);
    CHECK_FALSE(first.was_kept());
    CHECK(folder.files() == 1);
    const cuda::prepared_graph again(plans::weight_gradient(), device, demands, cache);
    CHECK(again.was_kept());
    CHECK(again.plan().json() == first.plan().json());
    CHECK(again.workspace() == first.workspace());
    CHECK_FALSE(cuda::prepared_graph(plans::weight_gradient(), device, {}, cache).was_kept());
    CHECK(folder.files() == 2);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) std::ofstream(entry.path()) << "no plan";
    CHECK_FALSE(cuda::prepared_graph(plans::weight_gradient(), device, demands, cache).was_kept());
    CHECK(cuda::prepared_graph(plans::weight_gradient(), device, demands, cache).was_kept());
    CHECK_FALSE(cuda::prepared_graph(plans::weight_gradient(), device, demands, {{}, "plan-"}).was_kept());
}

TEST_CASE("a graph of which there is no plan is refused with the library's words") {
    const cuda::device_description device = plans::h200();
    node n; // its epilogue is compiled for the device, which takes one
    n.kind = op::conv;
    n.in = n.out = {64, 32, 32};
    n.a.kernel = 3;
    n.a.padding = 1;
    if (cuda::available()) return;
    const std::string message = test::message_of<cuda::cuda_error>([&] {
        const cuda::prepared_graph none(cuda::forward_convolution(n, 4, cuda::precision::bf16, {true, false, true}), device, {true, false},
                                        {{}, "plan-"});
    });
    CHECK(message.starts_with("cuDNN: cannot describe a plan for conv + bias + relu: image 4x64x32x32 bf16"));
}
