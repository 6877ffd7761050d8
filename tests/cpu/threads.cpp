// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <tests/cpu/backends.hpp>
#include <tests/graph/random_graph.hpp>
#include <tests/support/budget.hpp>
#include <tests/support/graph_parity.hpp>
#include <tests/support/random_network.hpp>
#include <tests/support/tiny.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

struct outcome {
    std::vector<float> parameters, statistics;
    xt::xtensor<float, 4> lungs;
};

/// Three steps of training and a prediction.
template <class Backend>
outcome train_and_predict(int thread_count) {
    model<tiny, Backend> m{seed{1}, batch{5}, threads{thread_count}};
    auto samples = tiny_loader(m, {}, 5);
    trainer t{m, joint<all>{}, optim::adamw{.lr = 1e-2}, batch{5}};
    samples.start(0);
    while (const auto b = samples.next()) t.step(*b);
    samples.start(1);
    return {copy(m.parameters()), copy(m.statistics()), m.predict(samples.next()->images).template get<"lungs">()};
}

} // namespace

TEST_CASE_TEMPLATE("training and prediction give the same bits with 1, 2, 3 and 4 threads, and when done again", Backend, fast, exact_only) {
    const outcome one = train_and_predict<Backend>(1);
    for (const int thread_count : {1, 2, 3, 4}) {
        CAPTURE(thread_count);
        const outcome again = train_and_predict<Backend>(thread_count);
        CHECK(same_bits(one.parameters, again.parameters));
        CHECK(same_bits(one.statistics, again.statistics));
        CHECK(same_bits(one.lungs, again.lungs));
    }
}

TEST_CASE_TEMPLATE("random networks give the same bits with 1, 2, 3 and 4 threads", Backend, fast, exact_only) {
    constexpr seed s{61};
    INFO("seed " << s.value);
    for (std::uint64_t i = 0; i < tried(60); ++i) {
        INFO("network " << i);
        random_stream r(s, "network", i);
        const graph g = i % 3 == 0 ? random_graph(r) : random_network(r).value();
        const graph_data d = draw_data(g, 3, r);
        INFO(text_of(g, 3));
        mode train{};
        train.training = true;
        for (const mode& m : {train, infer::value(g.stage_count())}) {
            const graph_result one = run_graph<Backend>(g, m, d, {.threads = 1});
            for (const int threads : {2, 3, 4}) CHECK(same_bits(one, run_graph<Backend>(g, m, d, {.threads = threads})));
        }
    }
}

TEST_CASE("large planes, where one image is split among threads, give the same bits too") {
    graph_writer w({3, 96, 80});
    w.stage("e1");
    int x = w.relu(w.batch_norm(w.conv(0, 16, {.kernel = 3, .padding = 1})));
    x = w.relu(w.batch_norm(w.conv(x, 33, {.kernel = 3, .padding = 1})));
    x = w.pool(x, op::max_pool, {.kernel = 2, .stride = 2});
    w.head("a", x);
    w.conv(w.conv_transpose(x, 16, {.kernel = 2, .stride = 2, .bias = true}), 1, {.bias = true});
    const graph g = w.finish();
    random_stream r(seed{62}, "large");
    for (const int batch : {1, 2}) {
        const graph_data d = draw_data(g, batch, r);
        for (const bool training : {true, false}) {
            mode m{};
            m.training = training;
            const auto check = [&]<class Backend>(Backend) {
                const graph_result one = run_graph<Backend>(g, m, d, {.threads = 1});
                for (const int threads : {2, 3, 4}) CHECK(same_bits(one, run_graph<Backend>(g, m, d, {.threads = threads})));
            };
            check(fast{});
            check(exact_only{});
        }
    }
}
