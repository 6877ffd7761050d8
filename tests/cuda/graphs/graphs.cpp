// SPDX-License-Identifier: MIT
// Operation graphs as values: no library of CUDA is loaded here.
#include <algorithm>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <doctest/doctest.h>

#include <tests/support/message_of.hpp>
#include <umsrep/backend/cuda/work.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/network/lower.hpp>
#include <umsrep/network/zoo/resnet.hpp>
#include <umsrep/network/zoo/unet.hpp>

using namespace umsrep;
using test::message_of;

namespace graphs_test {

using four = std::array<std::int64_t, 4>;

node convolution_node(op kind, shape in, shape out, attributes a) {
    node n;
    n.kind = kind;
    n.in = in;
    n.out = out;
    n.a = a;
    return n;
}

using net = network<unet_encoder<image<1, 32, 32>, 8, 12, 16>, head<"mask", unet_decoder<1, up<"e2", 12>, up<"e1", 8>>, loss::l2>>;
using whole_blocks = network<unet_encoder<image<1, 32, 32>, 8, 16, 32>, head<"mask", unet_decoder<1, up<"e2", 16>, up<"e1", 8>>, loss::l2>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>>;
using two_masks = network<unet_encoder<image<1, 32, 32>, 8, 16, 32>, head<"a", unet_decoder<1, up<"e2", 16>, up<"e1", 8>>, loss::l2>,
    head<"b", unet_decoder<1, up<"e2", 16>, up<"e1", 8>>, loss::l2>>;
using residual_net = network<resnet18_encoder<image<3, 64, 64>>, head<"class", resnet_classifier<10>, loss::cross_entropy>>;

/// Names of what is emitted, in order: kernels of our own in brackets.
template <class Net>
std::vector<std::string> names(const mode& m, cuda::precision p = cuda::precision::bf16) {
    const graph g = lower<Net>();
    const execution_plan plan = make_unplaced_plan(g, m, cuda::device_storage);
    std::vector<std::string> all;
    for (const cuda::work& w : cuda::list_work(g, plan, 4, p)) all.push_back(w.ours() ? "[" + std::string(w.name()) + "]" : w.graph.name);
    return all;
}

mode training() {
    mode m;
    m.training = true;
    return m;
}

bool has(const std::vector<std::string>& all, const std::string& name) { return std::find(all.begin(), all.end(), name) != all.end(); }

} // namespace graphs_test

TEST_CASE("images lie in NHWC, and a slice of channels steps over its neighbours") {
    const cuda::tensor whole = cuda::images(cuda::role::input, 2, {12, 5, 7}, cuda::data_type::bfloat16);
    CHECK(whole.size == graphs_test::four{2, 12, 5, 7});
    CHECK(whole.stride == graphs_test::four{12 * 35, 1, 12 * 7, 12});
    const cuda::tensor slice = cuda::images(cuda::role::input, 2, {12, 5, 7}, cuda::data_type::bfloat16, 32);
    CHECK(slice.size == whole.size);
    CHECK(slice.stride == graphs_test::four{32 * 35, 1, 32 * 7, 32});
    CHECK(cuda::text(slice) == "2x12x5x7 bf16");
}

TEST_CASE("a tensor without extent, or wider than what it is a slice of, is refused") {
    CHECK(message_of<shape_mismatch>([] { cuda::images(cuda::role::input, 2, {12, 5, 7}, cuda::data_type::float32, 8); }) ==
          "cuda tensor: expected positive sizes and at most 8 channels, got 2x12x5x7");
    CHECK_THROWS_AS(cuda::images(cuda::role::input, 0, {12, 5, 7}, cuda::data_type::float32), shape_mismatch);
    CHECK_THROWS_AS(cuda::images(cuda::role::input, 1, {12, 0, 7}, cuda::data_type::float32), shape_mismatch);
}

TEST_CASE("every role has a name of its own") {
    std::set<std::string_view> names;
    for (int r = 1; r <= static_cast<int>(cuda::role::index); ++r) names.insert(cuda::name(static_cast<cuda::role>(r)));
    CHECK(names.size() == static_cast<std::size_t>(cuda::role::index));
    CHECK(names.count("") == 0);
    CHECK(cuda::name(cuda::role::index) == "index");
    CHECK(cuda::name(cuda::role::grad_weight) == "grad_weight");
    CHECK(cuda::name(cuda::role::intermediate) == "intermediate");
}

TEST_CASE("all but the narrowest activations have room for a multiple of 8 channels, and the planner knows") {
    for (int c = 1; c < 100; ++c) {
        CHECK(cuda::stored_channels(c) >= c);
        CHECK(cuda::stored_channels(c) < c + 8);
        CHECK((c < 4 || cuda::stored_channels(c) % 8 == 0));
        CHECK(cuda::device_storage.elements({c, 3, 5}) == cuda::stored_channels(c) * 15);
    }
    CHECK(cuda::stored_channels(1) == 1);
    CHECK(cuda::stored_channels(3) == 3);
}

TEST_CASE("a convolution, its adjoint and a dense layer are one map between images and results") {
    attributes a;
    a.kernel = {3, 5};
    a.padding = {1, 2};
    a.stride = 2;
    const node conv = graphs_test::convolution_node(op::conv, {20, 16, 16}, {7, 8, 8}, a);
    const cuda::operation_graph forward = cuda::forward_convolution(conv, 2, cuda::precision::bf16, {});
    const auto& c = std::get<cuda::convolution>(forward.operations.at(0));
    CHECK(c.what == cuda::convolution::gives::results);
    CHECK(c.image.size == graphs_test::four{2, 20, 16, 16});
    CHECK(c.image.stride[3] == 24); // the room behind 20 channels is stepped over
    CHECK(c.weight.size == graphs_test::four{7, 20, 3, 5});
    CHECK(c.result.size == graphs_test::four{2, 7, 8, 8});

    attributes t;
    t.kernel = t.stride = 2;
    const node up = graphs_test::convolution_node(op::conv_transpose, {16, 4, 4}, {8, 8, 8}, t);
    const cuda::operation_graph enlarged = cuda::forward_convolution(up, 2, cuda::precision::fp32, {});
    const auto& adjoint = std::get<cuda::convolution>(enlarged.operations.at(0));
    CHECK(adjoint.what == cuda::convolution::gives::images);
    CHECK(adjoint.image.id == static_cast<std::int64_t>(cuda::role::output));
    CHECK(adjoint.weight.size == graphs_test::four{16, 8, 2, 2}); // PyTorch's (in, out)
    const cuda::operation_graph reduced = cuda::backward_convolution_input(up, 2, cuda::precision::fp32);
    CHECK(std::get<cuda::convolution>(reduced.operations.at(0)).what == cuda::convolution::gives::results);

    const node dense = graphs_test::convolution_node(op::linear, {16, 4, 6}, {10, 1, 1}, {});
    const cuda::operation_graph product = cuda::forward_convolution(dense, 2, cuda::precision::fp32, {});
    CHECK(std::get<cuda::convolution>(product.operations.at(0)).weight.size == graphs_test::four{10, 16, 4, 6});

    const node other = graphs_test::convolution_node(op::relu, {1, 1, 1}, {1, 1, 1}, {});
    CHECK(message_of<option_error>([&] { cuda::map_of(other); }) == "cuda convolution: expected conv, conv_transpose or linear, got relu");
}

TEST_CASE("an epilogue passes values on inside the graph, and only its last result is stored") {
    const node conv = graphs_test::convolution_node(op::conv, {8, 4, 4}, {8, 4, 4}, {});
    const cuda::operation_graph g = cuda::forward_convolution(conv, 1, cuda::precision::bf16, {true, true, true});
    CHECK(g.name == "conv + bias + add + relu");
    REQUIRE(g.operations.size() == 4);
    std::int64_t before = std::get<cuda::convolution>(g.operations[0]).result.id;
    for (std::size_t i = 1; i < 4; ++i) {
        const auto& p = std::get<cuda::pointwise>(g.operations[i]);
        CHECK(p.x.id == before);
        CHECK(p.x.inside);
        CHECK(p.y.inside == (i < 3));
        before = p.y.id;
    }
    CHECK(before == static_cast<std::int64_t>(cuda::role::output));
}

TEST_CASE("training normalises with its relu, differentiates both in one graph, and leaves to our kernels what cuDNN has not") {
    const std::vector<std::string> all = graphs_test::names<graphs_test::net>(graphs_test::training());
    CHECK(graphs_test::has(all, "batch_norm + relu"));
    CHECK(graphs_test::has(all, "relu + batch_norm backward"));
    CHECK(graphs_test::has(all, "conv weight gradient"));
    CHECK_FALSE(graphs_test::has(all, "relu"));
    CHECK_FALSE(graphs_test::has(all, "batch_norm"));
}

TEST_CASE("a U-Net copies no part of its concatenations, neither values nor gradients") {
    for (const mode& m : {mode{}, graphs_test::training()}) {
        const std::vector<std::string> all = graphs_test::names<graphs_test::whole_blocks>(m);
        CHECK_FALSE(graphs_test::has(all, "[concat]"));
        CHECK(graphs_test::has(all, "[max_pool]")); // cuDNN's reads no slices
    }
    // The second head's share of what both concatenate is copied: of two values, forward, and of their gradients.
    const auto copies = [](const mode& m) {
        const std::vector<std::string> all = graphs_test::names<graphs_test::two_masks>(m);
        return std::count(all.begin(), all.end(), "[concat]");
    };
    CHECK(copies({}) == 2);
    CHECK(copies(graphs_test::training()) == 4);
}

TEST_CASE("where a first part ends within 8 channels the parts are copied; a pool that reads no slice is cuDNN's") {
    const std::vector<std::string> all = graphs_test::names<graphs_test::net>(graphs_test::training());
    CHECK(std::count(all.begin(), all.end(), "[concat]") == 4); // of 12 and 12 channels, not of 8 and 8
    CHECK(graphs_test::has(all, "max_pool + index"));
    CHECK(graphs_test::has(all, "max_pool backward"));
}

TEST_CASE("a graph steps over the other channels of what its operands are slices of") {
    const graph g = lower<graphs_test::whole_blocks>();
    const execution_plan plan = make_unplaced_plan(g, graphs_test::training(), cuda::device_storage);
    int slices = 0;
    for (const cuda::work& w : cuda::list_work(g, plan, 4, cuda::precision::bf16))
        for (const cuda::operand& o : w.operands) {
            if (o.part != cuda::part_of_node::value && o.part != cuda::part_of_node::gradient) continue;
            const node_plan& n = plan.nodes[static_cast<std::size_t>(o.node)];
            const slice& s = o.part == cuda::part_of_node::value ? n.value_slice : n.gradient_slice;
            const shape whole = g[o.node].out;
            for (const cuda::operation& one : w.graph.operations)
                cuda::for_each_tensor(one, [&](const char*, const cuda::tensor& t) {
                    if (t.id != static_cast<std::int64_t>(o.what)) return;
                    CHECK(t.stride[3] == cuda::stored_channels(s ? s.channels : whole.c));
                    slices += s ? 1 : 0;
                });
        }
    CHECK(slices >= 8);
}

TEST_CASE("inference folds norms into convolutions, with sums and relus behind them") {
    const std::vector<std::string> unet = graphs_test::names<graphs_test::net>({});
    CHECK(graphs_test::has(unet, "conv + bias + relu"));
    CHECK(graphs_test::has(unet, "max_pool"));
    CHECK_FALSE(graphs_test::has(unet, "max_pool + index"));
    const std::vector<std::string> resnet = graphs_test::names<graphs_test::residual_net>({});
    CHECK(graphs_test::has(resnet, "conv + bias + add + relu"));
    for (const std::string& name : resnet) CHECK(name.find("batch_norm") == std::string::npos);
    const std::vector<std::string> trained = graphs_test::names<graphs_test::residual_net>(graphs_test::training());
    CHECK(graphs_test::has(trained, "batch_norm + add + relu"));
}

TEST_CASE("frozen stages have no graph backward") {
    mode m = graphs_test::training();
    m.first_trained_stage = 5;
    for (const std::string& name : graphs_test::names<graphs_test::residual_net>(m)) {
        CHECK(name.find("batch_norm") == std::string::npos);
        if (name.find("backward") != std::string::npos || name.find("gradient") != std::string::npos)
            CHECK(name.find("conv") == std::string::npos);
    }
}

TEST_CASE("no graph adds to a gradient: what a graph gives is written aside and added by a kernel of our own") {
    const graph g = lower<graphs_test::net>();
    const execution_plan plan = make_unplaced_plan(g, graphs_test::training(), cuda::device_storage);
    const std::vector<cuda::work> all = cuda::list_work(g, plan, 4, cuda::precision::bf16);
    int added = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].kernel != cuda::own_kernel::add_gradient) continue;
        ++added;
        REQUIRE(i > 0);
        const auto aside = [](const cuda::operand& o) { return o.what == cuda::role::grad_input && o.part == cuda::part_of_node::scratch; };
        CHECK(std::count_if(all[i - 1].operands.begin(), all[i - 1].operands.end(), aside) == 1);
    }
    CHECK(added > 0);
    for (const node_plan& n : plan.nodes) // nor does a norm's backward write over what it reads
        if (n.batch_statistics && n.differentiate[0]) {
            const std::size_t i = static_cast<std::size_t>(&n - plan.nodes.data());
            CHECK(plan.nodes[static_cast<std::size_t>(g.nodes[i].inputs[0])].gradient != n.gradient);
        }
}

TEST_CASE("a convolution's backward adds what others gave to its input's gradient, and passes over an identity read it where it is") {
    const graph g = lower<graphs_test::residual_net>();
    const execution_plan plan = make_unplaced_plan(g, graphs_test::training(), cuda::device_storage);
    const std::vector<cuda::work> all = cuda::list_work(g, plan, 4, cuda::precision::bf16);
    const auto count = [&](std::string_view name) {
        return std::count_if(all.begin(), all.end(), [&](const cuda::work& w) { return w.name() == name; });
    };
    CHECK(count("conv backward + add") == 8); // one for each block of ResNet-18
    CHECK(count("add gradient") == 0);
    CHECK(count("pass gradient") == 3); // to a shortcut's norm, which reads it alone
    for (const cuda::work& w : all) // nothing is added to what it is written over
        for (const cuda::operand& o : w.operands)
            if (o.what == cuda::role::grad_skip) {
                const node_plan& x = plan.nodes[static_cast<std::size_t>(o.node)];
                CHECK(x.aside >= 0);
                CHECK(x.aside != x.gradient);
            }
}

TEST_CASE("each graph has an operand for each role, once") {
    for (const mode& m : {mode{}, graphs_test::training()}) {
        const graph g = lower<graphs_test::residual_net>();
        const execution_plan plan = make_unplaced_plan(g, m, cuda::device_storage);
        for (const cuda::work& w : cuda::list_work(g, plan, 4, cuda::precision::fp16)) {
            std::multiset<cuda::role> operands;
            std::set<cuda::role> roles;
            for (const cuda::operand& o : w.operands) operands.insert(o.what);
            for (const cuda::operation& o : w.graph.operations)
                cuda::for_each_tensor(o, [&](const char*, const cuda::tensor& t) {
                    if (!t.inside) roles.insert(static_cast<cuda::role>(t.id));
                });
            CHECK_MESSAGE(std::equal(roles.begin(), roles.end(), operands.begin(), operands.end()), w.graph.name);
        }
    }
}
