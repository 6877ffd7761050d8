// SPDX-License-Identifier: MIT
#include <cstddef>
#include <iomanip> // brings std::quoted, which a function of that name here would collide with
#include <sstream>
#include <string>

#include <doctest/doctest.h>

#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/network/describe.hpp>
#include <umsrep/network/zoo/classifier.hpp>
#include <umsrep/network/zoo/densenet.hpp>

using namespace umsrep;

namespace {

struct tiny : network<encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3>, relu>,
    stage<"e2", max_pool<2>, conv<8, 3>, relu>>,
    head<"mask", seq<conv_transpose<4, 2, stride<2>>, concat<"e1">, conv<1, 1>>, loss::dice_bce>,
    head<"class", gap_linear<3>, loss::cross_entropy>> {};

struct any_size : network<encoder<image<1, dynamic, dynamic>, stage<"e1", max_pool<2>, conv<4, 3>>>,
    head<"mask", seq<upsample_nearest<2>, conv<1, 1>>, loss::dice_bce>> {};

} // namespace

TEST_CASE("the table of a small network, to the letter") {
    CHECK(describe<tiny>() ==
R"(layer       op                    output  parameters    MACs     bytes
image                        1 x 16 x 16                       1.0 KiB
encoder.e1                                        40   9.2 k   8.0 KiB
  0         conv             4 x 16 x 16          40   9.2 k   4.0 KiB
  1         relu             4 x 16 x 16                       4.0 KiB
encoder.e2                                       296  18.4 k   5.0 KiB
  0         max_pool           4 x 8 x 8                       1.0 KiB
  1         conv               8 x 8 x 8         296  18.4 k   2.0 KiB
  2         relu               8 x 8 x 8                       2.0 KiB
mask                                             141  10.2 k  14.0 KiB
  0         conv_transpose   4 x 16 x 16         132   8.2 k   4.0 KiB
  1         concat           8 x 16 x 16                       8.0 KiB
  2         conv             1 x 16 x 16           9   2.0 k   1.0 KiB
            sigmoid          1 x 16 x 16                       1.0 KiB
class                                             27      24      56 B
  0         global_avg_pool    8 x 1 x 1                          32 B
  1         linear             3 x 1 x 1          27      24      12 B
            softmax            3 x 1 x 1                          12 B
total                                            504  37.9 k

one image                    trained     MACs  activations  gradients, moments
prediction                             37.9 k     18.0 KiB
training, encoder frozen         168   50.2 k     19.0 KiB             2.0 KiB
training, last stage             464   76.9 k     20.0 KiB             5.4 KiB
training, all                    504  104.5 k     25.0 KiB             5.9 KiB
training, all, checkpointed      504  104.5 k     24.0 KiB             5.9 KiB
)");
}

TEST_CASE("the graph of a small network, to the letter") {
    CHECK(describe_dot<any_size>({1, 8, 6}) ==
R"(digraph network {
  node [shape=box, fontname="sans-serif"];
  n0 [label="image\n1 x 8 x 6", shape=oval];
  subgraph cluster_0 {
    label="encoder.e1";
    n1 [label="0 max_pool\n1 x 4 x 3"];
    n2 [label="1 conv\n4 x 4 x 3"];
  }
  subgraph cluster_1 {
    label="mask";
    n3 [label="0 upsample_nearest\n4 x 8 x 6"];
    n4 [label="1 conv\n1 x 8 x 6"];
    n5 [label="sigmoid\n1 x 8 x 6"];
  }
  n0 -> n1;
  n1 -> n2;
  n2 -> n3;
  n3 -> n4;
  n4 -> n5;
}
)");
}

TEST_CASE("the table of a deep network fits 100 columns, by cutting names at their beginning") {
    struct deep : network<encoder<image<1, 224, 224>,
        stage<"e1", conv<64, 3>>,
        stage<"a_stage_with_a_long_name", named<"a_layer_with_a_name_that_is_long_too", dense_block<32, 2>>>>,
        head<"class", gap_linear<3>, loss::cross_entropy>> {};
    std::istringstream lines(describe<deep>());
    std::size_t longest = 0, cut = 0;
    for (std::string line; std::getline(lines, line);) {
        longest = std::max(longest, line.size());
        if (line.starts_with("..")) {
            ++cut;
            CHECK(line.find("denselayer") != std::string::npos);
        }
    }
    CHECK(longest <= 100);
    CHECK(cut > 0);
}

TEST_CASE("sums are those of the facts") {
    const std::string text = describe<tiny>();
    CHECK(text.find("total                                            " + std::to_string(parameters<tiny>)) != std::string::npos);
    CHECK(forward_macs<tiny> == 37'912);
    CHECK(trainable_parameters<tiny, train<joint<frozen>>> == 168);
    CHECK(training_macs<tiny, joint<all>> == 104'520);
}

TEST_CASE("a network of dynamic size is described for a size, and one that does not fit says so") {
    CHECK(describe<any_size>({1, 64, 48}).find("1 x 64 x 48") != std::string::npos);
    CHECK_THROWS_WITH_AS((void)describe<any_size>({1, 1, 48}),
                         "encoder, e1.0 max_pool: expected a window no larger than the padded image, 1 x 48, got 2 x 2", shape_mismatch);
}

TEST_CASE("numbers are written with the unit that suits them") {
    CHECK(detail::grouped(0) == "0");
    CHECK(detail::grouped(999) == "999");
    CHECK(detail::grouped(1000) == "1,000");
    CHECK(detail::grouped(25'557'032) == "25,557,032");
    CHECK(detail::count_text(999) == "999");
    CHECK(detail::count_text(1000) == "1.0 k");
    CHECK(detail::count_text(1949) == "1.9 k");
    CHECK(detail::count_text(4'089'184'256) == "4.1 G");
    CHECK(detail::bytes_text(1023) == "1023 B");
    CHECK(detail::bytes_text(1024) == "1.0 KiB");
    CHECK(detail::bytes_text(1536 * 1024) == "1.5 MiB");
}

TEST_CASE("names that Graphviz would misread are quoted") {
    CHECK(detail::dot_string("a \"b\" \\ c") == R"("a \"b\" \\ c")");
}
