// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>

#include <doctest/doctest.h>

#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/network/facts.hpp>

using namespace umsrep;

namespace {

// 1 x 8 x 8 -> 4 x 8 x 8 -> 8 x 4 x 4; small enough to count by hand.
struct net : network<encoder<image<1, 8, 8>,
    stage<"e1", conv<4, 3>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, relu>>,
    head<"mask", seq<conv_transpose<4, 2, stride<2>>, concat<"e1">, conv<1, 1>>, loss::dice_bce>,
    head<"class", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

constexpr std::int64_t e1 = 4 * 9 + 4, norm = 2 * 4, e2 = 8 * 4 * 9, heads = (8 * 4 * 4 + 4) + (8 + 1) + (8 * 3 + 3);
constexpr std::int64_t e1_macs = 64 * 4 * 9, e2_macs = 16 * 8 * 4 * 9, transpose_macs = 16 * 8 * 4 * 4, mask_macs = 64 * 8, class_macs = 8 * 3;

struct half {
    static constexpr storage_policy storage = dense_storage;
    static constexpr std::ptrdiff_t state_size(const node&, bool, bool) { return 0; }
    static constexpr std::ptrdiff_t workspace_size(const node&, int, int, bool) { return 0; }
    static constexpr int scalar_bytes = 2;
};
struct padded {
    static constexpr storage_policy storage{[](shape s) { return std::ptrdiff_t{(s.c + 15) / 16 * 16} * s.h * s.w; },
                                            [](shape s) { return s.c < 4; }};
    static constexpr std::ptrdiff_t state_size(const node& n, bool, bool) { return n.kind == op::batch_norm ? 4 * n.in.c : 0; }
    static constexpr std::ptrdiff_t workspace_size(const node& n, int batch, int threads, bool) {
        return n.kind == op::conv ? std::ptrdiff_t{batch} * threads * n.in.size() : 0;
    }
    static constexpr std::ptrdiff_t worker_size(const node& n, int batch, int, bool training) { return n.kind == op::conv ? batch * (training ? 18 : 2) : 0; }
    static constexpr int scalar_bytes = 4;
};

} // namespace

TEST_CASE("parameters are those counted by hand") {
    static_assert(parameters<net> == e1 + norm + e2 + heads);
    static_assert(trainable_parameters<net, train<joint<all>>> == parameters<net>);
    static_assert(trainable_parameters<net, train<joint<last<1>>>> == e2 + heads);
    static_assert(trainable_parameters<net, train<joint<frozen>>> == heads);
    static_assert(trainable_parameters<net, infer> == 0);
    CHECK(true);
}

TEST_CASE("multiply-accumulates are those counted by hand") {
    constexpr std::int64_t once = e1_macs + e2_macs + transpose_macs + mask_macs + class_macs;
    static_assert(forward_macs<net> == once);
    // Gradients of weights and inputs cost one forward each; the first convolution's input gets none.
    static_assert(training_macs<net, joint<all>> == 3 * once - e1_macs);
    // Frozen encoder: the transposed convolution and the linear layer pass nothing on.
    static_assert(training_macs<net, joint<frozen>> == once + transpose_macs + 2 * mask_macs + class_macs);
    // Last stage: its convolution passes nothing on.
    static_assert(training_macs<net, joint<last<1>>> == once + e2_macs + 2 * (transpose_macs + mask_macs + class_macs));
    CHECK(true);
}

TEST_CASE("memory scales with the batch, and only activations do") {
    constexpr memory one = memory_of<net, train<joint<all>>>(batch{1}), eight = memory_of<net, train<joint<all>>>(batch{8});
    static_assert(one.parameters == (parameters<net> + 2 * 4) * 4);
    static_assert(one.gradients == parameters<net> * 4 && one.moments == 2 * one.gradients);
    static_assert(eight.parameters == one.parameters && eight.gradients == one.gradients && eight.moments == one.moments);
    static_assert(eight.arena == 8 * one.arena && eight.activations == 8 * one.activations);
    static_assert(one.saved_statistics == 16 * 4 && one.border == 0 && one.workspace == 0);
    static_assert(one.total() == one.parameters + one.gradients + one.moments + one.arena + one.saved_statistics);
    static_assert(training_memory<net, joint<all>>(batch{8}) == eight);
    static_assert(training_bytes<net, joint<all>>(batch{8}) == eight.total());
    static_assert(memory_of<net, infer>(batch{1}, 0).gradients == 0);
    CHECK(true);
}

TEST_CASE("alternating steps share one arena, as large as the largest of them and of validation") {
    constexpr memory turns = training_memory<net, alternating<all>>(batch{4});
    constexpr memory mask = memory_of<net, train<alternating<all>, "mask">>(batch{4});
    constexpr memory label = memory_of<net, train<alternating<all>, "class">>(batch{4});
    static_assert(turns.arena == std::max({mask.arena, label.arena, memory_of<net, validate>(batch{4}).arena}));
    static_assert(turns.parameters == mask.parameters && turns.gradients == 4 * parameters<net>);
    static_assert(turns.arena <= training_memory<net, joint<all>>(batch{4}).arena);
    CHECK(label.arena < mask.arena);
}

TEST_CASE("a checkpointed strategy computes inner values twice and takes less memory; nothing else changes") {
    // Stages of two convolutions, a decoder of two blocks: something inside every part.
    struct deep : network<encoder<image<1, 16, 16>,
        stage<"e1", conv<8, 3>, batch_norm, relu, conv<8, 3>, batch_norm, relu>,
        stage<"e2", max_pool<2>, conv<16, 3>, batch_norm, relu, conv<16, 3>, batch_norm, relu>>,
        head<"mask", seq<seq<conv_transpose<8, 2, stride<2>>, concat<"e1">, conv<8, 3>, relu>, conv<1, 1>>, loss::dice_bce>,
        head<"class", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};
    constexpr memory plain = training_memory<deep, joint<all>>(batch{4}), less = training_memory<deep, checkpointed<joint<all>>>(batch{4});
    static_assert(less.arena < plain.arena && less.activations < plain.activations);
    static_assert(less.parameters == plain.parameters && less.gradients == plain.gradients && less.moments == plain.moments);
    static_assert(less.saved_statistics == plain.saved_statistics);
    // Both convolutions of each stage: the second one's output is no stage's, and its batch-norm reads it. The head's one part is its last.
    static_assert(training_macs<deep, checkpointed<joint<all>>> - training_macs<deep, joint<all>> ==
                  256 * 9 * 8 * (1 + 8) + 64 * 9 * 16 * (8 + 16));
    static_assert(training_macs<deep, checkpointed<joint<frozen>>> == training_macs<deep, joint<frozen>>);
    static_assert(training_memory<deep, checkpointed<alternating<all>>>(batch{4}).arena < training_memory<deep, alternating<all>>(batch{4}).arena);
    static_assert(checkpointed<alternating<last<1>>>::tasks == scheme::alternating);
    CHECK(macs_per_sample<deep, infer> == forward_macs<deep>);
}

TEST_CASE("training takes the more memory the more of the encoder trains, and prediction least") {
    static_assert(inference_bytes<net>(batch{4}) < training_bytes<net, joint<frozen>>(batch{4}));
    static_assert(training_bytes<net, joint<frozen>>(batch{4}) < training_bytes<net, joint<last<1>>>(batch{4}));
    static_assert(training_bytes<net, joint<last<1>>>(batch{4}) < training_bytes<net, joint<all>>(batch{4}));
    CHECK(true);
}

TEST_CASE("the plan as a constant is the plan that is made at run time") {
    const auto check = [](auto strategy_mode) {
        using mode_type = decltype(strategy_mode);
        constexpr auto& fixed = plan<net, mode_type>;
        const execution_plan made = make_plan(lower<net>(), mode_type::value(2), dense_float::storage);
        CHECK(std::equal(fixed.steps.begin(), fixed.steps.end(), made.steps.begin(), made.steps.end()));
        CHECK(std::equal(fixed.buffers.begin(), fixed.buffers.end(), made.buffers.begin(), made.buffers.end()));
        CHECK(std::equal(fixed.nodes.begin(), fixed.nodes.end(), made.nodes.begin(), made.nodes.end()));
        CHECK(fixed.arena == made.arena);
        CHECK(fixed.count(phase::backward) == made.count(phase::backward));
    };
    check(infer{});
    check(validate{});
    check(train<joint<all>>{});
    check(train<joint<last<1>>>{});
    check(train<joint<frozen>>{});
    check(train<checkpointed<joint<all>>>{});
}

TEST_CASE("a layout of a backend decides the bytes") {
    CHECK(2 * inference_bytes<net, half>(batch{1}) == inference_bytes<net>(batch{1}));
    CHECK(memory_of<net, infer, padded>(batch{1}).arena > memory_of<net, infer>(batch{1}).arena);
    // The largest that one operation needs: the mask's convolution reads 8 x 8 x 8.
    CHECK(memory_of<net, infer, padded>(batch{2}, 0, threads{3}).workspace == 2 * 3 * (8 * 8 * 8) * 4);
    constexpr memory predicts = memory_of<net, infer, padded>(batch{2}, 0, threads{3}), trains = memory_of<net, train<joint<all>>, padded>(batch{2}, 0, threads{3});
    static_assert(predicts.workers == 3 * 16 * 4 && trains.workers == 3 * 48 * 4); // 4 and 36 elements, in whole lines
    static_assert(predicts.total() - predicts.workers == predicts.parameters + predicts.arena + predicts.saved_statistics + predicts.workspace + predicts.border);
    CHECK(memory_of<net, infer>(batch{2}, 0, threads{3}).workspace == 0);
}
