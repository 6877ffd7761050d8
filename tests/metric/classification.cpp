// SPDX-License-Identifier: MIT
#include <umsrep/metric/classification.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::metric;

namespace {

/// rows = true class, columns = predicted class
confusion_matrix matrix_of(const std::vector<std::vector<int>>& rows) {
    confusion_matrix m{static_cast<int>(rows.size())};
    for (std::size_t t = 0; t < rows.size(); ++t)
        for (std::size_t p = 0; p < rows.size(); ++p)
            for (int i = 0; i < rows[t][p]; ++i) m.add(static_cast<int>(t), static_cast<int>(p));
    return m;
}

bool same(double got, double expected) {
    return std::isnan(expected) ? std::isnan(got) : std::abs(got - expected) <= 1e-12;
}

} // namespace

TEST_CASE("binary metrics are the textbook ratios of TP, FP, FN and TN") {
    const auto m = matrix_of({{50, 10}, {5, 35}}); // TN 50, FP 10, FN 5, TP 35
    CHECK(accuracy(m) == doctest::Approx(85.0 / 100));
    CHECK(sensitivity(m, 1) == doctest::Approx(35.0 / 40));
    CHECK(specificity(m, 1) == doctest::Approx(50.0 / 60));
    CHECK(precision(m, 1) == doctest::Approx(35.0 / 45));
    CHECK(f1(m, 1) == doctest::Approx(70.0 / 85));
    CHECK(balanced_accuracy(m) == doctest::Approx((35.0 / 40 + 50.0 / 60) / 2));
    CHECK(mcc(m) == doctest::Approx((35.0 * 50 - 10 * 5) / std::sqrt(45.0 * 40 * 60 * 55)));
}

TEST_CASE("with two classes the sensitivity of one is the specificity of the other") {
    const auto m = matrix_of({{7, 3}, {2, 11}});
    CHECK(sensitivity(m, 0) == specificity(m, 1));
    CHECK(sensitivity(m, 1) == specificity(m, 0));
}

TEST_CASE("classification metrics agree with scikit-learn") {
    const auto file = test::fixture("metric");
    for (const std::string name : {"binary", "multi", "absent"}) {
        CAPTURE(name);
        const auto counts = file.values<double>(name + ".confusion");
        const int classes = static_cast<int>(std::lround(std::sqrt(static_cast<double>(counts.size()))));
        confusion_matrix m{classes};
        m.add(file.values<int>(name + ".truth"), file.values<int>(name + ".predicted"));
        const auto value = [&](const char* what) { return file.values<double>(name + "." + what); };

        for (int t = 0; t < classes; ++t) {
            for (int p = 0; p < classes; ++p)
                CHECK(static_cast<double>(m.count(t, p)) == counts[static_cast<std::size_t>(t * classes + p)]);
            const auto c = static_cast<std::size_t>(t);
            CHECK(same(sensitivity(m, t), value("sensitivity")[c]));
            CHECK(same(specificity(m, t), value("specificity")[c]));
            CHECK(same(precision(m, t), value("precision")[c]));
            CHECK(same(f1(m, t), value("f1")[c]));
        }
        CHECK(same(accuracy(m), value("accuracy")[0]));
        CHECK(same(balanced_accuracy(m), value("balanced_accuracy")[0]));
        CHECK(same(mcc(m), value("mcc")[0]));
    }
}

TEST_CASE("R_K is 1 for a perfect classifier and does not change when classes are renamed") {
    CHECK(mcc(matrix_of({{4, 0, 0}, {0, 9, 0}, {0, 0, 2}})) == doctest::Approx(1.0));
    CHECK(mcc(matrix_of({{0, 6}, {3, 0}})) == doctest::Approx(-1.0));
    CHECK(mcc(matrix_of({{4, 1, 2}, {0, 9, 3}, {5, 0, 2}})) == doctest::Approx(mcc(matrix_of({{2, 0, 5}, {3, 9, 0}, {2, 1, 4}}))));
}

TEST_CASE("0/0 is NaN: an absent class has no sensitivity, a class never predicted no precision") {
    const auto m = matrix_of({{3, 0, 2}, {1, 0, 0}, {0, 0, 0}}); // class 1 is never predicted, class 2 never occurs
    CHECK(sensitivity(m, 1) == 0.0);
    CHECK(std::isnan(precision(m, 1)));
    CHECK(f1(m, 1) == 0.0);
    CHECK(std::isnan(sensitivity(m, 2)));
    CHECK(precision(m, 2) == 0.0);
    CHECK(f1(m, 2) == 0.0);
    CHECK(std::isnan(f1(matrix_of({{5, 0}, {0, 0}}), 1)));
    CHECK(std::isnan(specificity(matrix_of({{5, 1}, {0, 0}}), 0)));
}

TEST_CASE("macro averages run over the classes for which the metric is defined") {
    const auto m = matrix_of({{3, 0, 2}, {1, 0, 0}, {0, 0, 0}});
    CHECK(macro_sensitivity(m) == doctest::Approx((3.0 / 5 + 0) / 2));
    CHECK(macro_precision(m) == doctest::Approx((3.0 / 4 + 0) / 2));
    CHECK(macro_specificity(m) == doctest::Approx((0.0 + 1.0 + 4.0 / 6) / 3));
    CHECK(macro_f1(m) == doctest::Approx((6.0 / 9 + 0 + 0) / 3));
}

TEST_CASE("MCC of a constant prediction or a constant truth is 0 by convention; of nothing, NaN") {
    CHECK(mcc(matrix_of({{0, 7}, {0, 3}})) == 0.0);
    CHECK(mcc(matrix_of({{0, 0}, {2, 3}})) == 0.0);
    CHECK(mcc(matrix_of({{0, 0}, {0, 5}})) == 0.0);
    const confusion_matrix nothing{3};
    CHECK(std::isnan(mcc(nothing)));
    CHECK(std::isnan(accuracy(nothing)));
    CHECK(std::isnan(balanced_accuracy(nothing)));
    CHECK(std::isnan(macro_f1(nothing)));
}

TEST_CASE("a confusion matrix is a value: parts add up to the whole") {
    confusion_matrix left{2}, right{2}, whole{2};
    left.add(0, 1);
    right.add(1, 1);
    whole.add(std::vector{0, 1}, std::vector{1, 1});
    CHECK(left != whole);
    left += right;
    CHECK(left == whole);
    CHECK(left.total() == 2);
    CHECK(left.correct() == 1);
    CHECK(left.truth(0) == 1);
    CHECK(left.predicted(1) == 2);
}

TEST_CASE("the highest score is the prediction, the first one among equals") {
    confusion_matrix m{3};
    m.add_scores(std::vector{0, 2, 1}, std::vector<float>{.1f, .2f, .7f, -3, -3, -4, 5, 5, 5});
    CHECK(m.count(0, 2) == 1);
    CHECK(m.count(2, 0) == 1);
    CHECK(m.count(1, 0) == 1);
}

TEST_CASE("wrong labels and sizes throw and leave the matrix as it was") {
    confusion_matrix m{3};
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS(m.add(3, 0), "true class: expected 0 to 2, got 3", label_error);
    CHECK_THROWS_WITH_AS(m.add(0, -1), "predicted class: expected 0 to 2, got -1", label_error);
    CHECK_THROWS_AS(m.add(std::vector{0, 1}, std::vector{0}), shape_mismatch);
    CHECK_THROWS_AS(m.add(std::vector{0, 1}, std::vector{0, 7}), label_error);
    CHECK_THROWS_AS(m.add_scores(std::vector{0}, std::vector<float>{1, 2}), shape_mismatch);
    CHECK_THROWS_AS(m.add_scores(std::vector{0}, std::vector<float>{1, nan, 2}), error);
    CHECK_THROWS_AS(m.add_scores(std::vector{5}, std::vector<float>{1, 0, 2}), label_error);
    CHECK_THROWS_AS(m += confusion_matrix{2}, shape_mismatch);
    CHECK_THROWS_AS(confusion_matrix{0}, option_error);
    CHECK_THROWS_AS(sensitivity(m, 3), label_error);
    CHECK(m == confusion_matrix{3});
}
