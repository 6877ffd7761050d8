// SPDX-License-Identifier: MIT
#pragma once

/// The numbers of Winograd's transforms F(m x m, r x r) for given points, by the Toom-Cook construction: transform both factors to their values at
/// 0, +-p1, +-p2, ... and infinity, multiply, interpolate. Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for
/// deep neural networks", 2020; the points are those of least error among fractions of eighths, float, up to 128 channels:
/// tiles of 6 with +-3/4, +-5/4 (a third of the error of the usual +-1, +-2), tiles of 8 with +-1/2, +-1, +-2.
namespace umsrep::cpu_ops {

template <int Pairs>
struct winograd_points {
    static constexpr int size = 2 * Pairs + 2; ///< points, infinity included: elements of a tile's side

    float point[Pairs]{};
    float power[Pairs][size]{};          ///< p_i^k
    float whole[Pairs]{};                ///< coefficients of the product of (x^2 - p_j^2), in powers of x^2; the highest is 1
    float without[Pairs][Pairs]{};       ///< of the same without j = i
    float first_factor = 0;              ///< 1 / product of the distances of 0 from the other points
    float factor[Pairs][size]{};         ///< p_i^k / product of the distances of p_i from the other points

    constexpr winograd_points() {
        constexpr double of_six[]{0.75, 1.25}, of_eight[]{0.5, 1, 2};
        double p[Pairs]{};
        for (int i = 0; i < Pairs; ++i) p[i] = Pairs == 2 ? of_six[i % 2] : of_eight[i % 3];
        // Of (x^2 - p_j^2) over all j but `left_out`.
        const auto multiply_out = [&p](int left_out, double (&c)[Pairs + 1]) {
            int degree = 0;
            c[0] = 1;
            for (int k = 1; k <= Pairs; ++k) c[k] = 0;
            for (int j = 0; j < Pairs; ++j) {
                if (j == left_out) continue;
                for (int k = ++degree; k > 0; --k) c[k] = c[k - 1] - p[j] * p[j] * c[k];
                c[0] *= -p[j] * p[j];
            }
        };
        double c[Pairs + 1]{};
        multiply_out(-1, c);
        first_factor = static_cast<float>(1 / c[0]);
        for (int k = 0; k < Pairs; ++k) whole[k] = static_cast<float>(c[k]);
        for (int i = 0; i < Pairs; ++i) {
            multiply_out(i, c);
            double distances = 2 * p[i] * p[i], to_the_k = 1;
            for (int j = 0; j < Pairs; ++j) {
                without[i][j] = static_cast<float>(c[j]);
                if (j != i) distances *= p[i] * p[i] - p[j] * p[j];
            }
            point[i] = static_cast<float>(p[i]);
            for (int k = 0; k < size; ++k, to_the_k *= p[i]) {
                power[i][k] = static_cast<float>(to_the_k);
                factor[i][k] = static_cast<float>(to_the_k / distances);
            }
        }
    }
};

template <int Pairs>
inline constexpr winograd_points<Pairs> points_of{};

} // namespace umsrep::cpu_ops
