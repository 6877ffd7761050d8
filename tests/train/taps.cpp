// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "../support/bits.hpp"
#include "../support/message_of.hpp"
#include "../support/tiny.hpp"

using namespace umsrep;

namespace {

struct two_stages : encoder<image<1, 8, 8>, stage<"e1", conv<4, 3>>, stage<"e2", conv<4, 3>, tap<"half">, conv<4, 3>>> {};
/// "shallow" reads nothing of the second stage.
struct two_depths : network<two_stages, head<"shallow", conv<1, 1>, loss::l2, from<"e1">>, head<"deep", conv<1, 1>, loss::l2>> {};
/// "half" reads only the first convolution of the second stage.
struct half_way : network<two_stages, head<"half", seq<concat<"half">, conv<1, 1>>, loss::l2, from<"e1">>, head<"deep", conv<1, 1>, loss::l2>> {};

data::batch one_batch() {
    data::batch b;
    b.ids = {"one"};
    b.images = data::uninitialized(1, {1, 8, 8});
    b.images.fill(0.7f);
    b.heads.resize(2);
    for (auto& h : b.heads) {
        h.present = {1};
        h.values = data::uninitialized(1, {1, 8, 8});
        h.values.fill(0.3f);
    }
    return b;
}

template <class Model>
std::vector<float> parameters_of(Model& m, std::string_view prefix) {
    std::vector<float> values;
    for (const auto& t : m.tensors())
        if (t.name.starts_with(prefix)) values.insert(values.end(), t.values.begin(), t.values.end());
    return values;
}

} // namespace

TEST_CASE("a stage that a turn's head does not read stays as it is") {
    model<two_depths> m{seed{1}};
    trainer t{m, alternating<all>{}, optim::adamw{.lr = 1e-2}, batch{1}};
    const data::batch b = one_batch();
    for (int step = 0; step < 6; ++step) {
        const auto first = parameters_of(m, "encoder.e1"), second = parameters_of(m, "encoder.e2");
        t.step(b);
        CHECK_FALSE(test::same_bits(first, parameters_of(m, "encoder.e1")));
        CHECK(test::same_bits(second, parameters_of(m, "encoder.e2")) == (step % 2 == 0));
    }
}

TEST_CASE("a layer behind a tap inside a stage does not follow the gradient of another head's turn") {
    model<half_way> m{seed{1}};
    trainer t{m, alternating<all>{}, optim::sgd{.lr = 1e-2}, batch{1}};
    const data::batch b = one_batch();
    for (int step = 0; step < 6; ++step) {
        const auto before = parameters_of(m, "encoder.e2.0"), behind = parameters_of(m, "encoder.e2.2");
        REQUIRE_FALSE(behind.empty());
        t.step(b);
        CHECK_FALSE(test::same_bits(before, parameters_of(m, "encoder.e2.0")));
        CHECK(test::same_bits(behind, parameters_of(m, "encoder.e2.2")) == (step % 2 == 0));
    }
}

TEST_CASE("a batch whose images or labels are fewer or more than its samples is refused") {
    model<two_depths> m{seed{1}};
    trainer t{m, joint<all>{}, optim::sgd{}, batch{2}};
    data::batch images = one_batch(), labels = one_batch();
    images.images = data::uninitialized(3, {1, 8, 8});
    labels.heads[1].values = data::uninitialized(1, {1, 4, 4});
    CHECK(test::one_line_naming(test::message_of<shape_mismatch>([&] { t.step(images); }), "images"));
    CHECK(test::one_line_naming(test::message_of<shape_mismatch>([&] { t.step(labels); }), "head 'deep'"));
}

TEST_CASE("validation data without any label is refused rather than called best") {
    const test::tiny_dataset unlabelled{4, [](std::size_t) { return 0U; }};
    model<test::tiny> m{seed{1}};
    auto samples = test::tiny_loader(m), valid = test::tiny_loader(m, unlabelled);
    trainer t{m, joint<all>{}, optim::sgd{}, batch{4}};
    const std::string reason = test::message_of<label_error>([&] { t.fit(samples, &valid, {.epochs = 1}); });
    CHECK(test::one_line_naming(reason, "validation"));
    for (const auto& h : m.network().heads) CHECK(test::one_line_naming(reason, std::string(h.name)));
}
