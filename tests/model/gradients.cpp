// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <umsrep/backend/gradient_check.hpp>

#include "../support/tiny.hpp"

using namespace umsrep;

namespace {

// Of a network's parameters, evenly spread. Fewer where every access is checked and a pass takes ten times as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t components = 100;
#else
constexpr std::size_t components = 300;
#endif

struct mixed_stage : seq<conv<6, 3, stride<2>>, group_norm<3>, gelu, residual<seq<conv<6, 3, groups<2>>, instance_norm, silu, conv<6, 1>>>,
                         concat_of<identity, seq<conv<4, 3, dilation<2>, no_bias>, leaky_relu>>, batch_norm, sigmoid> {};
struct mixed : network<encoder<image<2, 11, 9>, stage<"a", conv<5, extent{1, 3}>, relu, tap<"t">, avg_pool<3, stride<2>, padding<1>>>,
                               stage<"b", mixed_stage>>,
                       head<"map", seq<upsample_bilinear<2>, conv<3, 3>, upsample_nearest<2>, conv_transpose<2, 3, stride<1>, padding<1>>>, loss::l2>,
                       head<"kind", seq<dropout<0.4>, linear<7>, relu, dropout<0.2>, linear<3>>, loss::cross_entropy>,
                       head<"early", seq<max_pool<2>, concat_of<global_avg_pool, global_max_pool>, linear<2>, softmax>, loss::l2, from<"a">>> {};

struct residual_net : network<encoder<image<1, 8, 8>,
                                      stage<"a", conv<4, 3, no_bias>, batch_norm, relu>,
                                      stage<"b", residual<seq<conv<4, 3, no_bias>, batch_norm, relu, conv<4, 3, no_bias>, batch_norm>>, relu>,
                                      stage<"c", residual<seq<conv<8, 3, stride<2>, no_bias>, batch_norm>, seq<conv<8, 1, stride<2>, no_bias>, batch_norm>>, relu>>,
                              head<"lungs", seq<conv_transpose<4, 2, stride<2>>, add<"b">, relu, conv<1, 1>>, loss::dice_bce>,
                              head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

/// Largest error of the gradient of the summed losses with respect to the parameters that the strategy trains.
template <class Net, class Strategy>
gradient_error check(Strategy, std::uint64_t which) {
    model<Net, reference<double>> m{seed{which}, batch{3}};
    random_stream r(seed{which}, "data");
    for (double& v : m.parameters()) v += 0.1 * static_cast<double>(r.normal());
    const graph& g = m.network();
    const mode what = Strategy::value(g.stage_count());
    executor<reference<double>> e(g, what, 3, m.pool());
    std::vector<double> images(static_cast<std::size_t>(3 * m.image().size()));
    for (double& v : images) v = static_cast<double>(r.uniform());
    typename network_traits<Net>::losses losses;
    std::vector<std::vector<float>> targets;
    const auto specs = head_specs(m);
    for (std::size_t h = 0; h < specs.size(); ++h) {
        const bool classes = g[g.heads[h].logits].out.c == 3 && specs[h].target.size() == 1;
        targets.emplace_back();
        for (std::ptrdiff_t i = 0; i < 3 * specs[h].target.size(); ++i)
            targets.back().push_back(classes ? static_cast<float>(r.below(3)) : r.uniform());
    }
    std::vector<double> gradients(m.parameters().size()), ignored(m.parameters().size());
    std::vector<double> scratch(100000);
    const auto run = [&](std::vector<double>& into) {
        const std::vector<double> statistics(m.statistics().begin(), m.statistics().end());
        double total = 0;
        e.set_input(3, images.data());
        e.run(3, {m.parameters().data(), m.statistics().data(), into.data(), 0}, seed{5}, 1,
              [&](int head, tensor_view<double> logits, tensor_view<double> gradient) {
                  const std::size_t h = static_cast<std::size_t>(head);
                  [&]<std::size_t... H>(std::index_sequence<H...>) {
                      ((H == h ? void(total += std::get<H>(losses).evaluate(tensor_view<const double>(logits),
                                                                           tensor_view<const float>{targets[H].data(), 3, specs[H].target}, {},
                                                                           1.0, gradient, loss::workspace{&m.pool(), scratch}))
                               : void()), ...);
                  }(std::make_index_sequence<std::tuple_size_v<typename network_traits<Net>::losses>>{});
              });
        std::copy(statistics.begin(), statistics.end(), m.statistics().begin());
        return total;
    };
    run(gradients);
    std::ptrdiff_t first = 0;
    for (const node& n : g.nodes)
        if (n.weight && n.owner < what.first_trained_stage) first = std::max(first, std::max(n.weight.offset + n.weight.size, n.bias.offset + n.bias.size));
    const auto trained = static_cast<std::size_t>(first);
    return check_gradient([&] { return run(ignored); }, m.parameters().subspan(trained), std::span<const double>(gradients).subspan(trained), components);
}

} // namespace

TEST_CASE_TEMPLATE("gradients of whole networks are those of their losses, by central differences in double", Net, mixed, residual_net, test::tiny) {
    for (const std::uint64_t which : {std::uint64_t{1}, std::uint64_t{2}}) {
        CAPTURE(which);
        const auto report = [](const gradient_error& e) {
            CAPTURE(e.where);
            CAPTURE(e.analytic);
            CAPTURE(e.numeric);
            // Where a ReLU or a maximum changes sides within the step of the difference, the difference is no derivative: the bound is loose
            // enough for a curved function and far below any wrong term.
            CHECK(e.relative < 2e-4);
        };
        report(check<Net>(joint<all>{}, which));
        report(check<Net>(joint<last<1>>{}, which));
        report(check<Net>(joint<frozen>{}, which));
        report(check<Net>(joint<all, norm_statistics::frozen>{}, which));
        report(check<Net>(joint<last<1>, norm_statistics::adaptive>{}, which));
    }
}
