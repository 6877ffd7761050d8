// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tests/cuda/recorded_checks.hpp>
#include <tests/cuda/training/on_device.hpp>
#include <tests/support/message_of.hpp>

namespace umsrep::test {

using cuda::precision;

TEST_CASE("a run whose pixels are changed on the device is the host's, whose loader changes them") {
    SUBCASE("joint") { check_recorded_run<host_machine>(joint<all>{}); }
    SUBCASE("alternating") { check_recorded_run<host_machine>(alternating<all>{}); }
}

TEST_CASE(
    "ten steps on recorded batches are those on computed ones, allocate nothing, and are replays behind a launch for each "
    "changed tensor") {
    on_device<precision::bf16> a{seed{1}, batch{4}}, b{seed{1}, batch{4}};
    auto computed = changing_loader(a, true, {.count = 12}), recorded = changing_loader(b, true, {.count = 12});
    trainer t{a, joint<all>{}, calm_sgd, batch{4}}, u{b, joint<all>{}, calm_sgd, batch{4}};
    host_machine& machine = b.on_device().machine();
    for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
        computed.start(epoch);
        recorded.start(epoch, 0, data::delivery::recorded);
        while (const auto one = computed.next()) {
            const auto other = *recorded.next();
            REQUIRE_FALSE(one->has_changes());
            REQUIRE(other.has_changes());
            const std::size_t allocations = machine.allocations(), bodies = machine.bodies();
            const std::vector<double> expected = t.step(*one), got = u.step(other);
            CHECK(relative_error(got, expected) < 1e-3);
            if (epoch == 0) continue;
            CHECK(machine.allocations() == allocations);
            const std::size_t changed = (other.changes.empty() ? 0U : 1U) + (other.heads[0].changes.empty() ? 0U : 1U) +
                                        (other.heads[1].changes.empty() ? 0U : 1U);
            CHECK(machine.bodies() == bodies + 1 + changed);
        }
    }
    CHECK(relative_error(parameters_of(a), parameters_of(b)) < 1e-3);
    CHECK(machine.late_kernels().empty());
    CHECK(u.allocated().total() == static_cast<std::int64_t>(machine.held()));
}

TEST_CASE("a run whose pixels are changed on the device goes on from its checkpoint to the same bits") {
    check_stopped_run([](auto& m) { return changing_loader(m, true); }, 3, 5);
}

TEST_CASE("who cannot compute recorded changes refuses them, and a loader gives them to nobody who has not asked") {
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{1}, batch{4}};
    auto samples = changing_loader(h, true, {.count = 12});
    samples.start(0);
    CHECK_FALSE(samples.next()->has_changes());
    samples.start(0, 0, data::delivery::recorded);
    const auto b = *samples.next();
    REQUIRE(b.has_changes());
    const std::string expected = "batch of '" + b.ids.front() + "': expected pixels that are computed, got recorded changes";
    trainer on_host{h, joint<all>{}, calm_sgd, batch{4}};
    trainer there{d, joint<all>{}, calm_sgd, batch{4}};
    CHECK(message_of<option_error>([&] { on_host.step(b); }).find(expected) == 0);
    task_affinity a = on_host.no_affinity();
    CHECK(message_of<option_error>([&] { on_host.measure(b, a); }).find(expected) == 0);
    there.step(b);
    auto wrong = b;
    wrong.changes.resize(3);
    CHECK(message_of<shape_mismatch>([&] { there.step(wrong); }) ==
          "batch: recorded changes: expected none, or of 4 samples, got 3");
    fit(h, joint<all>{}, samples, samples, calm_sgd, {.epochs = 1}); // whose loader computes
    fit(h, cached<joint<frozen>>{}, samples, nullptr, calm_sgd, {.epochs = 1});
}

TEST_CASE("a label that moves on the device and is not of its loss's kind is refused as on the host") {
    const auto refuse = [&](auto& m) {
        auto samples = changing_loader(m, true, {.count = 12});
        samples.start(0, 0, std::is_same_v<decltype(m), dropping_on_host&> ? data::delivery::computed : data::delivery::recorded);
        auto b = *samples.next();
        std::fill_n(b.heads[1].values.data(), b.heads[1].values.size(), 255.0f);
        trainer t{m, joint<all>{}, calm_adamw, batch{4}};
        return message_of<label_error>([&] { t.step(b); });
    };
    dropping_on_host h{seed{1}, batch{4}};
    on_device<precision::fp32> d{seed{1}, batch{4}};
    const std::string expected = refuse(h);
    CHECK(expected.find("head 'lungs', batch that begins with 'tiny ") == 0);
    CHECK(refuse(d) == expected);
}

} // namespace umsrep::test
