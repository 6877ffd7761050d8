// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <tests/backend/operation.hpp>
#include <tests/cpu/row_operands.hpp>
#include <umsrep/backend/cpu/linear.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {
namespace linear_layers {

row_case draw_case(shape in, int outputs, bool bias, int batch, random_stream& r) {
    row_case c;
    c.batch = batch;
    c.n = linear_node(in, outputs, bias);
    for (const double v : draw(outputs * in.size(), r)) c.weight.push_back(static_cast<float>(v));
    if (bias)
        for (const double v : draw(outputs, r)) c.bias.push_back(static_cast<float>(v));
    c.workspace = cpu_ops::linear_workspace(c.n, batch, 4);
    return c;
}

/// Against reference<double>, with every instruction set; and the same bits from two to four threads as from one.
void check(const row_case& c, random_stream& r) {
    r();
    const row_results expected = row_run(c, r).expected();
    for (const std::string_view set : instruction_sets()) {
        const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
        INFO(text_of(c) << "; " << std::string(set));
        thread_pool one(1);
        row_run alone(c, r);
        alone.run(k, one, cpu_ops::forward_linear, cpu_ops::backward_linear);
        const row_errors e = alone.errors(expected);
        CHECK(e.out <= 3e-6);
        CHECK(e.in[0] <= 3e-6);
        CHECK(e.weight <= 3e-6);
        CHECK(e.bias <= 3e-6);
        CHECK(alone.workspace_kept());
        for (const int threads : {2, 3, 4}) {
            CAPTURE(threads);
            thread_pool pool(threads);
            row_run shared(c, r);
            shared.run(k, pool, cpu_ops::forward_linear, cpu_ops::backward_linear);
            CHECK(shared.same_bits(alone));
            CHECK(shared.workspace_kept());
        }
    }
}

/// Numbers between NaNs: what reads beyond them computes NaN, what writes there is seen.
class guarded {
public:
    guarded(std::ptrdiff_t size, random_stream& r)
        : numbers_(static_cast<std::size_t>(size) + 2 * guard, std::numeric_limits<float>::quiet_NaN()) {
        for (std::size_t i = guard; i < numbers_.size() - guard; ++i) numbers_[i] = static_cast<float>(r.normal());
    }
    float* data() { return numbers_.data() + guard; }
    const float* data() const { return numbers_.data() + guard; }
    bool is_finite() const {
        return std::all_of(numbers_.begin() + guard, numbers_.end() - guard, [](float v) { return std::isfinite(v); });
    }
    bool is_kept_around() const {
        const auto is_nan = [](float v) { return std::isnan(v); };
        return std::all_of(numbers_.begin(), numbers_.begin() + guard, is_nan) &&
               std::all_of(numbers_.end() - guard, numbers_.end(), is_nan);
    }

private:
    static constexpr int guard = 64;
    std::vector<float> numbers_;
};

} // namespace linear_layers
} // namespace

TEST_CASE("linear agrees with the reference: sizes that fill no block, batches of 1 to 17, with and without bias") {
    constexpr seed s{81};
    INFO("seed " << s.value);
    random_stream r(s, "linear");
    constexpr int features[] = {1, 15, 16, 17, 48, 255, 300}, outputs[] = {1, 3, 16, 19, 31, 33, 70};
    int batch = 0;
    for (const int f : features)
        for (const int o : outputs) {
            batch = batch % 17 + 1;
            linear_layers::check(linear_layers::draw_case({f, 1, 1}, o, (f + o) % 2 == 0, batch, r), r);
        }
}

TEST_CASE("linear of more features, outputs and samples than a task takes") {
    random_stream r(seed{82}, "linear");
    linear_layers::check(linear_layers::draw_case({9001, 1, 1}, 5, true, 3, r), r); // sums in several parts
    linear_layers::check(linear_layers::draw_case({2100, 1, 1}, 150, true, 2, r), r);
    linear_layers::check(linear_layers::draw_case({530, 1, 1}, 40, false, 67, r), r);
    linear_layers::check(linear_layers::draw_case({40, 1, 1}, 1300, true, 5, r), r);
}

TEST_CASE("linear of images: in blocks, behind norms and ReLUs, in two parts, gradients that add or that nobody wants") {
    random_stream r(seed{83}, "linear");
    const std::vector<storing> sources{{},
                                       {.norm = {true, false}},
                                       {.norm = {true, false}, .relu = {true, false}},
                                       {.second = 9, .norm = {true, true}, .relu = {true, false}},
                                       {.second = 9, .norm = {false, true}, .relu = {false, true}}};
    const std::vector<storing> sinks{{},
                                     {.accumulate = {true, false}},
                                     {.second = 9, .accumulate = {true, false}},
                                     {.second = 9, .accumulate = {false, true}, .unwanted = {true, false}},
                                     {.second = 9, .unwanted = {false, true}}};
    for (const shape in : {shape{41, 3, 5}, shape{5, 7, 9}, shape{16, 1, 2}, shape{37, 1, 1}})
        for (std::size_t i = 0; i < sources.size(); ++i)
            for (std::size_t j = 0; j < sinks.size(); ++j) {
                row_case c = linear_layers::draw_case(in, 21, true, 2, r);
                c.in[0] = sources[i];
                c.sink[0] = sinks[j];
                if (in.c != 41 && (c.in[0].second > 0 || c.sink[0].second > 0)) continue; // what is in two parts is in blocks
                linear_layers::check(c, r);
            }
}

TEST_CASE("linear reads and writes nothing beside its arrays, and no input where only the gradient of the input is wanted") {
    random_stream r(seed{84}, "linear");
    for (const auto& [f, outputs, batch] : {std::tuple{13, 5, 3}, std::tuple{33, 18, 1}, std::tuple{520, 65, 9}}) {
        const node n = linear_node({f, 1, 1}, outputs, true);
        const linear_layers::guarded x(batch * f, r), weight(n.weight.size, r), bias(outputs, r), dy(batch * outputs, r);
        for (const std::string_view set : instruction_sets()) {
            INFO(f << " to " << outputs << ", batch " << batch << "; " << std::string(set));
            const cpu_ops::kernel_table& k = *cpu_ops::find_kernels(set);
            thread_pool pool(2);
            linear_layers::guarded workspace(cpu_ops::linear_workspace(n, batch, 2), r), y(batch * outputs, r), dx(batch * f, r),
                dw(n.weight.size, r), db(outputs, r);
            operands<float> o;
            o.n = &n;
            o.pool = &pool;
            o.workspace = workspace.data();
            o.in[0] = {nullptr, batch, n.in};
            o.sources[0] = cpu_ops::whole(x.data(), n.in);
            o.weight = weight.data();
            o.bias = bias.data();
            o.out = {y.data(), batch, n.out};
            cpu_ops::forward_linear(k, o);
            o.out.data = nullptr;
            o.grad_out = {dy.data(), batch, n.out};
            o.grad_weight = dw.data();
            o.grad_bias = db.data();
            cpu_ops::backward_linear(k, o);
            o.grad_weight = o.grad_bias = nullptr;
            o.sources[0] = {};
            o.sinks[0] = cpu_ops::whole(dx.data(), n.in);
            cpu_ops::backward_linear(k, o);
            for (const linear_layers::guarded* array : {&y, &dx, &dw, &db}) CHECK(array->is_finite());
            for (const linear_layers::guarded* array : {&workspace, &y, &dx, &dw, &db}) CHECK(array->is_kept_around());
        }
    }
}

TEST_CASE("a sample's results and gradients are the same bits whatever batch it is in") {
    random_stream r(seed{85}, "linear");
    constexpr int batch = 17, f = 700, outputs = 37;
    const node n = linear_node({f, 1, 1}, outputs, true);
    const auto numbers = [&](std::ptrdiff_t size) {
        std::vector<float> result(static_cast<std::size_t>(size));
        for (float& v : result) v = static_cast<float>(r.normal());
        return result;
    };
    const std::vector<float> x = numbers(batch * f), dy = numbers(batch * outputs), weight = numbers(n.weight.size),
                             bias = numbers(outputs);
    thread_pool pool(2);
    for (const std::string_view set : instruction_sets()) {
        INFO(std::string(set));
        std::vector<float> y(static_cast<std::size_t>(batch * outputs)), dx(static_cast<std::size_t>(batch * f)), y_alone(y), dx_alone(dx);
        std::vector<float> workspace(static_cast<std::size_t>(cpu_ops::linear_workspace(n, batch, 2)));
        const auto run = [&](int first, int samples, std::vector<float>& out, std::vector<float>& gradient) {
            operands<float> o;
            o.n = &n;
            o.pool = &pool;
            o.workspace = workspace.data();
            o.in[0] = {nullptr, samples, n.in};
            o.sources[0] = cpu_ops::whole(x.data() + first * f, n.in);
            o.weight = weight.data();
            o.bias = bias.data();
            o.out = {out.data() + first * outputs, samples, n.out};
            cpu_ops::forward_linear(*cpu_ops::find_kernels(set), o);
            o.grad_out = {dy.data() + first * outputs, samples, n.out};
            o.sinks[0] = cpu_ops::whole(gradient.data() + first * f, n.in);
            cpu_ops::backward_linear(*cpu_ops::find_kernels(set), o);
        };
        run(0, batch, y, dx);
        for (int i = 0; i < batch; ++i) run(i, 1, y_alone, dx_alone);
        CHECK(y == y_alone);
        CHECK(dx == dx_alone);
    }
}
