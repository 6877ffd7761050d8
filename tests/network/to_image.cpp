// SPDX-License-Identifier: MIT
#include <algorithm>
#include <set>

#include <doctest/doctest.h>

#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/graph/count.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/network/encoder_description.hpp>
#include <umsrep/network/feature_pyramid.hpp>
#include <umsrep/network/to_image.hpp>
#include <umsrep/network/zoo/densenet.hpp>
#include <umsrep/network/zoo/resnet.hpp>
#include <umsrep/network/zoo/unet.hpp>
#include <umsrep/network/zoo/vgg.hpp>

using namespace umsrep;

namespace {

using rgb = image<3, 64, 64>;
template <class Encoder>
struct source_net : network<Encoder, head<"source", to_image<8>, loss::l1>, head<"masks", to_image<8, 2>, loss::dice_bce>> {};
template <class Encoder>
struct pyramid_net
    : network<Encoder, head<"source", feature_pyramid<8, 0>, loss::l1>, head<"masks", feature_pyramid<8, 2>, loss::dice_bce>> {};
struct thirds
    : encoder<image<2, 36, 54>, stage<"e1", conv<4, 3>>, stage<"e2", max_pool<3>, conv<4, 3>>, stage<"e3", conv<4, 3, stride<2>>>> {};
struct without_skip
    : network<encoder<image<1, 64, 64>, stage<"e1", conv<4, 3>, max_pool<8>>>, head<"source", seq<to_image<>, add_image>, loss::l1>> {};

/// Of the head "source": its output, and the encoder's nodes that it reads besides the deepest.
template <class Net>
std::pair<shape, std::set<int>> decoded() {
    const graph g = lower<Net>();
    REQUIRE(g.ok());
    const head_info& h = g.heads[0];
    std::set<int> read;
    for (int i = h.first; i < h.last; ++i)
        for (const int input : g[i].inputs)
            if (input >= 0 && input < h.first && input != h.tap) read.insert(input);
    return {g[h.logits].out, read};
}

} // namespace

TEST_CASE_TEMPLATE("to_image leads back to the image from every encoder of the zoo", Encoder, unet_encoder<rgb, 8, 16, 32>,
                   resnet18_encoder<rgb>, resnet50_encoder<rgb>, densenet121_encoder<rgb>, vgg16_encoder<rgb>, thirds) {
    const graph g = lower<source_net<Encoder>>();
    REQUIRE(g.ok());
    CHECK(g[g.heads[0].logits].out == g[0].out);
    CHECK(g[g.heads[1].logits].out == shape{2, g[0].out.h, g[0].out.w});

    // It reads one stage of every size between the deepest and the image, the deepest of those of that size, and not the image itself.
    const auto read = decoded<source_net<Encoder>>().second;
    std::set<int> wanted;
    int size = g[g.stages.back().output].out.h;
    for (std::size_t s = g.stages.size(); s-- > 0;)
        if (const int out = g.stages[s].output; g[out].out.h > size) {
            wanted.insert(out);
            size = g[out].out.h;
        }
    CHECK(read == wanted);
    CHECK(std::all_of(read.begin(), read.end(), [](int i) { return i != 0; }));
}

TEST_CASE_TEMPLATE("feature_pyramid leads back to the image from every encoder of the zoo", Encoder, unet_encoder<rgb, 8, 16, 32>,
                   resnet18_encoder<rgb>, resnet50_encoder<rgb>, densenet121_encoder<rgb>, vgg16_encoder<rgb>, thirds) {
    const graph g = lower<pyramid_net<Encoder>>();
    REQUIRE(g.ok());
    CHECK(g[g.heads[0].logits].out == g[0].out);
    CHECK(g[g.heads[1].logits].out == shape{2, g[0].out.h, g[0].out.w});
    CHECK(decoded<pyramid_net<Encoder>>().second == decoded<source_net<Encoder>>().second);
}

TEST_CASE("feature_pyramid: what it is made of, and what it costs") {
    struct net : network<unet_encoder<image<1, 32, 32>, 16, 32, 64>, head<"mask", feature_pyramid<8>, loss::dice_bce>> {};
    const graph g = lower<net>();
    REQUIRE(g.ok());
    const head_info& h = g.heads[0];
    std::vector<std::pair<op, shape>> made;
    for (int i = h.first; i <= h.logits; ++i) made.emplace_back(g[i].kind, g[i].out);
    const std::vector<std::pair<op, shape>> wanted{
        {op::conv, {8, 8, 8}},   {op::upsample_bilinear, {8, 16, 16}}, {op::conv, {8, 16, 16}}, {op::add, {8, 16, 16}},
        {op::conv, {8, 16, 16}}, {op::batch_norm, {8, 16, 16}},        {op::relu, {8, 16, 16}}, {op::conv, {1, 16, 16}},
        {op::upsample_bilinear, {1, 32, 32}}, {op::conv, {1, 32, 32}}, {op::add, {1, 32, 32}}};
    CHECK(made == wanted);
    // laterals 64 -> 8 and 32 -> 8, 3 x 3 of 8, logits, and those of the stage of the image's size
    std::int64_t multiplications = 0;
    for (int i = h.first; i <= h.logits; ++i) multiplications += macs(g[i]);
    CHECK(multiplications == 64 * 8 * 64 + 256 * (32 * 8 + 9 * 8 * 8 + 8) + 1024 * 16);
}

TEST_CASE("feature_pyramid where all stages are smaller than the image, and where one is all there is") {
    struct small : network<encoder<image<1, 64, 64>, stage<"e1", conv<4, 3>, max_pool<8>>>, head<"mask", feature_pyramid<>, loss::dice_bce>> {};
    struct single : network<encoder<image<1, 8, 8>, stage<"e1", conv<4, 3>>>, head<"mask", feature_pyramid<>, loss::dice_bce>> {};
    CHECK(decoded<small>() == std::pair{shape{1, 64, 64}, std::set<int>{}});
    CHECK(decoded<single>() == std::pair{shape{1, 8, 8}, std::set<int>{}});
}

TEST_CASE("without a stage to read, to_image enlarges in one step, and add_image reads the image") {
    const auto [out, read] = decoded<without_skip>();
    CHECK(out == shape{1, 64, 64});
    CHECK(read == std::set<int>{0});
}

TEST_CASE("descriptions of encoders are equal where the encoders are, whatever stands on them, and tell what differs") {
    struct other_head : network<thirds, head<"class", seq<conv<1, 1>>, loss::l1>> {};
    CHECK(describe_encoder<source_net<thirds>>() == describe_encoder<other_head>());
    CHECK_FALSE(first_difference(describe_encoder<source_net<thirds>>(), describe_encoder<other_head>()));

    const auto difference = [](encoder_description changed) {
        const encoder_difference d = first_difference(describe_encoder<other_head>(), changed);
        return d.where + ": " + d.expected + " | " + d.got;
    };
    const encoder_description d = describe_encoder<other_head>();
    CHECK(d.stages[1].layers ==
          std::vector<std::string>{"0: max_pool 4, kernel 3 x 3, stride 3 x 3", "1: conv 4, kernel 3 x 3, padding 1 x 1, bias"});
    encoder_description e = d;
    e.stages.pop_back();
    CHECK(difference(e) == "stage 'e3': to be there | no such stage");
    e = d;
    e.stages.push_back({"e4", {}, 0, {"0: relu 4"}});
    CHECK(difference(e) == "stage 'e4': no such stage | one");
    e = d;
    e.stages[1].name = "x";
    CHECK(difference(e) == "stage 2: 'e2' | 'x'");
    e = d;
    e.stages[1].layers.pop_back();
    CHECK(difference(e) == "stage 'e2', layer 2: '1: conv 4, kernel 3 x 3, padding 1 x 1, bias' | no layer");
    e = d;
    e.image.h = dynamic;
    CHECK(difference(e) == "image: 2 x 36 x 54 | 2 x any x 54");
    e = d;
    ++e.stages[0].parameters;
    CHECK(difference(e) == "stage 'e1': 76 parameters | 77");
}
