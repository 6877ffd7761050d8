// SPDX-License-Identifier: MIT
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/network/check.hpp>

using namespace umsrep;

namespace {

using small = encoder<image<2, 16, 16>, stage<"e1", conv<4, 3>, relu>, stage<"e2", max_pool<2>, seq<conv<8, 3>, batch_norm>>>;
struct net : network<small,
    head<"mask", seq<conv_transpose<4, 2, stride<2>>, concat<"e1">, named<"last", conv<1, 1>>>, loss::bce>,
    head<"class", seq<global_avg_pool, linear<3>>, loss::cross_entropy>,
    head<"clean", conv<2, 1>, loss::l1, from<"e1">>,
    head<"raw", conv<1, 1>, loss::bce, output<identity>>> {};

std::vector<std::string> parameter_names(const graph& g) {
    std::vector<std::string> names;
    for (const node& n : g.nodes)
        if (n.weight) names.push_back(g.path(n) + ".weight");
    return names;
}

} // namespace

TEST_CASE("parameters are called encoder.<stage>.<layer> and <head>.<layer>, as in PyTorch's state_dict") {
    CHECK(parameter_names(lower<net>()) ==
          std::vector<std::string>{"encoder.e1.0.weight", "encoder.e2.1.0.weight", "encoder.e2.1.1.weight", "mask.0.weight",
                                   "mask.last.weight", "class.1.weight", "clean.weight", "raw.weight"});
}

TEST_CASE("stages and heads are ranges of nodes, in order, with their own numbers as owners") {
    const graph g = lower<net>();
    int next = 1;
    for (int s = 0; s < g.stage_count(); ++s) {
        const stage_info& one = g.stages[static_cast<std::size_t>(s)];
        CHECK(one.first == next);
        for (int i = one.first; i < one.last; ++i) CHECK(g[i].owner == s);
        CHECK(one.output == one.last - 1);
        next = one.last;
    }
    for (int h = 0; h < g.head_count(); ++h) {
        const head_info& one = g.heads[static_cast<std::size_t>(h)];
        CHECK(one.first == next);
        for (int i = one.first; i < one.last; ++i) CHECK(g[i].owner == g.stage_count() + h);
        next = one.last;
    }
    CHECK(next == g.size());
}

TEST_CASE("a head reads the last stage unless `from` names another") {
    const graph g = lower<net>();
    CHECK(g.heads[0].tap == g.stages[1].output);
    CHECK(g.heads[2].tap == g.stages[0].output);
}

TEST_CASE("the loss chooses what turns logits into the prediction, `output` overrides it") {
    const graph g = lower<net>();
    CHECK(g[g.heads[0].output].kind == op::sigmoid);
    CHECK(g[g.heads[1].output].kind == op::softmax);
    CHECK(g.heads[2].output == g.heads[2].logits);
    CHECK(g.heads[3].output == g.heads[3].logits);
}

TEST_CASE("slots of parameters and statistics follow one another without gaps") {
    const graph g = lower<net>();
    std::ptrdiff_t parameters = 0, statistics = 0;
    for (const node& n : g.nodes) {
        for (const slot s : {n.weight, n.bias})
            if (s) {
                CHECK(s.offset == parameters);
                parameters += s.size;
            }
        for (const slot s : {n.running_mean, n.running_var})
            if (s) {
                CHECK(s.offset == statistics);
                statistics += s.size;
            }
    }
    CHECK(parameters == g.parameters);
    CHECK(statistics == g.statistics);
    CHECK(statistics == 16);
}

TEST_CASE("a tap in one head is not seen by the next") {
    using with_tap = head<"a", seq<conv<4, 3>, tap<"t">, relu, concat<"t">, conv<1, 1>>, loss::bce>;
    using again = head<"b", seq<conv<4, 3>, tap<"t">, relu, concat<"t">, conv<1, 1>>, loss::bce>;
    static_assert(fits<network<small, with_tap, again>>);
    using thief = head<"b", seq<conv<4, 1>, concat<"t">>, loss::bce>;
    CHECK(to_string(lower<network<small, with_tap, thief>>().error) == "b, 1 concat: no stage or tap is called 't'");
}

TEST_CASE("an encoder, a stage and a network may be given short names by derivation") {
    struct named_encoder : small {};
    struct named_network : network<named_encoder, head<"mask", conv<1, 1>, loss::bce>> {};
    static_assert(fits<named_network>);
    static_assert(network_traits<named_network>::stage_count == 2);
    CHECK(lower<named_network>().parameters > 0);
}

TEST_CASE("traits tell what needs no lowering") {
    using traits = network_traits<net>;
    static_assert(traits::stage_count == 2 && traits::head_count == 4 && !traits::is_dynamic);
    static_assert(traits::declared_image == shape{2, 16, 16} && traits::checked_image == shape{2, 16, 16});
    static_assert(std::is_same_v<traits::losses, std::tuple<loss::bce, loss::cross_entropy, loss::l1, loss::bce>>);
    static_assert(traits::find_head("class") == 1 && traits::find_head("e1") == -1);
    static_assert(traits::find_stage("e2") == 1 && traits::find_stage("mask") == -1);
    static_assert(traits::head_names[3] == "raw");
    CHECK(true);
}

TEST_CASE("a network of dynamic size lowers for any size it fits, and says which it does not") {
    struct any : network<encoder<image<1, dynamic, dynamic>, stage<"e1", conv<4, 3>>, stage<"e2", max_pool<2>, conv<8, 3>>>,
                         head<"mask", seq<conv_transpose<4, 2, stride<2>>, concat<"e1">, conv<1, 1>>, loss::bce>> {};
    static_assert(fits<any>);
    static_assert(network_traits<any>::is_dynamic);
    CHECK(lower<any>({1, 40, 24}).ok());
    CHECK(lower<any>({1, 40, 24}).parameters == lower<any>().parameters);
    CHECK(to_string(lower<any>({1, 41, 24}).error) == "mask, 1 concat: expected 4 x 41 x 24, got 4 x 40 x 24");
}

TEST_CASE("names are found, and those that are not there are not") {
    const graph g = lower<net>();
    CHECK(g.find_head("class") == 1);
    CHECK(g.find_head("e1") == -1);
    CHECK(g.find_stage("e2") == 1);
    CHECK(g.find_stage("mask") == -1);
}
