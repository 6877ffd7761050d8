// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <umsrep/graph/plan.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/network/facts.hpp>
#include <umsrep/network/zoo/classifier.hpp>
#include <umsrep/network/zoo/densenet.hpp>
#include <umsrep/network/zoo/resnet.hpp>
#include <umsrep/network/zoo/unet.hpp>
#include <umsrep/network/zoo/vgg.hpp>

#include "../graph/simulator.hpp"

using namespace umsrep;

namespace {

using rgb = image<3, 224, 224>;
template <class Encoder, class Body>
using classifier = network<Encoder, head<"class", Body, loss::cross_entropy>>;

struct resnet18 : classifier<resnet18_encoder<rgb>, resnet_classifier<1000>> {};
struct resnet34 : classifier<resnet34_encoder<rgb>, resnet_classifier<1000>> {};
struct resnet50 : classifier<resnet50_encoder<rgb>, resnet_classifier<1000>> {};
struct vgg16 : classifier<vgg16_encoder<rgb>, vgg_classifier<1000>> {};
struct vgg16_bn : classifier<vgg16_bn_encoder<rgb>, vgg_classifier<1000>> {};
struct densenet121 : classifier<densenet121_encoder<rgb>, densenet_classifier<1000>> {};

/// Parameters of the encoder: those in front of the first head's.
template <class Net>
std::int64_t encoder_parameters() {
    const graph g = lower<Net>();
    std::int64_t total = 0;
    for (const node& n : g.nodes)
        if (n.owner < g.stage_count()) total += n.weight.size + n.bias.size;
    return total;
}

/// Names of all tensors with their numbers of elements.
template <class Net>
std::set<std::string> tensors() {
    const graph g = lower<Net>();
    std::set<std::string> names;
    for (const node& n : g.nodes) {
        const auto add = [&](slot s, const char* suffix) {
            if (s) names.insert(g.path(n) + suffix + " " + std::to_string(s.size));
        };
        add(n.weight, ".weight");
        add(n.bias, ".bias");
        add(n.running_mean, ".running_mean");
        add(n.running_var, ".running_var");
    }
    return names;
}

/// Widths of the stages' outputs, and the height of the last.
template <class Net>
std::vector<int> stage_widths() {
    const graph g = lower<Net>();
    std::vector<int> widths;
    for (const stage_info& s : g.stages) widths.push_back(g[s.output].out.c);
    widths.push_back(g[g.stages.back().output].out.h);
    return widths;
}

/// As a fast backend stores: channels in blocks of 16, norms and concatenations left to their readers.
constexpr bool few(shape s) { return s.c < 8 || s.plane() == 1; }
constexpr std::ptrdiff_t blocks_of_16(shape s) { return few(s) ? s.size() : (s.c + 15) / 16 * 16 * s.plane(); }
constexpr storage_policy blocked{blocks_of_16, few, true, 16};

template <class Net>
void check_plans() {
    const graph g = lower<Net>();
    for (const bool training : {false, true})
        for (int first = 0; first <= (training ? g.stage_count() : 0); ++first) {
            mode m{};
            m.training = training;
            m.first_trained_stage = first;
            INFO("training " << training << ", first trained stage " << first);
            for (const storage_policy& storage : {dense_storage, blocked}) {
                const execution_plan p = make_plan(g, m, storage);
                CHECK(test::simulator(g, m, p, storage).run() == "");
                CHECK(test::overlapping(p) == "");
            }
        }
}

} // namespace

// torchvision 0.15: sum(p.numel() for p in torchvision.models.NAME().parameters()), also published in its table of weights.
static_assert(parameters<resnet18> == 11'689'512);
static_assert(parameters<resnet34> == 21'797'672);
static_assert(parameters<resnet50> == 25'557'032);
static_assert(parameters<vgg16> == 138'357'544);
static_assert(parameters<vgg16_bn> == 138'365'992);
static_assert(parameters<densenet121> == 7'978'856);

TEST_CASE("the encoders have torchvision's parameters without the classifier") {
    CHECK(encoder_parameters<resnet18>() == 11'689'512 - 513'000);
    CHECK(encoder_parameters<resnet34>() == 21'797'672 - 513'000);
    CHECK(encoder_parameters<resnet50>() == 25'557'032 - 2'049'000);
    CHECK(encoder_parameters<vgg16>() == 14'714'688);
    CHECK(encoder_parameters<vgg16_bn>() == 14'723'136);
    CHECK(encoder_parameters<densenet121>() == 6'953'856);
}

TEST_CASE("multiply-accumulates are the published ones") { // GFLOPS column of torchvision's table of weights
    CHECK(static_cast<double>(forward_macs<resnet18>) == doctest::Approx(1.814e9).epsilon(0.001));
    CHECK(static_cast<double>(forward_macs<resnet50>) == doctest::Approx(4.089e9).epsilon(0.001));
    CHECK(static_cast<double>(forward_macs<vgg16>) == doctest::Approx(15.47e9).epsilon(0.001));
    CHECK(static_cast<double>(forward_macs<densenet121>) == doctest::Approx(2.834e9).epsilon(0.001));
}

TEST_CASE("stages have the widths and sizes of the papers") {
    CHECK(stage_widths<resnet18>() == std::vector{64, 64, 128, 256, 512, 7});
    CHECK(stage_widths<resnet50>() == std::vector{64, 256, 512, 1024, 2048, 7});
    CHECK(stage_widths<vgg16>() == std::vector{64, 128, 256, 512, 512, 14});
    CHECK(stage_widths<densenet121>() == std::vector{64, 256, 512, 1024, 1024, 7});
}

TEST_CASE("tensors have torchvision's names behind encoder.<stage>. or the head's name") {
    const auto holds = [](const std::set<std::string>& names, std::vector<std::string> wanted) {
        for (const std::string& name : wanted) CHECK_MESSAGE(names.contains(name), name);
    };
    holds(tensors<resnet18>(), {"encoder.e1.conv1.weight 9408", "encoder.e1.bn1.running_var 64", "encoder.e2.layer1.0.conv1.weight 36864",
                                "encoder.e2.layer1.1.bn2.bias 64", "encoder.e3.layer2.0.downsample.0.weight 8192",
                                "encoder.e3.layer2.0.downsample.1.running_mean 128", "encoder.e5.layer4.1.conv2.weight 2359296",
                                "class.fc.weight 512000", "class.fc.bias 1000"});
    holds(tensors<resnet50>(), {"encoder.e2.layer1.0.downsample.0.weight 16384", "encoder.e2.layer1.0.conv3.weight 16384",
                                "encoder.e4.layer3.5.bn3.weight 1024"});
    holds(tensors<vgg16>(), {"encoder.e1.0.weight 1728", "encoder.e1.2.bias 64", "encoder.e2.5.weight 73728", "encoder.e2.7.weight 147456",
                             "encoder.e3.10.weight 294912", "encoder.e3.14.bias 256", "encoder.e4.17.weight 1179648",
                             "encoder.e4.21.weight 2359296", "encoder.e5.24.bias 512", "encoder.e5.28.weight 2359296",
                             "class.classifier.0.weight 102760448", "class.classifier.3.bias 4096", "class.classifier.6.weight 4096000"});
    holds(tensors<vgg16_bn>(), {"encoder.e1.0.weight 1728", "encoder.e1.1.running_mean 64", "encoder.e1.4.weight 64", "encoder.e2.7.weight 73728",
                                "encoder.e3.14.weight 294912", "encoder.e3.21.running_var 256", "encoder.e4.24.weight 1179648",
                                "encoder.e5.40.weight 2359296", "encoder.e5.41.weight 512"});
    holds(tensors<densenet121>(), {"encoder.e1.conv0.weight 9408", "encoder.e1.norm0.weight 64",
                                   "encoder.e2.denseblock1.denselayer1.norm1.weight 64", "encoder.e2.denseblock1.denselayer6.conv1.weight 28672",
                                   "encoder.e3.transition1.conv.weight 32768", "encoder.e4.denseblock3.denselayer24.norm1.running_mean 992",
                                   "encoder.e5.denseblock4.denselayer16.conv2.weight 36864", "encoder.e5.norm5.bias 1024",
                                   "class.classifier.weight 1024000"});
    CHECK(tensors<resnet18>().size() == 122 - 20);     // torchvision's state_dict without num_batches_tracked
    CHECK(tensors<resnet50>().size() == 320 - 53);
    CHECK(tensors<vgg16>().size() == 32);
    CHECK(tensors<densenet121>().size() == 727 - 121);
}

TEST_CASE("one decoder stands on every encoder whose stages halve the image") {
    using decoder = unet_decoder<1, up<"e4", 64>, up<"e3", 32>, up<"e2", 16>, up<"e1", 16>>;
    struct on_unet : network<unet_encoder<image<1, 64, 64>, 16, 16, 32, 64, 128>, head<"mask", decoder, loss::dice_bce>> {};
    struct on_resnet : network<resnet18_encoder<image<1, 64, 64>>, head<"mask", decoder, loss::dice_bce>> {};
    struct on_vgg : network<vgg16_encoder<image<1, 64, 64>>, head<"mask", decoder, loss::dice_bce>> {};
    struct on_densenet : network<densenet121_encoder<image<1, 64, 64>>, head<"mask", decoder, loss::dice_bce>> {};
    static_assert(fits<on_unet> && fits<on_resnet> && fits<on_vgg> && fits<on_densenet>);
    const auto size = [](const graph& g) { return g[g.heads[0].output].out; };
    CHECK(size(lower<on_unet>()) == shape{1, 64, 64});
    CHECK(size(lower<on_vgg>()) == shape{1, 64, 64});
    CHECK(size(lower<on_resnet>()) == shape{1, 32, 32}); // its first stage has half the image's size already
    check_plans<on_unet>();
    check_plans<on_densenet>();
}

TEST_CASE("a U-Net block counts 9 C' C + C for each convolution, and 2 C for each norm") {
    struct unet : network<unet_encoder<image<1, 32, 32>, 8, 16>, head<"mask", unet_decoder<1, up<"e1", 8>>, loss::dice_bce>> {};
    constexpr auto block = [](int in, int out) { return (9 * in * out + out + 2 * out) + (9 * out * out + out + 2 * out); };
    static_assert(parameters<unet> == block(1, 8) + block(8, 16) + (16 * 8 * 4 + 8) + block(16, 8) + (8 + 1));
    CHECK(lower<unet>().statistics == 2 * 2 * (8 + 16 + 8));
}

TEST_CASE("classifier heads give one number for each output") {
    struct net : network<unet_encoder<image<1, 32, 32>, 8, 16>, head<"a", gap_linear<3>, loss::cross_entropy>,
                         head<"b", gap_dropout_linear<4>, loss::cross_entropy>, head<"c", gap_hidden_linear<32, 5, 0.2>, loss::cross_entropy>> {};
    const graph g = lower<net>();
    REQUIRE(g.ok());
    for (int h = 0; h < 3; ++h) CHECK(g[g.heads[static_cast<std::size_t>(h)].output].out == shape{3 + h, 1, 1});
    CHECK(tensors<net>().contains("a.1.weight 48"));
    CHECK(tensors<net>().contains("b.2.weight 64"));
    CHECK(tensors<net>().contains("c.1.bias 32"));
}

TEST_CASE("plans of the ready networks compute what they should, in every depth of training") {
    check_plans<resnet18>();
    check_plans<resnet50>();
    check_plans<vgg16_bn>();
    check_plans<densenet121>();
}
